"""What octets are, by their first ones and their structure. Names and declared types decide nothing here."""

import base64
import re

from relay.policy.invoice.facts import Kind

_HEAD = 8192
_MAGIC = (
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"II*\x00", Kind.TIFF),
    (b"MM\x00*", Kind.TIFF),
    (b"GIF8", Kind.PICTURE),
    (b"BM", Kind.PICTURE),
    (b"Rar!\x1a\x07", Kind.ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", Kind.ARCHIVE),
    (b"\x1f\x8b", Kind.ARCHIVE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.OFFICE),
    (b"{\\rtf", Kind.OFFICE),
    (b"\x78\x9f\x3e\x22", Kind.TNEF),
    (b"BEGIN:VCALENDAR", Kind.CALENDAR),
    (b"BEGIN:VCARD", Kind.CONTACT),
    (b"-----BEGIN PGP SIGNATURE", Kind.SIGNATURE),
)
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
# RFC 5652: 1.2.840.113549.1.7, the types of content of cryptographic messages.
_PKCS7 = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"
# The same as text (RFC 7468 8 and 9), or in base64 without a frame, as invoices signed in Italy come.
_ARMOUR = re.compile(rb"\s{0,100}(?:-----BEGIN (?:PKCS7|CMS)-----\s{1,100})?(MI[A-Za-z0-9+/]{38})")
_UUENCODE = re.compile(rb"begin [0-7]{3,4} [^\r\n]{1,200}\r?\n[!-`]")
_FIELD = re.compile(rb"[!-9;-~]{1,70}:")
_MAIL_FIELDS = re.compile(
    rb"^(?:received|from|subject|mime-version|content-type|message-id):", re.IGNORECASE | re.MULTILINE
)
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def kind_of(data: bytes) -> Kind:
    """What `data` is."""
    head = data[:_HEAD]
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        return Kind.HEIC
    return _packed_kind(head)


def is_armoured(data: bytes) -> bool:
    """Whether this is a cryptographic message in base64."""
    armour = _ARMOUR.match(data)
    return armour is not None and _PKCS7 in base64.b64decode(armour[1])


def is_encrypted_text(data: bytes) -> bool:
    """Whether this is an OpenPGP message (RFC 9580 6.2)."""
    return data.lstrip()[:27] == b"-----BEGIN PGP MESSAGE-----"


def is_entity(data: bytes) -> bool:
    """Whether this begins as a mail or a part of one does: with fields, or with the empty line behind none."""
    return data[:1] in (b"\r", b"\n") or (data[:1] != b"<" and _FIELD.match(data) is not None)


def pixels_of(kind: Kind, data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG or JPEG image, None when they cannot be told."""
    if kind is Kind.PNG and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return _jpeg_pixels(data) if kind is Kind.JPEG else None


def _packed_kind(head: bytes) -> Kind:
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Kind.PICTURE
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        office = b"[Content_Types].xml" in head or b"mimetypeapplication/vnd." in head
        return Kind.OFFICE if office else Kind.ZIP
    if (head.startswith(b"\x30") and _PKCS7 in head[:40]) or is_armoured(head):
        return Kind.PKCS7
    # Readers of PDF look for its beginning in the first KiB; archives and mails may hold one there, too.
    found = _text_kind(head)
    return Kind.PDF if b"%PDF-" in head[:1024] and found in (Kind.TEXT, Kind.UNKNOWN) else found


def _text_kind(head: bytes) -> Kind:
    if head.startswith((b"\xff\xfe<\x00", b"\xfe\xff\x00<")):
        return Kind.XML
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        start = text[:200].lower()
        if start.startswith((b"<!doctype html", b"<html")):
            return Kind.TEXT
        return Kind.PICTURE if b"<svg" in text[:1000] else Kind.XML
    if _UUENCODE.match(text):
        return Kind.UUENCODE
    if _FIELD.match(text) and len(_MAIL_FIELDS.findall(text)) >= 2:
        return Kind.MESSAGE
    return Kind.UNKNOWN if not text or _NOT_TEXT.search(text) else Kind.TEXT


def _jpeg_pixels(data: bytes) -> tuple[int, int] | None:
    """Walks from marker to marker until the one that begins a frame (ITU T.81 B.2.2)."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
    return None
