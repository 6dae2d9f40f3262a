"""A document on its way, and whoever takes it.

A sink may be offered the same document again, after a crash or a lost answer: it takes it once, and says so both times.
"""

import base64
import re
from dataclasses import dataclass
from typing import Protocol

from relay.fetch.mime import clean_name
from relay.policy.company import FastInput
from relay.policy.invoice.facts import Kind
from relay.policy.upload import Answer

_TYPES = {
    Kind.PDF: ("application/pdf", ".pdf"),
    Kind.XML: ("application/xml", ".xml"),
    Kind.JPEG: ("image/jpeg", ".jpg"),
    Kind.PNG: ("image/png", ".png"),
    Kind.TIFF: ("image/tiff", ".tiff"),
    Kind.HEIC: ("image/heic", ".heic"),
}
_NOT_IN_NAMES = re.compile(r"[^\w .()-]+")
# Octets, not letters: a file system takes 255 with what stands before and behind, and more would never be taken.
_MOST_NAME = 160


@dataclass(frozen=True, slots=True)
class File:
    """One file of a document; its name ends as its kind demands."""

    name: str
    kind: Kind
    data: bytes

    @property
    def media_type(self) -> str:
        """What it is, as HTTP says it."""
        return _TYPES[self.kind][0]

    @property
    def base64(self) -> str:
        """Its octets, as JSON can hold them."""
        return base64.b64encode(self.data).decode("ascii")


@dataclass(frozen=True, slots=True)
class Offer:
    """A document on its way: `key` names it and no other one, `description` is "" for none.

    `within` says that the companion came out of the main file, which still holds it.
    """

    slug: str
    fast_input: FastInput
    key: str
    main: File
    companion: File | None = None
    description: str = ""
    within: bool = False


class Sink(Protocol):
    """Whoever takes documents."""

    async def take(self, offer: Offer) -> Answer:
        """Take a document; whatever happens is an answer."""
        ...


def file_of(name: str, kind: Kind, data: bytes) -> File:
    """A file under a name that no system stumbles over."""
    ending = _TYPES[kind][1]
    stem, _, old = _NOT_IN_NAMES.sub("_", clean_name(name)).rpartition(".")
    if f".{old.lower()}" in (ending, ".jpeg", ".tif", ".heif"):
        ending = f".{old.lower()}"
    else:
        stem = f"{stem}.{old}" if stem else old
    short = stem.strip(" .").encode()[:_MOST_NAME].decode(errors="ignore")
    return File(f"{short or 'document'}{ending}", kind, data)
