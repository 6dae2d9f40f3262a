"""Reports about TLS between mail hosts (RFC 8460): where they are wanted, and how they are written and read."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from relay.mail.date import format_timestamp
from relay.mail.encoded import whole

_RECORD = re.compile(r"v=TLSRPTv1[ \t]*;(?P<fields>[\x20-\x7e\t]*)")
_URI = re.compile(r"(?:mailto|https):[!-~]{1,500}")
_MOST_URIS = 5
_MOST_POLICIES = 1_000
_LONGEST = 255
_MOST_OCTETS = 1024 * 1024  # nobody else can work while JSON is read


@dataclass(frozen=True, slots=True)
class TlsFault:
    """What went wrong with one host, how often; `result` by the names of RFC 8460 4.3."""

    result: str
    host: str
    ip: str
    count: int


@dataclass(frozen=True, slots=True)
class PolicyResults:
    """How sessions went under one policy. `kind`: tlsa, sts or no-policy-found; `lines` are the policy as published."""

    kind: str
    lines: tuple[str, ...]
    hosts: tuple[str, ...]
    successes: int
    faults: tuple[TlsFault, ...] = ()


@dataclass(frozen=True, slots=True)
class TlsReport:
    """A report about a day that begins at `start` and ends at `end`, in seconds since the epoch."""

    organization: str
    contact: str
    report_id: str
    domain: str
    start: float
    end: float
    policies: tuple[PolicyResults, ...]


def read_rua(records: Iterable[bytes]) -> tuple[str, ...]:
    """Where TXT records of _smtp._tls want reports to go: mailto: and https: URIs (RFC 8460 3), the first few."""
    found = [match for match in (_RECORD.fullmatch(record.decode("latin-1")) for record in records) if match]
    if len(found) != 1:
        return ()
    for field in found[0]["fields"].split(";"):
        name, _, value = field.partition("=")
        if name.strip(" \t") == "rua":
            uris = (uri.strip(" \t") for uri in value.split(","))
            return tuple(dict.fromkeys(uri for uri in uris if _URI.fullmatch(uri)))[:_MOST_URIS]
    return ()


def write_tls_report(report: TlsReport) -> bytes:
    """The report as JSON (RFC 8460 4.4)."""
    document = {
        "organization-name": report.organization,
        "date-range": {
            "start-datetime": format_timestamp(report.start),
            "end-datetime": format_timestamp(report.end),
        },
        "contact-info": report.contact,
        "report-id": report.report_id,
        "policies": [_policy(report.domain, results) for results in report.policies],
    }
    return json.dumps(document, indent=1).encode()


@dataclass(frozen=True, slots=True)
class TlsSummary:
    """What a report that came in says about one domain: sessions that went well, and those that did not."""

    organization: str
    report_id: str
    domain: str
    day: str
    successes: int
    failures: int


def read_tls_report(document: bytes) -> tuple[TlsSummary, ...]:
    """The sums of a report in JSON, one for each domain: of all policies that it is about.

    Raises:
        ValueError: it is no such report.
    """
    if len(document) > _MOST_OCTETS:
        raise ValueError("the report about TLS is too large")
    try:
        said = json.loads(document)
        policies = said["policies"]
        if not isinstance(policies, list) or len(policies) > _MOST_POLICIES:
            raise ValueError("the policies are no list, or too many")
        organization, report_id = (_text(said[name]) for name in ("organization-name", "report-id"))
        day = _text(said["date-range"]["start-datetime"])[:10]
        sums: dict[str, tuple[int, int]] = {}
        for each in policies:
            domain = _text(str(each["policy"]["policy-domain"]).lower())
            successes, failures = sums.get(domain, (0, 0))
            successes += _count(each["summary"]["total-successful-session-count"])
            failures += _count(each["summary"]["total-failure-session-count"])
            sums[domain] = successes, failures
    except (KeyError, TypeError, RecursionError):
        raise ValueError("this is no TLS report") from None
    return tuple(TlsSummary(organization, report_id, domain, day, *both) for domain, both in sums.items())


def _text(value: object) -> str:
    return whole(str(value)[:_LONGEST])


def _count(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < 10**12:
        raise ValueError("a count in the report is none")
    return int(value)


def _policy(domain: str, results: PolicyResults) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy-type": results.kind, "policy-domain": domain}
    if results.lines:
        policy["policy-string"] = list(results.lines)
    if results.hosts:
        policy["mx-host"] = list(results.hosts)
    failed = sum(fault.count for fault in results.faults)
    summary = {"total-successful-session-count": results.successes, "total-failure-session-count": failed}
    said: dict[str, Any] = {"policy": policy, "summary": summary}
    if results.faults:
        said["failure-details"] = _details(results.faults)
    return said


def _details(faults: Sequence[TlsFault]) -> list[dict[str, Any]]:
    details = []
    for fault in faults:
        detail: dict[str, Any] = {"result-type": fault.result, "failed-session-count": fault.count}
        if fault.host:
            detail["receiving-mx-hostname"] = fault.host
        if fault.ip:
            detail["receiving-ip"] = fault.ip
        details.append(detail)
    return details
