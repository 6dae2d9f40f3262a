import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import dmarc_report
from relay.mail.dmarc_report import DmarcRecord, DmarcReport, read_dmarc_report

ROW = b"""<record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated>
<disposition>none</disposition><dkim>fail</dkim><spf>pass</spf></policy_evaluated></row>
<identifiers><header_from>Shop.example</header_from></identifiers>
<auth_results><spf><domain>shop.example</domain><result>pass</result></spf></auth_results></record>"""
HEAD = b"""<report_metadata><org_name>Receiver &amp; Co</org_name><report_id>r1</report_id>
<date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>
<policy_published><domain>Shop.example.</domain><p>reject</p></policy_published>"""
RECORD = DmarcRecord("192.0.2.1", 3, passed=True, disposition="none", author_domain="shop.example")
REPORT = DmarcReport("Receiver & Co", "r1", "shop.example", 1_700_000_000, 1_700_086_399, (RECORD,))


def document(*rows: bytes, head: bytes = HEAD, start: bytes = b"<feedback>", end: bytes = b"</feedback>") -> bytes:
    return b"<?xml version='1.0' encoding='UTF-8'?>" + start + head + b"".join(rows or (ROW,)) + end


def test_a_report_is_read() -> None:
    assert read_dmarc_report(document()) == REPORT


def test_a_namespace_makes_no_difference() -> None:
    with_default = document(start=b"<feedback xmlns='urn:ietf:params:xml:ns:dmarc-2.0'>")
    prefixed = document().replace(b"</", b"</d:").replace(b"<", b"<d:").replace(b"<d:/d:", b"</d:")
    assert read_dmarc_report(with_default) == REPORT
    assert read_dmarc_report(prefixed.replace(b"<d:?", b"<?")) == REPORT


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "no XML"),
        (b"{}", "no XML"),
        (document()[:-5], "no XML"),
        (document().replace(b"UTF-8", b"nonsense-8"), "encoding|no XML"),
        (b"<!DOCTYPE f [<!ENTITY a 'b'>]><feedback>&a;</feedback>", "DOCTYPE"),
        (b"<!DOCTYPE f SYSTEM 'file:///etc/passwd'><feedback/>", "DOCTYPE"),
        (b"<a>" * 50, "deeply"),
        (b"<html/>", "report_id"),
        (b"<feedback " + b" ".join(b"a%d=''" % number for number in range(10_000)) + b"/>", "too long"),
        (document(head=HEAD.replace(b"r1", b"")), "report_id"),
        (document(head=HEAD.replace(b"1700000000", b"-1")), "number"),
        (document(ROW.replace(b">3<", b">3000000000000<")), "number"),
        (document(ROW.replace(b"192.0.2.1", b"everywhere")), "everywhere"),
    ],
)
def test_what_is_no_report_is_said_to_be_none(octets: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_dmarc_report(octets)


def test_a_report_has_only_so_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dmarc_report, "MOST_RECORDS", 2)
    assert len(read_dmarc_report(document(ROW, ROW)).records) == 2
    with pytest.raises(ValueError, match="more than 2"):
        read_dmarc_report(document(ROW, ROW, ROW))


@pytest.mark.parametrize(
    ("dkim", "spf", "passed"), [("pass", "fail", True), ("fail", "fail", False), ("", "PASS", True)]
)
def test_either_of_spf_and_dkim_is_enough(dkim: str, spf: str, *, passed: bool) -> None:
    row = ROW.replace(b"<dkim>fail", f"<dkim>{dkim}".encode()).replace(b"<spf>pass", f"<spf>{spf}".encode())
    (record,) = read_dmarc_report(document(row)).records
    assert record.passed is passed


@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from([ROW, HEAD, b"<x>", b"</x>", b"&lt;"]), max_size=5)))
def test_any_octets_are_a_report_or_not(given_octets: bytes | list[bytes]) -> None:
    octets = given_octets if isinstance(given_octets, bytes) else document(*given_octets, head=b"")
    with contextlib.suppress(ValueError):
        assert read_dmarc_report(octets).domain
