"""Reports about TLS: counted by all workers together, and sent once to those who want them."""

import asyncio
import email
import email.policy
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from relay.dns import Resolver
from relay.facts import tls_results as tls_results_module
from relay.facts.tls_results import KIND, Policy, TlsResults
from relay.http import HttpClient, HttpError, HttpFault, HttpRequest, HttpResponse
from relay.mail.tls_report import TlsFault
from relay.notices.courier import Posting
from relay.notices.tls_reports import TlsReports
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import FaultKind, Zones
from relay.store.spool import Selection, SpoolError
from tests.stand_ins import StandingClock

from .house import DAY, House

BANK = "bank.example"
NONE, STS = Policy("no-policy-found"), Policy("sts", ("version: STSv1",), ("mx.bank.example",))
EXPIRED = TlsFault("certificate-expired", "mx.bank.example", "192.0.2.1", 1)


class Web(HttpClient):
    """Takes what is posted, or says what is wrong."""

    def __init__(self) -> None:
        self.posted: list[HttpRequest] = []
        self.status = 200
        self.fault: HttpError | None = None

    async def send(self, request: HttpRequest, *args: Any) -> HttpResponse:
        self.posted.append(request)
        if self.fault is not None:
            raise self.fault
        return HttpResponse(self.status, {}, b"")


@dataclass
class Place:
    """A house whose relay knows a name server and a web."""

    house: House
    dns: DnsServer
    web: Web

    def __post_init__(self) -> None:
        self.resolver = Resolver([self.dns.address], clock=self.clock)

    @property
    def clock(self) -> StandingClock:
        return self.house.clock

    def counts(self, *, wanted: bool = True) -> TlsResults:
        return TlsResults(lambda: self.house.spool.facts, self.resolver, self.clock, lambda: wanted)

    def sender(self) -> TlsReports:
        house = self.house
        posting = Posting(lambda: house.active, house.spool, house.clock, house.sink, lambda: None)
        return TlsReports(posting, self.resolver, self.web)

    def want(self, *uris: str) -> None:
        self.dns.zones.publish(f"_smtp._tls.{BANK}", "TXT", f"v=TLSRPTv1; rua={','.join(uris)}")

    async def count(self, *faults: TlsFault | None, policy: Policy = STS) -> None:
        counts = self.counts()
        for fault in faults:
            counts.note(BANK, policy, fault)
        await counts.flush()

    async def mails(self) -> list[Any]:
        entries = await self.house.spool.select(Selection())
        octets = [self.house.spool.read(each.message.content, 0, each.message.content.size) for each in entries]
        return [email.message_from_bytes(each, policy=email.policy.default) for each in octets]


@pytest.fixture
async def place(house) -> AsyncIterator[Place]:
    async with DnsServer(Zones(ttl=60)) as dns:
        place = Place(house, dns, Web())
        place.want("mailto:tls@bank.example")
        yield place


async def read_facts(place: Place) -> list[Any]:
    return [fact.value for fact in await place.house.spool.facts.list(KIND)]


async def test_what_all_workers_counted_becomes_one_report(place) -> None:
    await place.count(None, None, EXPIRED)
    await place.count(None, EXPIRED, EXPIRED, TlsFault("validation-failure", "mx.bank.example", "192.0.2.1", 1))
    await place.count(None, policy=NONE)
    await place.sender().send_due()
    assert await place.mails() == []
    place.clock.at += DAY + 4 * 3600
    await asyncio.gather(*(place.sender().send_due() for _ in range(3)))
    (mail,) = await place.mails()
    assert mail["To"] == "tls@bank.example"
    assert mail["From"] == "notices@my.relay.example"
    assert mail["TLS-Report-Domain"] == BANK
    assert mail["TLS-Report-Submitter"] == "my.relay.example"
    assert mail["TLS-Required"] == "No"
    assert mail["Subject"].startswith("Report Domain: bank.example Submitter: my.relay.example Report-ID: <")
    assert (mail.get_content_type(), mail.get_param("report-type")) == ("multipart/report", "tlsrpt")
    text, report = mail.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert report.get_content_type() == "application/tlsrpt+gzip"
    assert report.get_filename().endswith(".json.gz")
    written = json.loads(gzip.decompress(report.get_content()))
    assert written["date-range"]["start-datetime"].endswith("T00:00:00Z")
    assert written["contact-info"] == "postmaster@my.relay.example"
    assert {each["policy"]["policy-type"]: each["summary"] for each in written["policies"]} == {
        "sts": {"total-successful-session-count": 3, "total-failure-session-count": 4},
        "no-policy-found": {"total-successful-session-count": 1, "total-failure-session-count": 0},
    }
    assert await read_facts(place) == []


@pytest.mark.parametrize("record", ["v=TLSRPTv1; rua=", "v=spf1 -all", None])
async def test_domains_that_want_no_report_get_none_and_nothing_is_kept(place, record) -> None:
    name = f"_smtp._tls.{BANK}"
    place.dns.zones.withdraw(name) if record is None else place.dns.zones.publish(name, "TXT", record)
    await place.count(None, EXPIRED)
    assert await read_facts(place) == []


async def test_nothing_is_counted_when_reports_are_off(place) -> None:
    counts = place.counts(wanted=False)
    counts.note(BANK, NONE)
    await counts.flush()
    assert await read_facts(place) == []
    await place.count(None)
    place.house.configure(tls_reports={"send": False})
    place.clock.at += DAY + 4 * 3600
    await place.sender().send_due()
    assert (await place.mails(), await read_facts(place)) == ([], [])


async def test_a_report_goes_by_https_and_is_tried_again_for_a_day(place) -> None:
    place.want("https://bank.example/tls", "mailto:tls@bank.example")
    await place.count(None)
    place.clock.at += DAY + 3600 * 3
    place.web.fault = HttpError(HttpFault.CONNECT, "no connection")
    await place.sender().send_due()
    place.web.fault, place.web.status = None, 503
    place.clock.at += 3600
    await place.sender().send_due()
    place.web.status = 201
    place.clock.at += 3600
    await place.sender().send_due()
    assert len(await place.mails()) == 1
    assert len(place.web.posted) == 3
    assert place.web.posted[-1].headers["Content-Type"] == "application/tlsrpt+gzip"
    assert json.loads(gzip.decompress(place.web.posted[-1].body))["report-id"]
    assert await read_facts(place) == []


async def test_a_report_that_cannot_be_sent_within_a_day_is_given_up(place) -> None:
    place.want("https://bank.example/tls")
    place.web.status = 500
    await place.count(None)
    for _ in range(30):
        place.clock.at += 2 * 3600
        await place.sender().send_due()
    assert await read_facts(place) == []
    assert 5 < len(place.web.posted) < 24


async def test_a_report_waits_while_nobody_knows_where_to(place) -> None:
    await place.count(None)
    place.clock.at += DAY + 4 * 3600
    place.dns.zones.break_name(f"_smtp._tls.{BANK}", FaultKind.SERVFAIL)
    await place.sender().send_due()
    assert await place.mails() == []
    place.dns.zones.heal(f"_smtp._tls.{BANK}")
    place.clock.at += 3601
    await place.sender().send_due()
    assert len(await place.mails()) == 1


async def test_an_address_that_is_none_gets_nothing(place) -> None:
    place.want(
        "mailto:nobody", "mailto:caf%C3%A9%0d%0aBcc:x@bank.example", "mailto:tls%2Breports@bank.example?subject=x"
    )
    await place.count(None)
    place.clock.at += DAY + 4 * 3600
    await place.sender().send_due()
    assert [mail["To"] for mail in await place.mails()] == ["tls+reports@bank.example"]


async def test_a_store_in_trouble_loses_no_count(place, monkeypatch) -> None:
    counts = place.counts()
    counts.note(BANK, NONE)

    async def refuse(*args: Any) -> None:
        raise SpoolError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(type(place.house.spool.facts), "put", refuse)
        with pytest.raises(SpoolError):
            await counts.flush()
    await counts.flush()
    assert len(await read_facts(place)) == 1


async def test_counting_is_bounded(place, monkeypatch) -> None:
    monkeypatch.setattr(tls_results_module, "_MOST_DOMAINS", 1)
    monkeypatch.setattr(tls_results_module, "_MOST_FAULTS", 2)
    counts = place.counts()
    for number in range(5):
        counts.note(BANK, NONE, TlsFault("certificate-expired", "mx.bank.example", f"192.0.2.{number}", 1))
        counts.note(f"{number}.example", NONE)
    await counts.flush()
    (value,) = await read_facts(place)
    ((results),) = value["policies"]
    assert sum(fault[3] for fault in results["faults"]) == 5
    assert len(results["faults"]) <= 3
