"""What a server tells of a mail before it is fetched, read into a `Head`.

What cannot be read is None, nothing, or a mail that may hold anything; nothing here raises.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from imapclient.exceptions import IMAPClientError
from imapclient.response_parser import parse_fetch_response

from relay.imap.dialogue import Response
from relay.mail.laid import FIELD
from relay.mail.message import HeaderError, parse_header
from relay.policy.kind import may_be_bounce

# What is asked of every mail; of some also the structure.
HEAD = b"RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT RELAY-LAID)]"
_SMALL_TEXT = 64 * 1024
# The header and two such texts, plain and HTML: a larger mail holds something else.
_MOST_TEXT = 160 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a mail before it is fetched.

    `key` is the same for the same mail wherever it lies in the account; `only_text` says that nothing is attached, and
    that no mail system has written it; `received` is in seconds since the epoch. `laid` is the mark on a mail that we
    laid there ourselves, "" on others.
    """

    uid: int
    key: str
    message_id: str
    size: int
    received: float
    only_text: bool
    laid: str = ""


def read_fetch(response: Response) -> dict[int, Any]:
    """What a FETCH response tells, by UID; nothing when it cannot be read."""
    pieces: list[Any] = list(zip(response.pieces, response.literals, strict=False))
    pieces.append(response.pieces[-1])
    number = response.line.split(b" ", 1)[0]
    first = pieces[0]
    begin = response.line[len(number) + len(b" FETCH ") :]
    pieces[0] = (number + b" " + begin, first[1]) if isinstance(first, tuple) else number + b" " + begin
    try:
        return dict(parse_fetch_response(pieces, normalise_times=False))
    except (IMAPClientError, TypeError, ValueError, IndexError, KeyError, AttributeError, AssertionError,
            RecursionError):  # fmt: skip
        return {}


def received_at(at: object) -> float:
    """INTERNALDATE in seconds since the epoch; 0 when it cannot be read."""
    try:
        return at.timestamp() if isinstance(at, datetime) else 0.0
    except (ValueError, OverflowError, OSError):
        return 0.0


def read_head(uid: int, told: Any) -> Head | None:
    """A mail as far as its structure does not matter: it is taken for only text where it could be that."""
    try:
        fields = next(value for key, value in told.items() if key.startswith(b"BODY[HEADER.FIELDS"))
        size = int(told[b"RFC822.SIZE"])
        received = received_at(told[b"INTERNALDATE"])
        digest = hashlib.sha256(b"%d\n" % size + b" ".join(bytes(fields).split())).hexdigest()
        only_text = size <= _MOST_TEXT and not _may_be_bounce(fields)
        message_id, laid = _value(fields, b"message-id"), _value(fields, FIELD.lower().encode())
        return Head(uid, digest[:40], message_id, size, received, only_text, laid)
    except (StopIteration, KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return None


def with_structure(head: Head, structure: Any) -> Head:
    """Some structures come broken; a mail without one may hold anything."""
    return replace(head, only_text=head.only_text and _only_text(structure))


def _value(fields: bytes, wanted: bytes) -> str:
    unfolded = fields.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    for line in unfolded.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == wanted:
            return "".join(each for each in value.decode("utf-8", "replace") if each.isprintable()).strip()[:300]
    return ""


def _may_be_bounce(fields: bytes) -> bool:
    try:
        return may_be_bounce(parse_header(bytes(fields)))
    except HeaderError:
        return False


def _only_text(structure: Any) -> bool:
    """Whether a mail has nothing but a short text to read; a structure that cannot be read may hold anything."""
    try:
        if isinstance(structure[0], list):
            return all(_only_text(part) for part in structure[0])
        kind = (bytes(structure[0]).lower(), bytes(structure[1]).lower())
        plain = kind in ((b"text", b"plain"), (b"text", b"html")) and int(structure[6]) <= _SMALL_TEXT
        named = any(isinstance(each, bytes) and each.lower().startswith(b"name") for each in structure[2] or ())
        attached = any(isinstance(each, tuple) and each[:1] and each[0] == b"attachment" for each in structure[8:])
    except (TypeError, ValueError, IndexError, AttributeError, RecursionError):
        return False
    return plain and not named and not attached
