"""MTA-STS policies over time: found, kept, renewed, and used on when they cannot be had again."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme

from relay.dns import Resolver
from relay.facts import sts as sts_module
from relay.facts.sts import KIND, Fetch, StsFetchError, StsPolicies, fetch_with
from relay.http import HttpClient, Reach
from relay.policy.sts import MOST_OCTETS, StsMode
from relay.policy.trust import TlsFailure
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import FaultKind, Zones
from relay.store.spool import SpoolError
from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import StandingClock

BANK = "bank.example"
DAY = 86_400.0
POLICY = b"version: STSv1\nmode: enforce\nmx: mx1.bank.example\nmax_age: 604800\n"


@dataclass
class Place:
    """A name server, a store, and a web server that is only a function."""

    dns: DnsServer
    spool: SqliteSpool
    clock: StandingClock
    document: bytes | StsFetchError = POLICY
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        self.announce("1")

    def announce(self, name: str) -> None:
        self.dns.zones.publish(f"_mta-sts.{BANK}", "TXT", f"v=STSv1; id={name};")

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        await self.gate.wait()
        if isinstance(self.document, StsFetchError):
            raise self.document
        return self.document

    def worker(self, facts: Any = None) -> StsPolicies:
        resolver = Resolver([self.dns.address], clock=self.clock)
        return StsPolicies(lambda: facts or self.spool.facts, resolver, self.fetch, self.clock)


@pytest.fixture
async def place(tmp_path) -> AsyncIterator[Place]:
    clock = StandingClock(1_000_000.0)
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=clock)
    await spool.start()
    async with DnsServer(Zones(ttl=300)) as dns:
        yield Place(dns, spool, clock)
        await spool.stop()


DOWN = StsFetchError(TlsFailure.FETCH, "down")


async def test_a_policy_is_fetched_once_for_all_workers(place) -> None:
    first = place.worker()
    found = await asyncio.gather(*(first.about(BANK) for _ in range(20)))
    assert {each.policy.mode for each in found} == {StsMode.ENFORCE}
    assert (await place.worker().about(BANK)).policy == found[0].policy
    assert place.asked == ["https://mta-sts.bank.example/.well-known/mta-sts.txt"]


async def test_a_domain_without_a_policy_costs_one_question_as_long_as_the_answer_holds(place) -> None:
    worker = place.worker()
    for _ in range(3):
        assert (await worker.about("shop.example")).policy is None
    assert len(place.dns.questions) == 1
    assert place.asked == []


@pytest.mark.parametrize("trouble", ["withdrawn", "servfail", "web", "nonsense", "html"])
async def test_a_policy_outlives_every_trouble_until_its_time_is_over(place, trouble) -> None:
    assert (await place.worker().about(BANK)).policy is not None
    place.clock.at += 2 * DAY
    match trouble:
        case "withdrawn":
            place.dns.zones.withdraw(f"_mta-sts.{BANK}")
        case "servfail":
            place.dns.zones.break_name(f"_mta-sts.{BANK}", FaultKind.SERVFAIL)
        case "web":
            place.document = DOWN
        case "nonsense":
            place.dns.zones.publish(f"_mta-sts.{BANK}", "TXT", "v=STSv1")
        case "html":
            place.document = b"<html>"
    worker = place.worker()
    assert (await worker.about(BANK)).policy is not None
    place.clock.at += 4 * DAY
    assert (await worker.about(BANK)).policy is not None
    await worker.settle()
    place.clock.at += 1 * DAY
    assert (await worker.about(BANK)).policy is None
    await worker.settle()


async def test_a_new_policy_takes_the_old_ones_place_when_it_is_announced(place) -> None:
    worker = place.worker()
    await worker.about(BANK)
    place.document = POLICY.replace(b"enforce", b"none")
    place.clock.at += 301
    await worker.about(BANK)
    await worker.settle()
    assert len(place.asked) == 1
    place.announce("2")
    place.clock.at += 301
    assert (await worker.about(BANK)).policy.mode is StsMode.ENFORCE
    await worker.settle()
    assert (await worker.about(BANK)).policy.mode is StsMode.NONE


async def test_a_policy_is_renewed_before_its_time_is_over_and_no_mail_waits_for_that(place) -> None:
    worker = place.worker()
    await worker.about(BANK)
    place.clock.at += DAY
    place.gate.clear()
    assert (await worker.about(BANK)).policy is not None
    place.gate.set()
    await worker.settle()
    assert len(place.asked) == 2
    place.clock.at += 7 * DAY - 1
    place.document = DOWN
    assert (await worker.about(BANK)).policy is not None
    await worker.settle()


async def test_what_cannot_be_fetched_is_said_and_not_asked_for_at_once_again(place) -> None:
    worker = place.worker()
    place.document = DOWN
    for _ in range(3):
        assert (await worker.about(BANK)).failure is TlsFailure.FETCH
    assert len(place.asked) == 1
    place.clock.at += 301
    place.document = b"version: STSv1\nmode: wrong\nmax_age: 1"
    found = await worker.about(BANK)
    assert (found.policy, found.failure) == (None, TlsFailure.INVALID)


async def test_mail_does_not_wait_for_a_web_server_without_end(place, monkeypatch) -> None:
    monkeypatch.setattr(sts_module, "_PATIENCE", 0.01)
    place.gate.clear()
    worker = place.worker()
    assert (await worker.about(BANK)).policy is None
    place.gate.set()
    await worker.settle()
    assert (await worker.about(BANK)).policy is not None
    assert len(place.asked) == 1


async def test_a_store_in_trouble_keeps_nobody_from_a_policy(place) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            async def refuse(*args: Any, **named: Any) -> None:
                raise SpoolError("no room")

            return refuse

    assert (await place.worker(Broken()).about(BANK)).policy is not None


async def test_what_nobody_expected_keeps_the_policy_that_is_known(place, monkeypatch) -> None:
    worker = place.worker()
    await worker.about(BANK)
    monkeypatch.setattr(sts_module, "read_sts_id", lambda records: 1 / 0)
    place.clock.at += 301
    await worker.about(BANK)
    await worker.settle()
    assert (await worker.about(BANK)).policy is not None


async def test_policies_whose_time_is_over_are_forgotten(place) -> None:
    worker = place.worker()
    await worker.about(BANK)
    await worker.tidy()
    assert await place.spool.facts.get(KIND, BANK) is not None
    place.clock.at += 7 * DAY
    await worker.tidy()
    assert await place.spool.facts.get(KIND, BANK) is None


async def test_only_so_many_domains_are_remembered(place, monkeypatch) -> None:
    monkeypatch.setattr(sts_module, "_MOST_REMEMBERED", 2)
    worker = place.worker()
    for domain in (BANK, "a.example", "b.example"):
        await worker.about(domain)
    await worker.about(BANK)
    assert len(place.asked) == 1


# Over HTTPS


class Web:
    """A server for one document: `status`, `fields` and `body` as a test wants them."""

    def __init__(self, authority: trustme.CA) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(f"mta-sts.{BANK}").configure_cert(self.context)
        self.status, self.fields, self.body = 200, {"Content-Type": "text/plain; charset=utf-8"}, POLICY
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        lines = [f"HTTP/1.1 {self.status} So", *(f"{name}: {value}" for name, value in self.fields.items())]
        writer.write("\r\n".join([*lines, f"Content-Length: {len(self.body)}", "", ""]).encode() + self.body)
        writer.close()


@pytest.fixture
async def web(tmp_path) -> AsyncIterator[tuple[Web, Fetch, Fetch, Fetch]]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    web = Web(authority)
    server = await asyncio.start_server(web.serve, "127.0.0.1", 0, ssl=web.context)
    async with server, DnsServer(Zones({f"mta-sts.{BANK}": {"A": "127.0.0.1"}})) as dns:
        client = HttpClient(Resolver([dns.address]))
        reaches = (
            Reach(internal=True, ca=str(tmp_path / "ca.pem")),
            Reach(ca=str(tmp_path / "ca.pem")),
            Reach(internal=True),
        )
        port = server.sockets[0].getsockname()[1]
        yield web, *(fetch_with(client, lambda reach=reach: reach, port=port) for reach in reaches)


URL = f"https://mta-sts.{BANK}/.well-known/mta-sts.txt"


async def failure_of(fetch: Fetch) -> TlsFailure:
    with pytest.raises(StsFetchError) as caught:
        await fetch(URL)
    return caught.value.failure


async def test_a_policy_comes_over_https(web) -> None:
    server, fetch, *_ = web
    assert await fetch(URL) == POLICY
    assert server.asked[0].startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n")


async def test_no_policy_comes_from_our_own_networks_nor_without_a_valid_certificate(web) -> None:
    _, _, outside, unknown = web
    assert await failure_of(outside) is TlsFailure.FETCH
    assert await failure_of(unknown) is TlsFailure.WEB_CERTIFICATE


@pytest.mark.parametrize(
    ("status", "fields", "body", "failure"),
    [
        (301, {"Location": "https://elsewhere.example/"}, POLICY, TlsFailure.FETCH),
        (404, {"Content-Type": "text/plain"}, POLICY, TlsFailure.FETCH),
        (200, {"Content-Type": "text/html"}, POLICY, TlsFailure.INVALID),
        (200, {}, POLICY, TlsFailure.INVALID),
        (200, {"Content-Type": "text/plain"}, b"x" * (MOST_OCTETS + 1), TlsFailure.FETCH),
    ],
)
async def test_what_is_no_policy_over_https_is_not_taken(web, status, fields, body, failure) -> None:
    server, fetch, *_ = web
    server.status, server.fields, server.body = status, fields, body
    assert await failure_of(fetch) is failure
