"""Verdicts of earlier mails: how long they count, for whom, and that strangers cannot make them pile up."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from relay.authn.arrivals import Claims, authenticate
from relay.authn.claimed import read_claimed
from relay.authn.remembered import Remembered, Verdicts
from relay.dns import MAX_TTL, Resolver
from relay.mail.address import parse_address
from relay.mail.message import parse_header
from relay.policy.authentication import Authentication, Result
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import FaultKind, Zones

HEADER = parse_header(b"From: jan@a.example\r\n")
TTL = 300


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with DnsServer(Zones(ttl=TTL)) as server:
        server.zones.publish("_dmarc.a.example", "TXT", "v=DMARC1; p=reject")
        yield server


@pytest.fixture
def verdicts() -> Verdicts:
    return Verdicts()


def claims(sender: str = "jan@a.example", peer: str = "192.0.2.1") -> Claims:
    claimed = read_claimed(HEADER)
    return Claims(ip_address(peer), "mx.a.example", parse_address(sender), HEADER, claimed, {}, time.time())


async def ask(dns: DnsServer, what: Claims, verdicts: Verdicts) -> Authentication:
    """Ask with a resolver that remembers nothing."""
    return await authenticate(what, Resolver([f"127.0.0.1:{dns.port}"]), verdicts=verdicts)


async def test_what_was_found_is_not_looked_up_again_until_its_answers_run_out(dns, verdicts):
    dns.zones.publish("a.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    found = await ask(dns, claims(), verdicts)
    dns.questions.clear()
    assert await ask(dns, claims("els@a.example"), verdicts) == found
    assert not dns.questions

    dns.zones.publish("a.example", "TXT", "v=spf1 -all")
    later = replace(claims(), now=time.time() + TTL + 1)
    assert (await ask(dns, later, verdicts)).spf.result is Result.FAIL


async def test_another_address_is_another_verdict(dns, verdicts):
    dns.zones.publish("a.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    assert (await ask(dns, claims(), verdicts)).spf.result is Result.PASS
    assert (await ask(dns, claims(peer="192.0.2.9"), verdicts)).spf.result is Result.FAIL


async def test_a_record_that_looks_at_the_local_part_is_evaluated_for_each(dns, verdicts):
    dns.zones.publish("a.example", "TXT", "v=spf1 exists:%{l}.users.a.example -all")
    dns.zones.publish("jan.users.a.example", "A", "127.0.0.2")
    assert (await ask(dns, claims(), verdicts)).spf.result is Result.PASS
    assert (await ask(dns, claims("els@a.example"), verdicts)).spf.result is Result.FAIL


async def test_trouble_is_not_remembered(dns, verdicts):
    for name in ("a.example", "_dmarc.a.example"):
        dns.zones.break_name(name, FaultKind.SERVFAIL)
    found = await ask(dns, claims(), verdicts)
    assert (found.spf.result, found.dmarc.result) == (Result.TEMPERROR, Result.TEMPERROR)
    for name in ("a.example", "_dmarc.a.example"):
        dns.zones.heal(name)
    dns.zones.publish("a.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    found = await ask(dns, claims(), verdicts)
    assert (found.spf.result, found.dmarc.result) == (Result.PASS, Result.PASS)


def test_a_memory_has_room_for_so_many_and_lets_go_of_the_one_asked_for_longest_ago():
    memory: Remembered[str, int] = Remembered(2)
    for number, name in enumerate("ab"):
        memory.keep(name, number, 10.0)
    assert memory.get("a", 0.0) == 0
    memory.keep("c", 2, 10.0)
    assert [memory.get(name, 0.0) for name in "abc"] == [0, None, 2]


def test_a_value_ends_with_its_time_and_when_the_clock_was_set_back():
    memory: Remembered[str, int] = Remembered()
    memory.keep("a", 1, MAX_TTL + 10.0)
    assert memory.get("a", 10.0) == 1
    assert memory.get("a", 9.0) is None
    assert memory.get("a", MAX_TTL + 10.0) is None
