"""winmail.dat: attachments in the form that Outlook wraps them in (MS-OXTNEF)."""

import struct
from collections.abc import Iterator

from relay.fetch.unpack import MOST_ENTRIES, Packed, UnpackError
from relay.policy.invoice.facts import Flaw

_BEGIN, _TITLE, _DATA, _PROPERTIES = 0x00069002, 0x00018010, 0x0006800F, 0x00069005
_ATTACHMENT = 2
_LONG_NAME = 0x3707
_STRING, _UNICODE, _BINARY, _OBJECT = 0x1E, 0x1F, 0x102, 0x0D
_FIXED = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}


def read_tnef(data: bytes) -> Iterator[Packed]:
    """The attachments. Raises UnpackError."""
    name, content, count = "", None, 0
    for level, attribute, value in _attributes(data):
        if level != _ATTACHMENT:
            continue
        if attribute == _BEGIN:
            if content:
                yield Packed(name, content)
            name, content = "", None
            count += 1
            if count > MOST_ENTRIES:
                raise UnpackError(Flaw.TOO_MANY)
        elif attribute == _TITLE:
            name = name or _text(value)
        elif attribute == _DATA:
            content = value
        elif attribute == _PROPERTIES:
            name = _long_name(value) or name
    if content:
        yield Packed(name, content)


def _attributes(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 6
    while at + 9 <= len(data):
        level, attribute, length = struct.unpack_from("<BII", data, at)
        at += 9
        if at + length > len(data):
            raise UnpackError(Flaw.BROKEN)
        yield level, attribute, data[at : at + length]
        at += length + 2


def _text(value: bytes) -> str:
    return value.partition(b"\0")[0].decode("utf-8", "replace")


def _long_name(value: bytes) -> str:
    """The long file name among the MAPI properties of an attachment; "" when it is not there or not to be found."""
    try:
        (count,) = struct.unpack_from("<I", value, 0)
        at = 4
        for _ in range(min(count, 200)):
            kind, name = struct.unpack_from("<HH", value, at)
            at += 4
            if name >= 0x8000:  # a named property: its set, then a number or a text
                (form,) = struct.unpack_from("<I", value, at + 16)
                (length,) = struct.unpack_from("<I", value, at + 20)
                at += 24 + (_padded(length) if form else 0)
            if kind in _FIXED:
                at += _FIXED[kind]
                continue
            if kind not in (_STRING, _UNICODE, _BINARY, _OBJECT):
                return ""
            (_one, length) = struct.unpack_from("<II", value, at)
            at += 8
            if name == _LONG_NAME:
                raw = value[at : at + length]
                return raw.decode("utf-16-le", "replace").rstrip("\0") if kind == _UNICODE else _text(raw)
            at += _padded(length)
    except struct.error:
        pass
    return ""


def _padded(length: int) -> int:
    return (length + 3) // 4 * 4
