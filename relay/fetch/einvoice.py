"""XML invoices: what the root element says they are, and the few values that name one (EN 16931).

Read by expat, event by event, with a cap on depth. A DOCTYPE ends the reading before any entity could be declared.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from xml.parsers import expat

from relay.policy.invoice.facts import Business, Flaw, Paper

MOST_OCTETS = 32 * 1024 * 1024
_MOST_DEPTH = 64
_MOST_TEXT = 500
_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
_CII = ("urn:un:unece:uncefact:data:standard:", "urn:ferd:CrossIndustry")
_UBL_PAPERS = {"Invoice": Paper.INVOICE, "CreditNote": Paper.CREDIT_NOTE}
_CII_ROOTS = ("CrossIndustryInvoice", "CrossIndustryDocument")
_CII_CREDIT = {"81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "532"}
_ENVELOPES = ("StandardBusinessDocument",)

# Where values stand, by local names below the root. The first that is there counts.
_SELLER = "AccountingSupplierParty/Party"
_AGREEMENT = ("SupplyChainTradeTransaction/ApplicableHeaderTradeAgreement/SellerTradeParty",
              "SpecifiedSupplyChainTradeTransaction/ApplicableSupplyChainTradeAgreement/SellerTradeParty")  # fmt: skip
_SETTLEMENT = ("SupplyChainTradeTransaction/ApplicableHeaderTradeSettlement",
               "SpecifiedSupplyChainTradeTransaction/ApplicableSupplyChainTradeSettlement")  # fmt: skip
_SUMS = ("SpecifiedTradeSettlementHeaderMonetarySummation", "SpecifiedTradeSettlementMonetarySummation")
_PLACES: Mapping[str, tuple[str, ...]] = {
    "number": ("ID", "ExchangedDocument/ID", "HeaderExchangedDocument/ID"),
    "type": ("ExchangedDocument/TypeCode", "HeaderExchangedDocument/TypeCode"),
    "currency": ("DocumentCurrencyCode", *(f"{place}/InvoiceCurrencyCode" for place in _SETTLEMENT)),
    "total": (
        *("LegalMonetaryTotal/TaxInclusiveAmount", "LegalMonetaryTotal/PayableAmount"),
        *(f"{place}/{sums}/GrandTotalAmount" for place in _SETTLEMENT for sums in _SUMS),
        *(f"{place}/{sums}/DuePayableAmount" for place in _SETTLEMENT for sums in _SUMS),
    ),
    "supplier": (
        *(f"{_SELLER}/PartyTaxScheme/CompanyID", f"{_SELLER}/PartyLegalEntity/CompanyID"),
        *(f"{_SELLER}/PartyIdentification/ID", f"{_SELLER}/EndpointID"),
        *(f"{place}/SpecifiedTaxRegistration/ID" for place in _AGREEMENT),
        *(f"{place}/SpecifiedLegalOrganization/ID" for place in _AGREEMENT),
        *(f"{place}/{name}" for place in _AGREEMENT for name in ("GlobalID", "ID")),
    ),
    "supplier_name": (
        *(f"{_SELLER}/PartyLegalEntity/RegistrationName", f"{_SELLER}/PartyName/Name"),
        *(f"{place}/Name" for place in _AGREEMENT),
    ),
}
_WANTED = frozenset(place for places in _PLACES.values() for place in places)
_EMBEDDED = "AdditionalDocumentReference/Attachment/EmbeddedDocumentBinaryObject"


@dataclass(frozen=True, slots=True)
class Einvoice:
    """What was read: `business` as far as it goes, the files within by name, and why reading ended early."""

    business: Business | None
    files: tuple[tuple[str, bytes], ...] = ()
    flaw: Flaw | None = None


class _EndError(Exception):
    """Nothing more is to be read."""

    def __init__(self, flaw: Flaw | None) -> None:
        super().__init__()
        self.flaw = flaw


def read_xml(data: bytes) -> Einvoice:
    """What an XML document is. Raises nothing."""
    if len(data) > MOST_OCTETS:
        return Einvoice(None, flaw=Flaw.TOO_LARGE)
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reading.doctype
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    flaw = None
    try:
        parser.Parse(data, True)  # noqa: FBT003 -- expat takes it by place only
    except _EndError as end:
        flaw = end.flaw
    except (expat.ExpatError, ValueError, LookupError):
        flaw = Flaw.BROKEN
    return Einvoice(reading.business(), tuple(reading.files), flaw)


class _Reading:
    """The state between two events of the parser."""

    def __init__(self) -> None:
        self.files: list[tuple[str, bytes]] = []
        self._root = ("", "")
        self._path: list[str] = []
        self._depth = 0
        self._skip = 0
        self._found: dict[str, str] = {}
        self._open: str | None = None
        self._text: list[str] = []
        self._file_name = ""

    def doctype(self, *_about: object) -> None:
        raise _EndError(Flaw.DOCTYPE)

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise _EndError(Flaw.TOO_DEEP)
        namespace, _, local = name.rpartition(" ")
        if not self._root[1]:
            self._begin(namespace, local)
            return
        self._path.append(local)
        place = "/".join(self._path)
        self._open = place if place == _EMBEDDED or (place in _WANTED and place not in self._found) else None
        self._text = []
        self._file_name = attributes.get("filename", "")

    def _begin(self, namespace: str, local: str) -> None:
        """The root, or the document within an envelope (as Peppol packs them), says whether it is worth reading on."""
        if local in _ENVELOPES:
            return
        standard = "UBL" if namespace.startswith(_UBL) else "CII" if namespace.startswith(_CII) else ""
        if self._depth > 1 and not standard:
            return
        self._root = (standard, local)
        if not (standard == "UBL" and local in _UBL_PAPERS) and not (standard == "CII" and local in _CII_ROOTS):
            raise _EndError(None)

    def text(self, text: str) -> None:
        if self._open is not None:
            self._text.append(text)

    def end(self, _name: str) -> None:
        self._depth -= 1
        if self._open is not None:
            text = "".join(self._text).strip()
            if self._open == _EMBEDDED:
                self._keep_file(text)
            elif text:
                self._found[self._open] = text[:_MOST_TEXT]
            self._open, self._text = None, []
        if self._path:
            self._path.pop()

    def _keep_file(self, text: str) -> None:
        try:
            data = base64.b64decode(text)
        except (binascii.Error, ValueError):
            return  # what is within is damaged; the invoice itself is not
        if data:
            self.files.append((self._file_name, data))

    def business(self) -> Business | None:
        standard, name = self._root
        if not name:
            return None
        found = self._found
        values = {key: next((found[each] for each in at if each in found), "") for key, at in _PLACES.items()}
        paper = Paper.OTHER
        if standard == "UBL":
            paper = _UBL_PAPERS.get(name, Paper.OTHER)
        elif standard == "CII" and name in _CII_ROOTS:
            paper = Paper.CREDIT_NOTE if values["type"] in _CII_CREDIT else Paper.INVOICE
        del values["type"]
        return Business(standard, name, paper, **values)
