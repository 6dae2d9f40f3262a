"""Authentication-Results (RFC 8601): ours written, those of others found and, when somebody trusted sealed them, read.

Written are only values that have the narrowest of forms, so that nothing from outside can add a result or a field.
Whatever claims to be ours is found however it is spelled: what cannot be read the way it should but names us anywhere
where a reader could look for a name, counts too. Linear on any input.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from relay.mail.message import Header, fold

KEY = "authentication-results"
MOST_READ = 16 * 1024  # octets of a field that are read

_SAFE = re.compile(r"[A-Za-z0-9](?>[A-Za-z0-9._+/=-]*)")
_TOKEN = re.compile(rb'"(?>(?:[^"\\]|\\.)*)"?|[()\\;]|[^"()\\;]++', re.DOTALL)
_BLANK_RUN = re.compile(rb"[ \t\r\n]+")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Stated:
    """One result: a method, its result, and properties such as ("header.d", "a.example").

    A property whose value has not the form of a domain or a plain word is left out.
    """

    method: str
    result: str
    properties: Sequence[tuple[str, str]] = field(default=())


def results_value(authserv_id: str, results: Iterable[Stated]) -> str:
    """The value of a field of ours, unfolded; raises ValueError where name, method or result are no plain words."""
    parts = [_safe(authserv_id)]
    for each in results:
        text = f"{_safe(each.method)}={_safe(each.result)}"
        for name, value in each.properties:
            if _SAFE.fullmatch(value) and len(value) <= 255:
                text += f" {_safe(name)}={value if _is_token(value) else _quoted(value)}"
        parts.append(text)
    return "; ".join(parts if len(parts) > 1 else [*parts, "none"])


def results_field(value: str) -> bytes:
    """The whole field, folded."""
    return fold(b"Authentication-Results: " + value.encode("ascii"))


def without_ours(header: Header, authserv_id: str) -> Header:
    """The header without fields that say they are ours (RFC 8601 5): only we say what we have found."""
    wanted = authserv_id.lower().encode("ascii")
    kept = tuple(each for each in header.fields if each.key != KEY or not _names(each.value, wanted))
    return header if len(kept) == len(header.fields) else Header(kept)


def says_dmarc_passes(value: bytes, author: str) -> bool:
    """Whether the results in `value` say that DMARC passes for `author` (a domain with ASCII labels)."""
    if len(value) > MOST_READ:
        return False
    for result in _plain(value).split(b";")[1:]:
        words = _BLANK_RUN.sub(b" ", result.replace(b" =", b"=").replace(b"= ", b"=")).strip().lower().split(b" ")
        if words[0] == b"dmarc=pass" and b"header.from=" + author.lower().encode("ascii", "replace") in words[1:]:
            return True
    return False


def _names(value: bytes, wanted: bytes) -> bool:
    """Whether `wanted` stands where a strict reader, or a careless one, looks for the authserv-id."""
    name = re.compile(rb"(?<![a-z0-9._-])" + re.escape(wanted) + rb"(?![a-z0-9_-]|\.[a-z0-9])")
    starts = [value] if len(value) > MOST_READ else [value.partition(b";")[0], _plain(value).partition(b";")[0]]
    return any(name.search(text) for start in starts for text in (start.lower(), _BLANK_RUN.sub(b"", start.lower())))


def _plain(value: bytes) -> bytes:
    """The value without comments, and with quoted strings as what they stand for; semicolons inside them are gone."""
    parts: list[bytes] = []
    depth = 0
    tokens = iter(_TOKEN.findall(value))
    for token in tokens:
        if token == b"\\":
            next(tokens, b"")
        elif token == b"(":
            depth += 1
        elif token == b")":
            depth = max(0, depth - 1)
        elif depth == 0:
            quoted = token.startswith(b'"')
            parts.append(_ESCAPE.sub(rb"\1", token.strip(b'"')).replace(b";", b" ") if quoted else token)
    return b"".join(parts)


def _safe(text: str) -> str:
    if not _SAFE.fullmatch(text):
        raise ValueError("not a plain word")
    return text


def _is_token(value: str) -> bool:
    # Neither is part of a MIME token.
    return "/" not in value and "=" not in value


def _quoted(value: str) -> str:
    return f'"{value}"'
