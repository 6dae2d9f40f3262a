"""Reports of receivers: unpacked within limits, counted once, and told when our own mail fails."""

import gzip
import io
import zipfile
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Event
from relay.facts import received_reports, troubles
from relay.facts.received_reports import KIND, ReceivedReports, days_of
from relay.facts.report_files import ReportKind, reports_in
from relay.facts.troubles import read_trouble
from relay.mail.tls_report import PolicyResults, TlsFault, TlsReport, write_tls_report
from relay.store.facts import Fact
from relay.store.spool import SpoolError
from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import StandingClock

DAY = 86_400
NOW = 20_000.0 * DAY + 3600
OURS, OTHERS = "192.0.2.1", "198.51.100.7"


def dmarc(*rows: tuple[str, int, str, str], name: str = "r1", domain: str = "shop.example") -> bytes:
    records = "".join(
        f"<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>{what}"
        f"</disposition><dkim>{dkim}</dkim><spf>fail</spf></policy_evaluated></row></record>"
        for ip, count, dkim, what in rows
    )
    return (
        f"<?xml version='1.0'?><feedback><report_metadata><org_name>Receiver</org_name><report_id>{name}</report_id>"
        f"<date_range><begin>{19_999 * DAY}</begin><end>{20_000 * DAY}</end></date_range></report_metadata>"
        f"<policy_published><domain>{domain}</domain></policy_published>{records}</feedback>"
    ).encode()


def zipped(*documents: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for number, document in enumerate(documents):
            archive.writestr(f"{number}.xml", document)
    return packed.getvalue()


def mail(content: bytes) -> bytes:
    message = EmailMessage()
    message["Subject"] = "Report domain: shop.example"
    message.set_content("This is a report.")
    message.add_attachment(content, maintype="application", subtype="octet-stream", filename="report")
    return message.as_bytes()


def plain(document: bytes) -> bytes:
    return document


@pytest.fixture
async def spool(tmp_path) -> AsyncIterator[SqliteSpool]:
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=StandingClock(NOW))
    await spool.start()
    yield spool
    await spool.stop()


@pytest.mark.parametrize("pack", [plain, gzip.compress, zipped])
async def test_a_report_is_counted_once_however_often_it_comes(spool, pack) -> None:
    told: list[Event] = []
    reports = ReceivedReports(lambda: spool.facts, StandingClock(NOW), told.append)
    rows = [(OURS, 5, "pass", "none"), (OURS, 2, "fail", "reject"), (OTHERS, 3, "fail", "quarantine")]
    for _ in range(2):
        assert await reports.take(mail(pack(dmarc(*rows))), "shop", "shop.example", {OURS}) == 1
    await reports.take(mail(pack(dmarc((OURS, 1, "pass", "none"), name="r2"))), "shop", "shop.example", {OURS})
    ((day, counts),) = await days_of(spool.facts, "shop")
    assert (day, counts.ours_passed, counts.ours_failed, counts.others_failed, counts.rejected) == (19_999, 6, 2, 3, 5)
    assert await days_of(spool.facts, "sho") == []
    (event,) = told
    assert (event.type, event.data["messages"], event.data["by"]) == ("dmarc-failed", 2, "Receiver")


async def test_a_report_about_tls_is_counted(spool) -> None:
    results = (PolicyResults("sts", (), (), 7, (TlsFault("certificate-expired", "", "", 2),)),)
    written = write_tls_report(TlsReport("Sender", "", "1", "shop.example", 0, 1, results))
    reports = ReceivedReports(lambda: spool.facts, StandingClock(NOW), lambda event: None)
    await reports.take(mail(gzip.compress(written)), "shop", "shop.example", {OURS})
    ((_, counts),) = await days_of(spool.facts, "shop")
    assert (counts.tls_good, counts.tls_failed) == (7, 2)


async def test_all_policies_of_a_report_about_tls_are_counted_once(spool) -> None:
    results = (
        PolicyResults("sts", (), (), 7, (TlsFault("certificate-expired", "", "", 2),)),
        PolicyResults("tlsa", (), (), 30, (TlsFault("validation-failure", "", "", 4),)),
    )
    written = write_tls_report(TlsReport("Sender", "", "1", "shop.example", 0, 1, results))
    reports = ReceivedReports(lambda: spool.facts, StandingClock(NOW), lambda event: None)
    for _ in range(2):
        assert await reports.take(mail(written), "shop", "shop.example", {OURS}) == 1
    ((_, counts),) = await days_of(spool.facts, "shop")
    assert (counts.tls_good, counts.tls_failed, counts.reports) == (37, 6, 1)


async def test_a_report_about_tls_counts_for_its_day_whenever_it_comes(spool) -> None:
    results = (PolicyResults("sts", (), (), 7),)
    written = write_tls_report(TlsReport("Sender", "", "1", "shop.example", 19_998 * DAY, 19_999 * DAY, results))
    clock = StandingClock(NOW)
    reports = ReceivedReports(lambda: spool.facts, clock, lambda event: None)
    for _ in range(2):
        await reports.take(mail(written), "shop", "shop.example", {OURS})
        clock.at += DAY
    ((day, counts),) = await days_of(spool.facts, "shop")
    assert (day, counts.tls_good) == (19_998, 7)


async def test_what_is_more_than_can_be_kept_of_a_day_is_not_taken(spool, monkeypatch) -> None:
    monkeypatch.setattr(received_reports, "MOST_SEEN", 2)
    reports = ReceivedReports(lambda: spool.facts, StandingClock(NOW), lambda event: None)
    for name in ("r1", "r2"):
        await reports.take(mail(dmarc((OURS, 1, "pass", "none"), name=name)), "shop", "shop.example", {OURS})
    with pytest.raises(ValueError, match="more than 2 reports"):
        await reports.take(mail(dmarc((OURS, 1, "pass", "none"), name="r3")), "shop", "shop.example", {OURS})
    # What was counted before is still known.
    await reports.take(mail(dmarc((OURS, 1, "pass", "none"), name="r1")), "shop", "shop.example", {OURS})
    ((_, counts),) = await days_of(spool.facts, "shop")
    assert (counts.reports, counts.ours_passed) == (2, 2)


class Contended:
    """Facts that somebody else is always faster to change."""

    def __init__(self, facts: Any) -> None:
        self._facts = facts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._facts, name)

    async def put(self, fact: Fact) -> Fact | None:
        stored = await self._facts.get(fact.kind, fact.key)
        counts = {"counts": {"reports": 0 if stored is None else stored.version}, "seen": []}
        await self._facts.put(Fact(fact.kind, fact.key, counts, stored.version if stored else 0))
        return await self._facts.put(fact)


async def test_a_report_that_cannot_be_counted_now_is_not_taken_for_counted(spool) -> None:
    reports = ReceivedReports(lambda: Contended(spool.facts), StandingClock(NOW), lambda event: None)
    with pytest.raises(SpoolError):
        await reports.take(mail(dmarc((OURS, 1, "pass", "none"))), "shop", "shop.example", {OURS})
    ((_, counts),) = await days_of(spool.facts, "shop")
    assert counts.ours_passed == 0


class Killed(BaseException):
    """What a kill looks like from within."""


async def test_a_worker_killed_after_counting_leaves_the_rest_of_its_work_to_another(spool) -> None:
    def die(_: Event) -> None:
        raise Killed

    clock = StandingClock(NOW)
    killed = ReceivedReports(lambda: spool.facts, clock, die)
    octets = mail(dmarc((OURS, 2, "fail", "none")))
    with pytest.raises(Killed):
        await killed.take(octets, "shop", "shop.example", {OURS})
    told: list[Event] = []
    other = ReceivedReports(lambda: spool.facts, clock, told.append)
    await other.take(octets, "shop", "shop.example", {OURS})
    await other.tidy()
    assert told == []
    clock.at += 3600
    for _ in range(2):
        await other.tidy()
        clock.at += 3600
    assert [(event.type, event.data["messages"]) for event in told] == [("dmarc-failed", 2)]
    ((_, counts),) = await days_of(spool.facts, "shop")
    assert (counts.ours_failed, counts.reports) == (2, 1)
    clock.at += 91 * DAY
    await other.tidy()
    assert await spool.facts.list(KIND) == []


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (mail(b"hello"), "no report"),
        (mail(dmarc(domain="other.example")), "about other.example"),
        (mail(dmarc(domain="example")), "about example"),
        (mail(b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + dmarc().partition(b"?>")[2]), "DOCTYPE"),
        (mail(gzip.compress(b"<feedback>" + b" " * 20_000_000)), "too large"),
        (mail(zipped(b"<feedback>" + b" " * 20_000_000)), "too large"),
        (mail(zipped(dmarc(), method=zipfile.ZIP_BZIP2)), "usual way"),
        (mail(zipped(dmarc(), method=zipfile.ZIP_LZMA)), "usual way"),
        (mail(zipped(dmarc(), dmarc())), "one file"),
        (mail(gzip.compress(dmarc())[:-9]), "too early"),
        (mail(b"\x1f\x8bnothing"), "gzip"),
        (mail(b"PK\x03\x04nothing"), "archive"),
        (b"x" * 3_000_000, "too large"),
        (b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 20, "too many parts"),
        (b"Content-Type: message/rfc822\r\n\r\n" * 50_000, "no report"),
        (b'Content-Type: a/b; x="' + b";" * 1_000_000 + b"\r\n\r\nx", "no report"),
    ],
)
async def test_what_is_no_report_about_the_company_is_not_taken(spool, octets, reason) -> None:
    reports = ReceivedReports(lambda: spool.facts, StandingClock(NOW), lambda event: None)
    with pytest.raises(ValueError, match=reason):
        await reports.take(octets, "shop", "shop.example", {OURS})
    assert await days_of(spool.facts, "shop") == []


async def troubles_of(spool) -> list[tuple[str, str, str]]:
    found = [(fact.key, read_trouble(fact.value)) for fact in await spool.facts.list(troubles.KIND)]
    return [(key, state.details.about, state.details.cause) for key, state in found]


async def test_the_company_is_told_when_others_send_much_in_its_name(spool) -> None:
    reports = ReceivedReports(lambda: spool.facts, StandingClock(NOW), lambda event: None)
    rows = [(OTHERS, 6, "fail", "none"), (OTHERS, 2, "fail", "reject"), ("2001:db8::1", 1, "fail", "none")]
    fine = [(OTHERS, 900, "pass", "none"), (OURS, 900, "fail", "none")]
    await reports.take(mail(dmarc(*rows, *fine)), "shop", "shop.example", {OURS})
    assert await troubles_of(spool) == []
    await reports.take(mail(dmarc(*rows, name="r2")), "shop", "shop.example", {OURS})
    assert await troubles_of(spool) == [("shop sent-by-others", "shop.example", f"{OTHERS} (8), 2001:db8::1 (1)")]


async def test_a_report_can_put_no_words_into_a_notice(spool) -> None:
    reports = ReceivedReports(lambda: spool.facts, StandingClock(NOW), lambda event: None)
    octets = dmarc((OTHERS, 50, "fail", "none")).replace(b"Receiver", b"Pay at evil.example")
    await reports.take(mail(octets), "", "shop.example", {OURS})
    assert await troubles_of(spool) == [(" sent-by-others", "shop.example", f"{OTHERS} (50)")]


async def test_old_reports_are_forgotten(spool) -> None:
    clock = StandingClock(NOW)
    reports = ReceivedReports(lambda: spool.facts, clock, lambda event: None)
    await reports.take(mail(dmarc()), "shop", "shop.example", {OURS})
    clock.at += 91 * DAY
    await reports.tidy()
    assert await spool.facts.list(KIND) == []


@given(st.binary(max_size=300), st.booleans())
def test_any_octets_have_reports_or_not(octets: bytes, packed: bool) -> None:  # noqa: FBT001 -- hypothesis gives it
    try:
        found: list[Any] = reports_in(mail(gzip.compress(octets)) if packed else octets)
    except ValueError:
        return
    assert all(kind in ReportKind for kind, _ in found)
