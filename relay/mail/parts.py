"""The parts of a mail that a machine has to read, however badly it was written: bounded, and never an error.

In charge of finding fields and parts in octets with any line ends and of undoing transfer encodings. Does not go into
messages within a message, and is for looking only: nothing that is sent on is made of what this gives.
"""

import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from relay.mail.loose_base64 import decode_loosely

# How much of a mail is looked at, and how deep.
MOST_OCTETS = 256 * 1024
_MOST_DEPTH = 8
_MOST_PARTS = 100
_MOST_PIECES = 200  # those that hold others, or nothing, included
_MOST_FIELDS = 500
_MOST_VALUE = 4000

_BLANK_LINE = re.compile(rb"\n[ \t]*\n")
_NAME = re.compile(r"[!-9;-~]{1,100}")
_PARAMETER = re.compile(r";[ \t]*([A-Za-z0-9_*'.-]{1,40})[ \t]*=[ \t]*(?:\"([^\"]{0,300})\"|([^\s;\"]{1,300}))")
_KIND = re.compile(r"[ \t]*([a-z0-9._+-]{1,60}/[a-z0-9._+-]{1,60})")

Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Part:
    """One part without parts of its own: its type in lower case, its fields, and its octets with LF line ends."""

    kind: str
    fields: Fields
    body: bytes


def read_parts(data: bytes) -> tuple[Part, ...]:
    """The leaves of a mail in their order; at most 256 KiB, 8 levels, 200 pieces and 100 parts of it are looked at."""
    return tuple(islice(_walk(_plain(data), "text/plain", 0, _room()), _MOST_PARTS))


def read_files(data: bytes) -> tuple[Part, ...]:
    """The same leaves of the whole of `data`, with bodies that were encoded exactly as they were before."""
    return tuple(islice(_walk(_lines(data), "text/plain", 0, _room(), exact=True), _MOST_PARTS))


def read_header(data: bytes) -> Fields:
    """The fields at the beginning of a mail, up to the first empty line."""
    return read_fields(_split(_plain(data))[0])


def read_fields(block: bytes) -> Fields:
    """Fields with their names in lower case and their values unfolded. What is none is passed over."""
    fields: list[tuple[str, list[str]]] = []
    room = 0
    for line in block.decode("utf-8", "replace").split("\n"):
        if line[:1] in (" ", "\t"):
            if room > 0:
                fields[-1][1].append(line.strip())
                # A piece with nothing in it costs too: a field may have a hundred thousand of them.
                room -= len(fields[-1][1][-1]) + 1
            continue
        room = 0
        name, colon, value = line.partition(":")
        if colon and _NAME.fullmatch(name.rstrip()) and len(fields) < _MOST_FIELDS:
            fields.append((name.rstrip().lower(), [value.strip()]))
            room = _MOST_VALUE - len(value)
    return tuple((key, " ".join(pieces)[:_MOST_VALUE].strip()) for key, pieces in fields)


def value_of(fields: Fields, key: str) -> str:
    """The first field of that name, "" when there is none."""
    return next((value for name, value in fields if name == key), "")


def kind_of(fields: Fields, default: str = "text/plain") -> tuple[str, dict[str, str]]:
    """The type of Content-Type in lower case and its parameters."""
    value = value_of(fields, "content-type")
    found = _KIND.match(value.lower())
    if found is None:
        return default, {}
    return found[1], {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(value)}


def _plain(data: bytes) -> bytes:
    return _lines(data[:MOST_OCTETS])


def _lines(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _split(data: bytes) -> tuple[bytes, bytes]:
    if data.startswith(b"\n"):
        return b"", data[1:]
    end = _BLANK_LINE.search(data)
    return (data, b"") if end is None else (data[: end.start()], data[end.end() :])


def _room() -> Iterator[int]:
    """Gives something for each piece of a mail that may be looked at."""
    return iter(range(_MOST_PIECES))


def _walk(data: bytes, default: str, depth: int, room: Iterator[int], *, exact: bool = False) -> Iterator[Part]:
    if next(room, None) is None:
        return
    header, body = _split(data)
    fields = read_fields(header)
    kind, parameters = kind_of(fields, default)
    boundary = parameters.get("boundary", "")
    if not kind.startswith("multipart/") or not boundary or depth == _MOST_DEPTH:
        decoded, was_encoded = _decode(body, value_of(fields, "content-transfer-encoding"))
        yield Part(kind, fields, _plain(decoded) if was_encoded and not exact else decoded)
        return
    inner = "message/rfc822" if kind == "multipart/digest" else "text/plain"
    for piece in _pieces(body, boundary.encode("utf-8", "replace")):
        yield from _walk(piece, inner, depth + 1, room, exact=exact)


def _pieces(body: bytes, boundary: bytes) -> Iterator[bytes]:
    delimiter = re.compile(rb"(?m)^--" + re.escape(boundary) + rb"(--)?[ \t]*$")
    start: int | None = None
    for found in delimiter.finditer(body):
        if start is not None:
            yield body[start : max(start, found.start() - 1)]
        start = found.end() + 1
        if found[1]:
            return
    if start is not None:
        # The end is missing: cut off on its way, or beyond what we look at.
        yield body[start:]


def _decode(body: bytes, encoding: str) -> tuple[bytes, bool]:
    """What was encoded, and whether it was."""
    match encoding.lower():
        case "base64":
            return decode_loosely(body), True
        case "quoted-printable":
            return binascii.a2b_qp(body), True
        case _:
            return body, False
