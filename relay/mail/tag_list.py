"""Tag lists, as signatures and key records write them: `name=value; name=value` (RFC 6376 3.2). Linear on any input."""

import base64
import binascii
import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*+")
_BLANKS = " \t\r\n"
_DELETE_BLANKS = str.maketrans("", "", _BLANKS)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class TagError(ValueError):
    """Text that is no tag list, or a value that is none of its kind; the message never repeats what was written."""


def parse_tags(text: bytes) -> dict[str, str]:
    """The tags by name, values without the blanks around them. Raises TagError, also for a tag that stands twice."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        raise TagError("tags are not UTF-8") from error
    if _CONTROL.search(decoded):
        raise TagError("control character in tags")
    tags: dict[str, str] = {}
    pieces = decoded.split(";")
    if not pieces[-1].strip(_BLANKS):
        pieces.pop()
    for piece in pieces:
        name, equals, value = piece.partition("=")
        name = name.strip(_BLANKS)
        if not equals or not _NAME.fullmatch(name):
            raise TagError("something between the tags is no tag")
        if name in tags:
            raise TagError(f"tag {name[:20]} stands twice")
        tags[name] = value.strip(_BLANKS)
    return tags


def names_in(value: str) -> list[str]:
    """The elements of a list with colons, without the blanks around them."""
    return [name.strip(_BLANKS) for name in value.split(":")]


def decode_base64(value: str) -> bytes:
    """The octets of a value that may be folded anywhere. Raises TagError."""
    try:
        return base64.b64decode(value.translate(_DELETE_BLANKS), validate=True)
    except (binascii.Error, ValueError) as error:
        raise TagError("a value is not Base64") from error


def without_value(raw: bytes, tag: bytes) -> bytes:
    """A whole field with the value of one tag, and the blanks around it, taken out (RFC 6376 3.7); no final CRLF."""
    name, _, value = raw.removesuffix(b"\r\n").partition(b":")
    pieces = value.split(b";")
    for index, piece in enumerate(pieces):
        start, equals, _ = piece.partition(b"=")
        if equals and start.strip(b" \t\r\n") == tag:
            pieces[index] = start + equals
    return name + b":" + b";".join(pieces)
