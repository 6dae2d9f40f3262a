"""The text of a mail as its reader sees it, from its first octets: plain text and HTML, decoded.

In charge of finding the text parts among others, with bounds on everything: depth, parts, octets. It reads what is
cut off at the end as well, and never fails. What is attached is not text.
"""

import binascii
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5
from itertools import groupby

from relay.mail.encoded import in_charset
from relay.mail.loose_base64 import decode_loosely
from relay.mail.message import header_size

MOST_READ = 256 * 1024
_MOST_DEPTH = 6
_MOST_PARTS = 60
_MOST_VALUE = 2000
_TYPE = re.compile(rb"[ \t]*+([a-z]{1,20})/([a-z0-9.+-]{1,80})")
_BOUNDARY = re.compile(rb"[; \t]boundary[ \t]*+=[ \t]*+(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
_CHARSET = re.compile(rb"[; \t]charset[ \t]*+=[ \t]*+\"?+([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,5000}>")
_MOST_DIGITS = 7  # of a character's number; Python refuses to read numbers that are very long
_NAMED = {f"&{name}": character for name, character in html5.items()}


def _bare_names() -> str:
    """A pattern for the names that count without their ";", and with anything behind them; the longest goes first."""
    names = sorted((name for name in html5 if name[-1] != ";"), key=lambda name: (name[0], -len(name)))
    letters = ((letter, "|".join(name[1:] for name in group)) for letter, group in groupby(names, lambda name: name[0]))
    return "|".join(f"{letter}(?:{rest})" for letter, rest in letters)


# What HTML takes for a reference. Whatever else begins with "&" costs next to nothing.
_BARE = re.compile(f"&(?:{_bare_names()})")
_REFERENCE = re.compile(f"&(?:[A-Za-z][0-9A-Za-z]{{1,31}}+;|#(?:[0-9]++|[xX][0-9A-Fa-f]++);?|{_bare_names()})")
_NAMES = (b"content-type", b"content-transfer-encoding", b"content-disposition")


@dataclass(frozen=True, slots=True)
class _Part:
    fields: dict[bytes, bytes]
    body: bytes


def readable_text(octets: bytes) -> str:
    """The text of the mail that begins with these octets; of them, the first 256 KiB are read."""
    texts = [_as_text(part) for part in _leaves(octets[:MOST_READ]) if _is_shown(part)]
    return "\n".join(texts)


def unescaped(text: str) -> str:
    """A text of HTML with the characters that it names or numbers in their places."""
    return _REFERENCE.sub(_character, text)


def _character(reference: re.Match[str]) -> str:
    whole = reference[0]
    if whole[1] == "#":
        return _numbered(whole[2:].rstrip(";"))
    return _NAMED.get(whole) or _BARE.sub(lambda bare: _NAMED[bare[0]], whole)


def _numbered(number: str) -> str:
    digits = number.lstrip("xX0")
    if len(digits) > _MOST_DIGITS:
        return "\ufffd"
    code = int(digits or "0", 16 if number[0] in "xX" else 10)
    # Of the others, HTML has its own ideas about some.
    return chr(code) if 31 < code < 127 or 159 < code < 0xD800 else html.unescape(f"&#{code};")


def _leaves(octets: bytes) -> Iterator[_Part]:
    """The parts that hold no others, in their order."""
    waiting = [(octets, 0)]
    parts = 0
    while waiting and parts < _MOST_PARTS:
        data, depth = waiting.pop()
        part = _part(data)
        parts += 1
        boundary = _boundary(part)
        if boundary is None:
            yield part
        elif depth < _MOST_DEPTH:
            inner = (b"\r\n" + part.body).split(b"\r\n--" + boundary)[1 : _MOST_PARTS + 1]
            waiting += [(each.partition(b"\r\n")[2], depth + 1) for each in reversed(inner) if each[:2] != b"--"]


def _part(data: bytes) -> _Part:
    size = header_size(data)
    head = data if size is None else data[:size]
    fields: dict[bytes, bytes] = {}
    for line in head[: 64 * 1024].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        name, colon, value = line[:_MOST_VALUE].partition(b":")
        name = name.strip().lower()
        if colon and name in _NAMES:
            fields.setdefault(name, value)
    return _Part(fields, b"" if size is None else data[size:])


def _boundary(part: _Part) -> bytes | None:
    value = part.fields.get(b"content-type", b"")
    found = _BOUNDARY.search(value) if value.strip().lower().startswith(b"multipart/") else None
    return (found[1] or found[2]).rstrip() if found else None


def _is_shown(part: _Part) -> bool:
    if part.fields.get(b"content-disposition", b"").strip().lower().startswith(b"attachment"):
        return False
    kind = _TYPE.match(part.fields.get(b"content-type", b"text/plain").lower())
    return kind is not None and kind[1] == b"text" and kind[2] in (b"plain", b"html")


def _as_text(part: _Part) -> str:
    value = part.fields.get(b"content-type", b"")
    charset = _CHARSET.search(value)
    text = in_charset(_decoded(part), charset[1].decode("ascii") if charset else "utf-8")
    if value.strip().lower().startswith(b"text/html"):
        text = unescaped(_TAG.sub(" ", text))
    return text


def _decoded(part: _Part) -> bytes:
    match part.fields.get(b"content-transfer-encoding", b"").strip().lower():
        case b"base64":
            return decode_loosely(part.body)
        case b"quoted-printable":
            return binascii.a2b_qp(part.body)
        case _:
            return part.body
