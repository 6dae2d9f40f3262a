"""Bounce addresses: an envelope sender per delivery that brings its bounces home and cannot be forged.

The form is `b+<queue id>.<number>.<seal>`; the seal covers the queue id and the number of the delivery.
Never says what became of the delivery: the queue id may be long gone.
"""

import re
from collections.abc import Sequence

from relay.mail.address import MAX_LOCAL, Address
from relay.mail.seal import TokenError, is_sealed, seal

__all__ = ["TokenError", "bounce_address", "is_bounce_local", "is_srs_local", "parse_bounce"]

_SEAL_LETTERS = 16
_TOKEN = re.compile(
    rf"b\+([A-Za-z0-9_-]+)\.([0-9]{{1,10}})\.([A-Za-z2-7]{{{_SEAL_LETTERS}}})", re.ASCII | re.IGNORECASE
)
_QUEUE_ID = re.compile(r"[A-Za-z0-9_-]+")
_SRS = re.compile(r"srs[01][=+-]", re.ASCII | re.IGNORECASE)


def bounce_address(queue_id: str, number: int, *, domain: str, secrets: Sequence[bytes]) -> Address:
    """The bounce address of delivery `number` of the message `queue_id`; the first secret seals it.

    Raises TokenError when the queue id is too long for it (30 letters always fit) or has other characters than
    letters, digits, `-` and `_`. Queue ids should not differ by case alone: hosts may change the case.
    """
    if not _QUEUE_ID.fullmatch(queue_id) or number < 0:
        raise TokenError("not a queue id and a number")
    local = f"b+{queue_id}.{number}.{seal(secrets[0], 'bounce', queue_id, str(number), letters=_SEAL_LETTERS).lower()}"
    if len(local) > MAX_LOCAL:
        raise TokenError("queue id too long for a bounce address")
    return Address(local, domain)


def parse_bounce(local: str, *, secrets: Sequence[bytes]) -> tuple[str, int]:
    """The queue id (in the case it came back in) and the number. Raises TokenError when forged or malformed."""
    found = _TOKEN.fullmatch(local)
    if not found:
        raise TokenError("malformed bounce address")
    queue_id, number, given = found.groups()
    if not is_sealed(given, secrets, "bounce", queue_id, number):
        raise TokenError("forged bounce address")
    return queue_id, int(number)


def is_bounce_local(local: str) -> bool:
    """Whether this local part claims to be one of our bounce addresses; only parse_bounce knows if it is."""
    return local[:2].lower() == "b+"


def is_srs_local(local: str) -> bool:
    """Whether this local part claims to be an SRS address; only srs_reverse knows if it is ours."""
    return _SRS.match(local) is not None
