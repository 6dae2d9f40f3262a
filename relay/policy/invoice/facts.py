"""What is known of a mail in a company's mailbox before anything is decided about it.

In charge of the values only; `relay.fetch` reads them out of octets. Nothing here is believed because a sender wrote
it: a part's kind comes of its first octets and its structure, a declared type is not even kept.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What the octets of a part are."""

    PDF = "pdf"
    JPEG = "jpeg"
    PNG = "png"
    TIFF = "tiff"
    HEIC = "heic"
    XML = "xml"
    PICTURE = "picture"  # of a kind that nobody scans to: GIF, WebP, BMP, SVG
    MESSAGE = "message"
    ZIP = "zip"
    TNEF = "tnef"
    PKCS7 = "pkcs7"
    UUENCODE = "uuencode"
    ARCHIVE = "archive"  # of a kind that is not opened here: RAR, 7z, gzip
    OFFICE = "office"
    CALENDAR = "calendar"
    CONTACT = "contact"
    SIGNATURE = "signature"
    TEXT = "text"
    UNKNOWN = "unknown"


CONTAINERS = frozenset({Kind.MESSAGE, Kind.ZIP, Kind.TNEF, Kind.PKCS7, Kind.UUENCODE})
IMAGES = frozenset({Kind.JPEG, Kind.PNG, Kind.TIFF, Kind.HEIC})


class Paper(StrEnum):
    """What a paper in XML is."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit-note"
    OTHER = "other"


class Flaw(StrEnum):
    """Why a part could not be looked into."""

    ENCRYPTED = "encrypted"
    TOO_LARGE = "too-large"
    TOO_MANY = "too-many"
    TOO_DEEP = "too-deep"
    BURSTS = "bursts"
    DOCTYPE = "doctype"
    BROKEN = "broken"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Business:
    """What an XML part says of itself: `standard` is UBL, CII or "", `name` that of its root element.

    `supplier` is the seller's VAT number, or another number of the seller; `supplier_name` what it is called. Texts are
    as they were written, "" for what is not said.
    """

    standard: str
    name: str
    paper: Paper = Paper.OTHER
    number: str = ""
    supplier: str = ""
    supplier_name: str = ""
    currency: str = ""
    total: str = ""

    @property
    def is_invoice(self) -> bool:
        """Whether Fast input takes it: an invoice or a credit note."""
        return self.paper is not Paper.OTHER


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a mail, or of something in it: `number` is its place in reading order, `parent` its container's.

    `digest` is the SHA-256 of its octets, `shown` whether the text of the mail shows it as a picture, `pixels` width
    and height of an image, `business` is there for XML and for a PDF that carries XML.
    """

    number: int
    kind: Kind
    name: str = ""
    size: int = 0
    digest: str = ""
    parent: int | None = None
    attached: bool = False
    shown: bool = False
    pixels: tuple[int, int] | None = None
    business: Business | None = None
    flaw: Flaw | None = None


@dataclass(frozen=True, slots=True)
class MailFacts:
    """A mail as far as the decision needs it: its subject, the beginning of its text, and all its parts."""

    subject: str
    text: str
    parts: tuple[Part, ...]
    message_id: str = ""
