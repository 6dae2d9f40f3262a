"""Finds the reports that a mail carries, and unpacks them within limits.

What others send is unpacked here, so everything is bounded before it costs anything: the mail, its parts, and what
comes out of a packed one. All of it is linear in what comes in, and takes some seconds at most: for a thread.
"""

import io
import struct
import zipfile
import zlib
from enum import StrEnum

from relay.mail.parts import read_files

MOST_MAIL = 2 * 1024 * 1024
_MOST_UNPACKED = 8 * 1024 * 1024
_MOST_PARTS = 10
_GZIP = 31  # zlib's window bits for a gzip stream


class ReportKind(StrEnum):
    """What kind of report a document is."""

    DMARC = "dmarc"
    TLS = "tls"


def reports_in(octets: bytes) -> list[tuple[ReportKind, bytes]]:
    """The documents in a mail that look like reports.

    Raises:
        ValueError: the mail is too large or too odd to look into, or what is packed is too large or broken.
    """
    if len(octets) > MOST_MAIL:
        raise ValueError("the mail is too large for a report")
    parts = read_files(octets)
    if len(parts) > _MOST_PARTS:
        raise ValueError("the mail has too many parts for a report")
    found: list[tuple[ReportKind, bytes]] = []
    for part in parts:
        document = _unpack(part.body)
        kind = _kind(document)
        if kind is not None:
            found.append((kind, document))
        if sum(len(each) for _, each in found) > _MOST_UNPACKED:
            raise ValueError("what is packed is too large for a report")
    return found


def _unpack(content: bytes) -> bytes:
    if content.startswith(b"\x1f\x8b"):
        return _unzip_stream(content)
    if content.startswith(b"PK\x03\x04"):
        return _unzip_archive(content)
    return content


def _unzip_stream(content: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        document = unpacker.decompress(content, _MOST_UNPACKED)
    except zlib.error:
        raise ValueError("a part that looks like gzip is none") from None
    if not unpacker.eof:
        raise ValueError("what is packed is too large for a report, or ends too early")
    return document


def _unzip_archive(content: bytes) -> bytes:
    """The one file in an archive; what the archive says of its size is not believed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.infolist()
            if len(names) != 1:
                raise ValueError("an archive with a report has one file")
            # Only these are unpacked piece by piece; the others give all they hold at once.
            if names[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("an archive with a report is packed in the usual way")
            with archive.open(names[0]) as file:
                document = file.read(_MOST_UNPACKED + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, struct.error):
        raise ValueError("a part that looks like an archive is none") from None
    if len(document) > _MOST_UNPACKED:
        raise ValueError("what is packed is too large for a report")
    return document


def _kind(document: bytes) -> ReportKind | None:
    start = document[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<") and (b"<feedback" in start or b":feedback" in start):
        return ReportKind.DMARC
    if start.startswith(b"{") and b'"policies"' in document:
        return ReportKind.TLS
    return None
