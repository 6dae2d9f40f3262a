"""The parts of a mail as it was written, however badly, by way of the standard library's parser.

In charge of names (RFC 2231, RFC 2047), encodings, the text of the mail, and the pictures it shows. The parser is
trusted with reading alone: what it calls a type is a hint where to look, nothing more. Only to be called in a limited
process.
"""

import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.policy import Compat32
from typing import Any

from relay.fetch import lumps
from relay.fetch.lumps import Part
from relay.mail.encoded import in_charset, whole
from relay.mail.loose_base64 import decode_loosely
from relay.mail.text import unescaped

MOST_HEADER = 512 * 1024
_MOST_TEXT = 20_000
_MOST_VALUE = 16 * 1024  # of one field: what reads parameters goes through the rest again for each of them
_MOST_HTML = 256 * 1024
_MOST_NAME = 200
_MOST_CIDS = 500
_TAG = re.compile(r"<(?:style|script)\b.{0,50000}?</(?:style|script)>|<[^<>]{0,5000}>", re.DOTALL | re.IGNORECASE)
_CID = re.compile(r"""\bcid:([^\s"'<>)]{1,300})""", re.IGNORECASE)
_HEADER_END = re.compile(rb"\r?\n\r?\n|\r\r")
_FIELD = re.compile(rb"([!-9;-~]{1,200})([ \t]{0,200}):")
# Documents whose beginning says that the encoding which is declared is not the one they have: PDF, ZIP.
_PLAINLY = (b"%PDF-", b"PK\x03\x04")
_ENCODED = (b"JVBERi0", b"UEsDB", b"PD94bWwg")
_ONLY_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]*")
_BODY_BEGINS = (b"--", b"begin ")


@dataclass(frozen=True, slots=True)
class Leaf:
    """An attachment of whatever kind, decoded; `mail` is there when it is a message that is already parsed."""

    name: str
    data: bytes
    attached: bool
    content_id: str
    is_encrypted: bool = False
    is_returned: bool = False
    mail: "Parsed | None" = None


@dataclass(slots=True)
class Parsed:
    """One mail: what it says of itself, its text, and its attachments in their order."""

    subject: str = ""
    message_id: str = ""
    text: str = ""
    raw_texts: list[bytes] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    leaves: list[Leaf] = field(default_factory=list)


class MimeError(Exception):
    """This cannot be read as a mail."""


class _Unfolding(Compat32):
    """The parser's own way with header fields, with folded lines put together: a boundary may be folded, too."""

    def header_source_parse(self, sourcelines: Sequence[str]) -> tuple[str, str]:
        """One field: its name and its value on one line (RFC 5322 2.2.3), or the beginning of one without end."""
        name, value = super().header_source_parse(list(sourcelines))
        return name, value.replace("\r", "").replace("\n", "")[:_MOST_VALUE]


def parse_mail(data: bytes) -> Parsed:
    """Read a mail, or an entity with header fields of its own. Raises MimeError, RecursionError."""
    end = _HEADER_END.search(data, 0, MOST_HEADER + 4)
    if end is None and len(data) > MOST_HEADER:
        raise MimeError
    try:
        return _read(lumps.parse(mended(data), _Unfolding()))
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, IndexError, AssertionError):
        raise MimeError from None


def mended(data: bytes) -> bytes:
    """A mail whose header is not cut short by a line in it that is no field, or by a space before a colon.

    Only what stands between two fields is taken out, and nothing that may be the beginning of the body: there, the
    empty line is missing, and the parser does without.
    """
    end = _HEADER_END.search(data, 0, MOST_HEADER + 4)
    if end is None:
        return data
    kept: list[bytes] = []
    doubtful: list[bytes] = []
    lines = data[: end.start()].splitlines(keepends=True)
    for number, line in enumerate(lines):
        field_name = _FIELD.match(line)
        if field_name is not None:
            kept.append(line if not field_name[2] else field_name[1] + line[field_name.end() - 1 :])
            doubtful = []
        elif line.startswith(_BODY_BEGINS) or not kept:
            doubtful += lines[number:]
            break
        elif line[:1] in (b" ", b"\t") and not doubtful:
            kept.append(line)
        else:
            doubtful.append(line)
    header = b"".join((*kept, *doubtful))
    return data if data.startswith(header) and len(header) == end.start() else header + data[end.start() :]


def _read(message: Part) -> Parsed:
    parsed = Parsed(subject=_field(message, "subject"), message_id=_field(message, "message-id"))
    for leaf in _walk(message, parsed):
        parsed.leaves.append(leaf)
    return parsed


def _walk(message: Part, parsed: Parsed) -> Iterator[Leaf]:
    declared = message.get_content_type()
    # Asked for the text of a part, the library decodes it, in whatever charset is declared, and may fail.
    payload: Any = message.get_payload() if message.is_multipart() else None
    if declared == "message/rfc822" and isinstance(payload, list) and payload:
        yield _forwarded(message, payload[0])
    elif isinstance(payload, list):
        if declared == "multipart/encrypted":
            yield Leaf("", b"", attached=True, content_id="", is_encrypted=True)
        elif declared == "multipart/report":
            # RFC 6522: words for people, words for machines, and the mail that came back, which is no news.
            for part in payload[:1]:
                yield from _walk(part, parsed)
            yield Leaf("", b"", attached=True, content_id="", is_returned=True)
        elif declared.startswith("multipart/"):
            for part in payload:
                yield from _walk(part, parsed)
    else:
        data = _decode(message)
        if _is_body(message, declared) and not data.startswith(_PLAINLY):
            _take_text(data, message, declared, parsed)
        elif data:
            yield Leaf(_name(message), data, _is_attached(message), _content_id(message))


def _forwarded(message: Part, inner: Part) -> Leaf:
    encoding = _field(message, "content-transfer-encoding").lower()
    if encoding in ("base64", "quoted-printable") and not inner.is_multipart():
        # RFC 2046 5.2.1 forbids it, and programs do it: the parser has then taken the encoded text for a mail.
        inner["Content-Transfer-Encoding"] = encoding
        mail = parse_mail(_decode(inner))
    else:
        mail = _read(inner)
    return Leaf(_name(message) or mail.subject, b"", _is_attached(message), "", mail=mail)


def _is_body(message: Part, declared: str) -> bool:
    """Whether this is text for the eye: not attached, and without a name."""
    return declared in ("text/plain", "text/html") and not _is_attached(message) and not _name(message)


def _take_text(data: bytes, message: Part, declared: str, parsed: Parsed) -> None:
    parsed.raw_texts.append(data)
    text = in_charset(data[:_MOST_HTML], str(message.get_param("charset", "utf-8")))
    if declared == "text/html":
        parsed.shown |= {found.lower() for found in _CID.findall(text)[:_MOST_CIDS]}
        text = unescaped(_TAG.sub(" ", text))
    parsed.text = f"{parsed.text}\n{text}"[:_MOST_TEXT]


def _decode(message: Part) -> bytes:
    encoding = _field(message, "content-transfer-encoding").lower()
    raw = message.octets
    if raw.startswith(_PLAINLY):
        return raw
    if encoding == "base64" or (raw.startswith(_ENCODED) and _ONLY_BASE64.fullmatch(raw)):
        return _base64(raw)
    data = message.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _base64(raw: bytes) -> bytes:
    """As much as can be decoded: stray octets are passed over, and the last group may be incomplete."""
    stop = raw.find(b"=")
    # Padding in the middle ends one text; some writers begin another one behind it.
    if stop >= 0 and raw[stop:].strip(b"=\r\n \t-"):
        try:
            return b"".join(_base64(each + b"=") for each in re.split(rb"=+", raw) if each.strip())
        except RecursionError:
            return b""
    return decode_loosely(raw)


def _is_attached(message: Part) -> bool:
    return message.get_content_disposition() == "attachment"


def _content_id(message: Part) -> str:
    return _field(message, "content-id").strip("<> ").lower()


def _name(message: Part) -> str:
    try:
        raw = message.get_filename() or ""
    except (ValueError, TypeError, LookupError):
        return ""
    return clean_name(_words(str(raw)))


def clean_name(name: str) -> str:
    """A name without folders and without what does not print."""
    base = name.replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in base if each.isprintable()).strip()[-_MOST_NAME:]


def _field(message: Part, name: str) -> str:
    return " ".join(_words(str(message.get(name, ""))).split())[:_MOST_TEXT]


def _words(text: str) -> str:
    """Encoded words decoded; octets beyond ASCII that stand there as they are, too."""
    try:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        text = whole(text)  # a parameter in UTF-7 holds what no octets stand for
    if "=?" not in text:
        return text
    try:
        pieces = decode_header(text[:_MOST_TEXT])
    except (HeaderParseError, ValueError, LookupError, binascii.Error):
        return text
    return "".join(
        piece if isinstance(piece, str) else in_charset(piece, charset or "utf-8") for piece, charset in pieces
    )
