"""Reports about DMARC that receivers send to domains: aggregate reports in XML, read strictly (RFC 9990)."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from xml.parsers import expat

MOST_RECORDS = 10_000
_DEEPEST = 12
_LONGEST = 1_000  # characters of one value
# The parser lets nobody else work while it reads one tag: such a tag may have a million attributes.
_LONG_TAG = re.compile(rb"(?:\A|<)[^<]{65536}")
_RECORD = ("feedback", "record")
_METADATA = ("feedback", "report_metadata")
_DOMAIN = ("feedback", "policy_published", "domain")
_DATES = (*_METADATA, "date_range")
_EVALUATED = ("row", "policy_evaluated")
# The values that are kept while reading: what else a report holds may be much.
_HEAD = {(*_METADATA, "org_name"), (*_METADATA, "report_id"), (*_DATES, "begin"), (*_DATES, "end"), _DOMAIN}
_ROW = {
    *(("row", "source_ip"), ("row", "count"), ("identifiers", "header_from")),
    *((*_EVALUATED, name) for name in ("dkim", "spf", "disposition")),
}


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """What a receiver saw from one address: `count` mails, whether SPF or DKIM was aligned, and what became of them."""

    source: str
    count: int
    passed: bool
    disposition: str
    author_domain: str


@dataclass(frozen=True, slots=True)
class DmarcReport:
    """One report about `domain`, by whoever calls itself `organization`; times in seconds since the epoch."""

    organization: str
    report_id: str
    domain: str
    begin: int
    end: int
    records: tuple[DmarcRecord, ...]


def read_dmarc_report(document: bytes) -> DmarcReport:
    """The report in an XML document. Nothing is fetched, and no document that defines entities is read.

    Raises:
        ValueError: it is no such report, with a plain reason.
    """
    if _LONG_TAG.search(document):
        raise ValueError("the report has a tag or a text that is too long")
    reading = _Reading()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    try:
        parser.Parse(document, True)  # noqa: FBT003 -- its only way to say that this is all
    except expat.ExpatError as error:
        raise ValueError(f"this is no XML: {expat.ErrorString(error.code)}") from None
    except LookupError:
        raise ValueError("the encoding of the XML is not known") from None
    return reading.report()


def _refuse_doctype(*_: object) -> None:
    raise ValueError("XML with a DOCTYPE is not read")


@dataclass(slots=True)
class _Reading:
    path: list[str] = field(default_factory=list)
    value: str = ""
    head: dict[tuple[str, ...], str] = field(default_factory=dict)
    row: dict[tuple[str, ...], str] = field(default_factory=dict)
    records: list[DmarcRecord] = field(default_factory=list)

    def start(self, name: str, _: object) -> None:
        if len(self.path) >= _DEEPEST:
            raise ValueError("the report is nested too deeply")
        # Reports of old have no namespace, others the one or the other prefix.
        self.path.append(name.rpartition(":")[2])
        self.value = ""

    def text(self, data: str) -> None:
        self.value = (self.value + data)[:_LONGEST]

    def end(self, _: str) -> None:
        path, value = tuple(self.path), self.value.strip()
        self.path.pop()
        self.value = ""
        if path == _RECORD:
            if len(self.records) >= MOST_RECORDS:
                raise ValueError(f"the report has more than {MOST_RECORDS} records")
            self.records.append(_record(self.row))
            self.row = {}
        elif path[:2] == _RECORD and path[2:] in _ROW:
            self.row.setdefault(path[2:], value)
        elif path in _HEAD:
            self.head.setdefault(path, value)

    def report(self) -> DmarcReport:
        head = self.head
        report_id = head.get((*_METADATA, "report_id"), "")
        domain = head.get(_DOMAIN, "").lower().removesuffix(".")
        if not report_id or not domain:
            raise ValueError("this is no DMARC report: report_id or domain is missing")
        begin, end = (_number(head.get((*_DATES, name), "")) for name in ("begin", "end"))
        organization = head.get((*_METADATA, "org_name"), "")
        return DmarcReport(organization, report_id, domain, begin, end, tuple(self.records))


def _record(row: dict[tuple[str, ...], str]) -> DmarcRecord:
    evaluated = {name: row.get((*_EVALUATED, name), "").lower() for name in ("dkim", "spf")}
    return DmarcRecord(
        source=str(ip_address(row.get(("row", "source_ip"), ""))),
        count=_number(row.get(("row", "count"), "")),
        passed="pass" in evaluated.values(),
        disposition=row.get((*_EVALUATED, "disposition"), "").lower()[:20],
        author_domain=row.get(("identifiers", "header_from"), "").lower(),
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise ValueError("a number in the report is none")
    return int(text)
