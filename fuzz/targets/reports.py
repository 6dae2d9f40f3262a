"""Aggregate reports about DMARC and TLS: read strictly or refused with a plain reason."""

from fuzz.pieces import Pieces
from relay.mail.dmarc_report import MOST_RECORDS, read_dmarc_report
from relay.mail.tls_report import read_tls_report

SEEDS = (
    (
        b"\x00<?xml version='1.0'?><feedback><report_metadata><org_name>x</org_name><report_id>1</report_id>"
        b"<date_range><begin>1</begin><end>2</end></date_range></report_metadata><policy_published><domain>b.example</domain>"
        b"</policy_published><record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated><dkim>pass</dkim></policy_evaluated>"
        b"</row><identifiers><header_from>b.example</header_from></identifiers></record></feedback>"
    ),
    (
        b'\x01{"organization-name": "x", "report-id": "1", "date-range": {"start-datetime": "2026-01-01T00:00:00Z"},'
        b' "policies": [{"policy": {"policy-domain": "b.example"}, "summary": {"total-successful-session-count": 1,'
        b' "total-failure-session-count": 2}}]}'
    ),
    b'\x01{"organization-name": "\\ud800", "report-id": 1, "policies": []}',
    b"\x00<?xml version='1.0' encoding='utf-7'?><feedback>",
    b"\x00<!DOCTYPE feedback><feedback/>",
)


def check(data: bytes) -> None:
    pieces = Pieces(data)
    is_json = pieces.number(1)
    document = pieces.rest()
    try:
        if is_json:
            told = [(each.organization, each.report_id, each.domain, each.day) for each in read_tls_report(document)]
        else:
            report = read_dmarc_report(document)
            assert len(report.records) <= MOST_RECORDS
            told = [(report.organization, report.report_id, report.domain, "")]
            told += [(each.source, each.disposition, each.author_domain, "") for each in report.records]
    except ValueError as error:
        str(error).encode()
        return
    for each in told:
        assert all(len(text.encode()) <= 4 * 1000 for text in each)
