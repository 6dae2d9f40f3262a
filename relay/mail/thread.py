"""What ties an answer to the mail it answers: names that we give to mail we send, and read back in what comes.

In charge of two sealed forms of a queue id: in a Message-ID, and as a tag behind an alias in an address. Neither can be
made by anybody else, so whoever shows one has seen the mail. Never says what became of the mail.
"""

import re
from collections.abc import Sequence

from relay.mail.address import MAX_LOCAL, Address
from relay.mail.message import Header, fold
from relay.mail.seal import TokenError, is_sealed, seal

__all__ = [
    "SENT",
    "TokenError",
    "answer_address",
    "answered_ids",
    "message_id_for",
    "parse_tag",
    "queue_id_in",
    "sent_field",
    "split_tag",
]

SENT = "relay-sent"

_SEAL_LETTERS = 8
_TAG = re.compile(rf"([A-Za-z0-9_-]{{1,30}})\.([A-Za-z2-7]{{{_SEAL_LETTERS}}})", re.ASCII)
# RFC 5322 3.6.4, as widely as programs write it.
_ID = re.compile(rb"<([^<>\s\x00-\x20\x7f]{1,250}@[^<>\s@\x00-\x20\x7f]{1,250})>")
_MOST_READ = 16 * 1024
_MOST_IDS = 6


def message_id_for(queue_id: str, *, domain: str, secrets: Sequence[bytes]) -> str:
    """The Message-ID, without brackets, that a mail gets from us when it has none; the first secret seals it."""
    return f"{_tag(queue_id, secrets[0])}@{domain}"


def sent_field(queue_id: str, *, domain: str, secrets: Sequence[bytes]) -> bytes:
    """The whole field, with its CRLF, that names a mail by the same form: whoever shows it again has seen the mail.

    For mail whose bounces do not come to us: its Message-ID may be the app's, and some hosts write another one.
    """
    return fold(f"Relay-Sent: <{message_id_for(queue_id, domain=domain, secrets=secrets)}>".encode("ascii"))


def answer_address(alias: Address, queue_id: str, *, secrets: Sequence[bytes]) -> Address:
    """The alias with a tag that names the mail: `alias+<queue id>.<seal>@domain`. Raises TokenError when too long."""
    local = f"{alias.local}+{_tag(queue_id, secrets[0])}"
    if len(local.encode()) > MAX_LOCAL:
        raise TokenError("alias too long for a tag")
    return Address(local, alias.domain)


def split_tag(local: str) -> tuple[str, str]:
    """A local part before and behind its first plus; anybody may put there what he likes."""
    base, _, tag = local.partition("+")
    return base, tag


def parse_tag(tag: str, *, secrets: Sequence[bytes]) -> str:
    """The queue id in a tag of ours, in small letters. Raises TokenError when it is none."""
    found = _TAG.fullmatch(tag)
    if not found or not is_sealed(found[2], secrets, "answer", found[1]):
        raise TokenError("not a tag of ours")
    return found[1].lower()


def queue_id_in(message_id: str, *, domain: str, secrets: Sequence[bytes]) -> str | None:
    """The queue id in a Message-ID (with brackets) that we gave; None for all others."""
    local, _, host = message_id[1:-1].rpartition("@")
    if host.lower() != domain:
        return None
    try:
        return parse_tag(local, secrets=secrets)
    except TokenError:
        return None


def answered_ids(header: Header) -> tuple[str, ...]:
    """The Message-IDs (with brackets) of mails that this one answers (RFC 5322 3.6.4), at most 6.

    First the mail it answers, then the one that began the thread, then those between, nearest first.
    """
    thread = _ids(header, "references")
    ids = dict.fromkeys([*_ids(header, "in-reply-to"), *thread[:1], *reversed(thread)])
    return tuple(ids)[:_MOST_IDS]


def _ids(header: Header, key: str) -> list[str]:
    field = header.first(key)
    value = b"" if field is None else field.value[:_MOST_READ]
    return [f"<{found.decode('utf-8', 'replace')}>" for found in _ID.findall(value)]


def _tag(queue_id: str, secret: bytes) -> str:
    return f"{queue_id}.{seal(secret, 'answer', queue_id, letters=_SEAL_LETTERS).lower()}"
