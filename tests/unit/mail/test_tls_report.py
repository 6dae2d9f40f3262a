import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.date import format_timestamp
from relay.mail.tls_report import (
    PolicyResults,
    TlsFault,
    TlsReport,
    TlsSummary,
    read_rua,
    read_tls_report,
    write_tls_report,
)

MAIL, WEB = "mailto:tls@bank.example", "https://bank.example/tls?a=b"


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([b"v=TLSRPTv1; rua=mailto:tls@bank.example"], (MAIL,)),
        ([b"v=TLSRPTv1;rua=mailto:tls@bank.example , https://bank.example/tls?a=b;"], (MAIL, WEB)),
        ([b"v=TLSRPTv1; more=1; rua=mailto:tls@bank.example", b"v=spf1 -all"], (MAIL,)),
        ([b"v=TLSRPTv1; rua=mailto:tls@bank.example,mailto:tls@bank.example"], (MAIL,)),
        ([b"v=TLSRPTv1; rua=http://bank.example/,ftp://x,tls@bank.example,mailto:"], ()),
        ([b"v=TLSRPTv1; rua="], ()),
        ([b"v=TLSRPTv1; more=1"], ()),
        ([b"v=TLSRPTv1; rua=" + MAIL.encode()] * 2, ()),
        ([b"v=TLSRPTv2; rua=" + MAIL.encode()], ()),
        (
            [b"v=TLSRPTv1; rua=" + ",".join(f"{MAIL}{n}" for n in range(9)).encode()],
            tuple(f"{MAIL}{n}" for n in range(5)),
        ),
        ([], ()),
    ],
)
def test_reports_go_where_one_record_says(records: list[bytes], found: tuple[str, ...]) -> None:
    assert read_rua(records) == found


@given(
    st.lists(st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(lambda o: b"v=TLSRPTv1; rua=mailto:" + o)))
)
def test_any_records_name_few_places(records: list[bytes]) -> None:
    found = read_rua(records)
    assert len(found) <= 5
    assert all(uri.isprintable() and uri.isascii() for uri in found)


def test_times_are_written_as_rfc_3339_does() -> None:
    assert format_timestamp(1_764_028_799.9) == "2025-11-24T23:59:59Z"


def test_a_report_is_written() -> None:
    report = TlsReport(
        organization="Relay",
        contact="postmaster@my.relay.example",
        report_id="1@my.relay.example",
        domain="bank.example",
        start=0,
        end=86_399,
        policies=(
            PolicyResults(
                "sts",
                ("version: STSv1", "mode: testing"),
                ("mx.bank.example",),
                5,
                (
                    TlsFault("certificate-expired", "mx.bank.example", "192.0.2.1", 2),
                    TlsFault("sts-policy-fetch-error", "", "", 1),
                ),
            ),
            PolicyResults("no-policy-found", (), (), 7),
        ),
    )
    written = json.loads(write_tls_report(report))
    assert written == {
        "organization-name": "Relay",
        "date-range": {"start-datetime": "1970-01-01T00:00:00Z", "end-datetime": "1970-01-01T23:59:59Z"},
        "contact-info": "postmaster@my.relay.example",
        "report-id": "1@my.relay.example",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": ["version: STSv1", "mode: testing"],
                    "policy-domain": "bank.example",
                    "mx-host": ["mx.bank.example"],
                },
                "summary": {"total-successful-session-count": 5, "total-failure-session-count": 3},
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "receiving-mx-hostname": "mx.bank.example",
                        "receiving-ip": "192.0.2.1",
                        "failed-session-count": 2,
                    },
                    {"result-type": "sts-policy-fetch-error", "failed-session-count": 1},
                ],
            },
            {
                "policy": {"policy-type": "no-policy-found", "policy-domain": "bank.example"},
                "summary": {"total-successful-session-count": 7, "total-failure-session-count": 0},
            },
        ],
    }


def test_a_report_that_is_written_can_be_read() -> None:
    results = (PolicyResults("sts", (), (), 5, (TlsFault("certificate-expired", "", "", 2),)),)
    report = TlsReport("Relay", "", "1@x", "bank.example", 0, 86_399, results)
    assert read_tls_report(write_tls_report(report)) == (
        TlsSummary("Relay", "1@x", "bank.example", "1970-01-01", 5, 2),
    )


def test_the_policies_of_one_domain_are_added_up() -> None:
    sts = PolicyResults("sts", (), (), 5, (TlsFault("certificate-expired", "", "", 2),))
    report = TlsReport("Relay", "", "1@x", "bank.example", 0, 86_399, (sts, PolicyResults("tlsa", (), (), 30)))
    (read,) = read_tls_report(write_tls_report(report))
    assert (read.successes, read.failures) == (35, 2)


@pytest.mark.parametrize(
    "document",
    [
        *(b"", b"[]", b"1", b"{}", b"\xff", b"[" * 100_000, b'{"policies": 1}'),
        b'{"policies": [1], "organization-name": "", "report-id": "", "date-range": {"start-datetime": ""}}',
        (
            b'{"organization-name": "", "report-id": "", "date-range": {"start-datetime": ""}, "policies": [{"policy": '
            b'{"policy-domain": ""}, "summary": {"total-successful-session-count": -1}}]}'
        ),
    ],
)
def test_what_is_no_report_cannot_be_read(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_tls_report(document)


def test_half_a_character_in_a_report_is_none() -> None:
    results = (PolicyResults("sts", (), (), 5),)
    document = write_tls_report(TlsReport("half \ud800", "", "1@x", "bank.example", 0, 86_399, results))
    assert [each.organization for each in read_tls_report(document)] == ["half \ufffd"]


def test_a_report_that_is_too_large_is_not_read() -> None:
    with pytest.raises(ValueError, match="too large"):
        read_tls_report(b'{"policies": [' + b"[]," * 500_000 + b"[]]}")


@given(st.binary(max_size=100))
def test_any_octets_are_sums_or_not(document: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(read_tls_report(document), tuple)
