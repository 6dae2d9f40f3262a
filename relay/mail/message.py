"""The header of a message as bytes that stay as they are: split into fields, edited by whole fields, joined again.

In charge of finding the end of the header, of splitting it (RFC 5322 2.2) and of putting fields in, out and in place.
Never decodes, refolds or reorders what it was not asked to change, so foreign signatures survive. Never reads bodies.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

# One field: a name, perhaps blanks (RFC 5322 4.5), a colon, text, folds. Anchored and atomic: linear on any input.
_FIELD = re.compile(rb"(?m)^([!-9;-~]++[ \t]*+:[^\r\n]*+\r\n(?>(?:[ \t][^\r\n]*+\r\n)*))")
_WORD = re.compile(rb" *+[^ ]*+")
_SPACE = 0x20

# RFC 5322 2.1.1: line lengths without the line end, wished and allowed.
WISHED_LINE = 77
MAX_LINE = 998


class HeaderError(ValueError):
    """Bytes that are not a header; the message says what is wrong, never what was written."""


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: its bytes with folds and final CRLF. `key` is its name in lower case."""

    raw: bytes
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _key(self.raw[: self.raw.index(b":")]))

    @property
    def name(self) -> bytes:
        """The name as it was written."""
        return self.raw[: len(self.key)]

    @property
    def value(self) -> bytes:
        """The text behind the colon, unfolded, without the blanks around it."""
        return self.raw.partition(b":")[2].replace(b"\r\n", b"").strip(b" \t")


_set_raw = Field.__dict__["raw"].__set__
_set_key = Field.__dict__["key"].__set__


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a message in their order. Every edit gives a new Header; untouched fields keep their bytes."""

    fields: tuple[Field, ...]

    def __bytes__(self) -> bytes:
        """All fields, without the empty line behind them."""
        return b"".join([field.raw for field in self.fields])

    def all(self, key: str) -> tuple[Field, ...]:
        """The fields with this name (in lower case), top to bottom."""
        return tuple([field for field in self.fields if field.key == key])

    def first(self, key: str) -> Field | None:
        """The topmost field with this name (in lower case)."""
        for candidate in self.fields:
            if candidate.key == key:
                return candidate
        return None

    def without(self, *keys: str) -> "Header":
        """The header without any field of these names (in lower case)."""
        return Header(tuple([field for field in self.fields if field.key not in keys]))

    def replace(self, key: str, raw: bytes) -> "Header":
        """Put `raw` in place of the first field with this name, or at the end when there is none."""
        new = parse_header(raw).fields
        for index, candidate in enumerate(self.fields):
            if candidate.key == key:
                return Header((*self.fields[:index], *new, *self.fields[index + 1 :]))
        return Header(self.fields + new)

    def prepend(self, raw: bytes) -> "Header":
        """Put one or more fields on top. Raises HeaderError when `raw` is not that."""
        return Header((*parse_header(raw).fields, *self.fields))

    def append(self, raw: bytes) -> "Header":
        """Put one or more fields at the end. Raises HeaderError when `raw` is not that."""
        return Header((*self.fields, *parse_header(raw).fields))


def parse_header(block: bytes) -> Header:
    """Split a header, with or without the empty line behind it.

    Raises HeaderError for anything but fields that end in CRLF: junk lines, bare CR or LF, a first line that
    continues nothing, an empty line inside.
    """
    if block.endswith(b"\r\n\r\n") or block == b"\r\n":
        block = block[:-2]
    raws: list[bytes] = _FIELD.findall(block)
    if sum(map(len, raws)) != len(block):
        raise HeaderError(_complaint(block))
    return Header(tuple([_field(raw) for raw in raws]))


def _field(raw: bytes) -> Field:
    """Field(raw), by way of the slots: a frozen class's own way of setting them costs twice as much for every field."""
    made = object.__new__(Field)
    _set_raw(made, raw)
    _set_key(made, _key(raw[: raw.index(b":")]))
    return made


def header_size(data: bytes | bytearray) -> int | None:
    """Where the body starts (behind the empty line), or None when the empty line has not been seen yet."""
    if data.startswith(b"\r\n"):
        return 2
    end = data.find(b"\r\n\r\n")
    return None if end < 0 else end + 4


def fold(line: bytes) -> bytes:
    """Fold one unfolded field (without CRLF) at its blanks, add the final CRLF.

    Lines stay under 78 octets where blanks allow it. Unfolding gives back exactly the same bytes.
    Raises HeaderError when a part without blanks does not fit the 998 octets of a line.
    """
    if len(line) <= WISHED_LINE:
        return line + b"\r\n"
    lines = []
    start = 0
    # Blanks at the end begin no line, tabs are blanks; the offsets are those of `line`.
    text = line.rstrip(b" \t").replace(b"\t", b" ")
    while len(text) - start > WISHED_LINE:
        end = _line_end(text, start)
        if end == len(text):
            break
        lines.append(line[start:end])
        start = end
    lines.append(line[start:])
    if any(len(part) > MAX_LINE for part in lines):
        raise HeaderError("a part of the field is too long for a line")
    return b"\r\n".join(lines) + b"\r\n"


def _line_end(text: bytes, start: int) -> int:
    """Where the line that begins at `start` ends: before the last run of blanks that fits, or else the first one."""
    end = text.rfind(b" ", start + 1, start + WISHED_LINE + 1)
    while end > start and text[end - 1] == _SPACE:
        end -= 1
    if end > start:
        return end
    word = _WORD.match(text, start)
    assert word is not None  # noqa: S101 -- it matches anything
    return word.end()


@lru_cache(maxsize=512)
def _key(name: bytes) -> str:
    """The key of a field's name, which may have blanks behind it. Messages share their few names."""
    return name.rstrip().lower().decode("ascii")


def _complaint(block: bytes) -> str:
    end = 0
    for found in _FIELD.finditer(block):
        if found.start() != end:
            break
        end = found.end()
    line = block.count(b"\n", 0, end) + 1
    if end == 0 and block[:1] in (b" ", b"\t"):
        return "line 1 continues no field"
    return f"line {line} is not a header field"
