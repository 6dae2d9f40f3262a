"""What is packed into something else: ZIP archives, signed mail (CMS), uuencoded files. Each with its own limits."""

import binascii
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from relay.fetch.kinds import is_armoured
from relay.policy.invoice.facts import Flaw

MOST_ENTRIES = 100
_MOST_RATIO = 200
_RATIO_FROM = 1024 * 1024
_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,200})\r?\n", re.MULTILINE)
_SIGNED, _ENVELOPED = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"
_MOST_NESTED = 32


@dataclass(frozen=True, slots=True)
class Packed:
    """One file out of another; with a flaw instead of data when it could not be unpacked."""

    name: str
    data: bytes = b""
    flaw: Flaw | None = None


class UnpackError(Exception):
    """The whole cannot be unpacked."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw


def unzip(data: bytes, most: int) -> Iterator[Packed]:
    """The files in an archive, of at most `most` octets each. Raises UnpackError."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = [each for each in archive.infolist() if not _is_furniture(each)]
            if len(entries) > MOST_ENTRIES:
                raise UnpackError(Flaw.TOO_MANY)
            for entry in entries:
                yield _unzip_one(archive, entry, most)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, struct.error):
        raise UnpackError(Flaw.BROKEN) from None


def _is_furniture(entry: zipfile.ZipInfo) -> bool:
    name = entry.filename
    return entry.is_dir() or name.startswith("__MACOSX/") or name.endswith((".DS_Store", "Thumbs.db"))


def _unzip_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> Packed:
    name = entry.filename.replace("\\", "/").rpartition("/")[2]
    if entry.flag_bits & 1:
        return Packed(name, flaw=Flaw.ENCRYPTED)
    limit = min(most, max(entry.compress_size * _MOST_RATIO, _RATIO_FROM))
    try:
        with archive.open(entry) as file:
            # What the archive says about sizes is a claim: only what comes out counts.
            unpacked = file.read(limit + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, OSError, EOFError):
        return Packed(name, flaw=Flaw.BROKEN)
    if len(unpacked) > limit:
        return Packed(name, flaw=Flaw.TOO_LARGE if limit == most else Flaw.BURSTS)
    return Packed(name, unpacked)


def uudecode(text: bytes) -> Iterator[Packed]:
    """The files that stand uuencoded in a text, up to as many as an archive may hold."""
    at = 0
    for _ in range(MOST_ENTRIES):
        begin = _BEGIN.search(text, at)
        if begin is None:
            return
        name = begin[1].decode("utf-8", "replace").strip()
        lines: list[bytes] = []
        at = begin.end()
        ended = False
        while not ended and at < len(text):
            stop = text.find(b"\n", at)
            stop = len(text) if stop < 0 else stop
            line = text[at:stop].rstrip(b"\r")
            at = stop + 1
            if line in (b"end", b""):
                ended = line == b"end"
                if not ended:
                    break
                continue
            try:
                lines.append(binascii.a2b_uu(line))
            except binascii.Error:
                # Some writers pad lines with rubbish: the first octet says how many count.
                try:
                    lines.append(binascii.a2b_uu(line[: (((line[0] - 32) & 63) * 4 + 5) // 3]))
                except binascii.Error:
                    break
        data = b"".join(lines)
        if data:
            yield Packed(name, data, None if ended else Flaw.BROKEN)


def signed_content(data: bytes) -> bytes | None:
    """What a CMS message carries under its signature (RFC 5652 5.2); None when it is the signature alone.

    Raises:
        UnpackError: it is encrypted, or damaged.
    """
    try:
        kind, content = _content_info(_unarmoured(data) if is_armoured(data) else data)
        if kind == _ENVELOPED:
            raise UnpackError(Flaw.ENCRYPTED)
        if kind != _SIGNED:
            raise UnpackError(Flaw.BROKEN)
        signed = list(_values(next(_values(content))[1]))
        inner = next(value for tag, value in signed if tag == 0x30)
        wrapped = [value for tag, value in _values(inner) if tag == 0xA0]
        return None if not wrapped else b"".join(_octets(wrapped[0], 0))
    except (IndexError, StopIteration, RuntimeError, binascii.Error):
        raise UnpackError(Flaw.BROKEN) from None


def _unarmoured(data: bytes) -> bytes:
    return binascii.a2b_base64(b"".join(line for line in data.split(b"\n") if not line.startswith(b"-----")))


def _content_info(data: bytes) -> tuple[bytes, bytes]:
    found = _values(next(_values(data))[1])
    return next(found)[1], next(found)[1]


def _octets(data: bytes, nested: int) -> Iterator[bytes]:
    """An octet string, which BER allows to be cut into pieces."""
    if nested > _MOST_NESTED:
        raise UnpackError(Flaw.TOO_DEEP)
    for tag, value in _values(data):
        if tag == 0x04:
            yield value
        elif tag == 0x24:
            yield from _octets(value, nested + 1)


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents of the BER values that stand one after the other (X.690 8.1)."""
    at = 0
    while at < len(data) and data[at : at + 2] != b"\x00\x00":
        tag, begin, end, after = _span(data, at, 0)
        yield tag, data[begin:end]
        at = after


def _span(data: bytes, at: int, nested: int) -> tuple[int, int, int, int]:
    """Tag, begin and end of the contents, and what comes after, of the value at a place."""
    if nested > _MOST_NESTED:
        raise UnpackError(Flaw.TOO_DEEP)
    tag, length = data[at], data[at + 1]
    begin = at + 2
    if length == 0x80:
        after = begin
        while data[after : after + 2] != b"\x00\x00":
            if after >= len(data):
                raise IndexError
            after = _span(data, after, nested + 1)[3]
        return tag, begin, after, after + 2
    if length > 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    if begin + length > len(data):
        raise IndexError
    return tag, begin, begin + length, begin + length
