"""From the octets of a mail to the facts about all its parts, however deep they are packed.

In charge of limits over the whole: so many parts, so deep, so many octets. Only to be called in a limited process, and
even there nothing that a mail holds may raise.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from relay.fetch.einvoice import read_xml
from relay.fetch.frames import Contents
from relay.fetch.kinds import is_encrypted_text, is_entity, kind_of, pixels_of
from relay.fetch.mime import MimeError, Parsed, clean_name, parse_mail
from relay.fetch.pdf import read_pdf
from relay.fetch.returns import read_return
from relay.fetch.tnef import read_tnef
from relay.fetch.unpack import Packed, UnpackError, signed_content, unzip, uudecode
from relay.policy.invoice.facts import CONTAINERS, IMAGES, Flaw, Kind, MailFacts, Part

_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is looked at in one mail: parts, levels of packing, octets of all parts together."""

    parts: int = 200
    depth: int = 8
    octets: int = 64 * 1024 * 1024


def read_mail(mail: bytes, limits: Limits) -> Contents:
    """Read a mail."""
    reading = _Reading(limits)
    try:
        parsed = parse_mail(mail)
        reading.mail(parsed, None, 0)
    except (MimeError, RecursionError) as error:
        flaw = Flaw.TOO_DEEP if isinstance(error, RecursionError) else Flaw.BROKEN
        reading.parts.append(Part(len(reading.parts), Kind.MESSAGE, flaw=flaw))
        parsed = Parsed()
    facts = MailFacts(parsed.subject, reading.text[:_TEXT], tuple(reading.parts), parsed.message_id)
    return Contents(facts, reading.data, read_return(mail))


class _Reading:
    """What has been found so far, and what is left of the limits."""

    def __init__(self, limits: Limits) -> None:
        self.parts: list[Part] = []
        self.data: dict[int, bytes] = {}
        self.text = ""
        self._limits = limits
        self._octets = limits.octets
        self._full = False

    def mail(self, parsed: Parsed, parent: int | None, depth: int) -> None:
        """Take the parts of a mail, and the subject of one within another for text."""
        within = parsed.subject if parent is not None else ""
        self.text = f"{self.text}{within}\n{parsed.text}\n"[:_TEXT]
        for leaf in parsed.leaves:
            if leaf.mail is not None:
                self._message(leaf.mail, leaf.name, parent, depth)
            elif leaf.is_encrypted:
                self._add(Part(0, Kind.UNKNOWN, leaf.name, parent=parent, flaw=Flaw.ENCRYPTED))
            elif leaf.is_returned:
                self._add(Part(0, Kind.MESSAGE, leaf.name, parent=parent, flaw=Flaw.RETURNED))
            else:
                shown = bool(leaf.content_id) and leaf.content_id in parsed.shown
                self._take(Packed(leaf.name, leaf.data), parent, depth, attached=leaf.attached, shown=shown)
        for text in parsed.raw_texts:
            for packed in uudecode(text):
                self._take(packed, parent, depth, attached=True)

    def _message(self, mail: Parsed, name: str, parent: int | None, depth: int) -> None:
        deep = depth >= self._limits.depth
        number = self._add(Part(0, Kind.MESSAGE, name, parent=parent, flaw=Flaw.TOO_DEEP if deep else None))
        if number is not None and not deep:
            self.mail(mail, number, depth + 1)

    def _take(
        self, packed: Packed, parent: int | None, depth: int, *, attached: bool = False, shown: bool = False
    ) -> None:
        """One part: what it is, what is in it."""
        data = packed.data
        kind = Kind.UNKNOWN if packed.flaw is not None and not data else kind_of(data)
        part = Part(
            number=0,
            kind=kind,
            name=clean_name(packed.name),
            size=len(data),
            digest=hashlib.sha256(data).hexdigest(),
            parent=parent,
            attached=attached,
            shown=shown,
            pixels=pixels_of(kind, data),
            flaw=packed.flaw,
        )
        self._octets -= len(data)
        if self._octets < 0:
            part = replace(part, flaw=Flaw.TOO_LARGE)
        if part.flaw is not None:
            self._add(part)
        elif kind in CONTAINERS:
            self._open(part, data, depth)
        elif kind is Kind.XML:
            self._xml(part, data, depth)
        elif kind is Kind.PDF:
            business, flaw = read_pdf(data)
            self._keep(replace(part, business=business, flaw=flaw), data)
        elif kind in IMAGES:
            self._keep(part, data)
        else:
            self._add(replace(part, flaw=Flaw.ENCRYPTED) if is_encrypted_text(data) else part)

    def _xml(self, part: Part, data: bytes, depth: int) -> None:
        found = read_xml(data)
        number = self._keep(replace(part, business=found.business, flaw=found.flaw), data)
        if number is not None and found.flaw is None and depth < self._limits.depth:
            for name, file in found.files:
                self._take(Packed(name, file), number, depth + 1, attached=True)

    def _open(self, part: Part, data: bytes, depth: int) -> None:
        """A container, and then what is in it."""
        if depth >= self._limits.depth:
            self._add(replace(part, flaw=Flaw.TOO_DEEP))
            return
        if part.kind is Kind.PKCS7:
            self._signed(part, data, depth)
            return
        number = self._add(part)
        if number is None:
            return
        try:
            if part.kind is Kind.MESSAGE:
                self.mail(parse_mail(data), number, depth + 1)
                return
            for packed in self._packed(part.kind, data):
                self._take(packed, number, depth + 1, attached=True)
        except (UnpackError, MimeError) as error:
            flaw = error.flaw if isinstance(error, UnpackError) else Flaw.BROKEN
            self.parts[number] = replace(part, number=number, flaw=flaw)

    def _packed(self, kind: Kind, data: bytes) -> Iterator[Packed]:
        match kind:
            case Kind.ZIP:
                return unzip(data, max(self._octets, 0))
            case Kind.TNEF:
                return read_tnef(data)
            case _:
                return uudecode(data)

    def _signed(self, part: Part, data: bytes, depth: int) -> None:
        try:
            content = signed_content(data)
            if content is not None and not is_entity(content):
                # Documents are signed by themselves, too: Italy's invoices come as .xml.p7m.
                number = self._add(part)
                if number is not None:
                    name = part.name.removesuffix(".p7m").removesuffix(".P7M")
                    self._take(Packed(name, content), number, depth + 1, attached=True)
                return
            parsed = None if content is None else parse_mail(content)
        except (UnpackError, MimeError) as error:
            flaw = error.flaw if isinstance(error, UnpackError) else Flaw.BROKEN
            self._add(replace(part, flaw=flaw))
            return
        number = self._add(part if parsed is not None else replace(part, kind=Kind.SIGNATURE))
        if parsed is not None and number is not None:
            self.mail(parsed, number, depth + 1)

    def _keep(self, part: Part, data: bytes) -> int | None:
        number = self._add(part)
        if number is not None:
            # Also of what is locked or damaged: a person may hand it on all the same.
            self.data[number] = data
        return number

    def _add(self, part: Part) -> int | None:
        """Number a part; None when there are too many, which the last one then says."""
        number = len(self.parts)
        if number < self._limits.parts:
            self.parts.append(replace(part, number=number))
            return number
        if not self._full:
            self._full = True
            self.parts.append(Part(number, Kind.UNKNOWN, flaw=Flaw.TOO_MANY))
        return None
