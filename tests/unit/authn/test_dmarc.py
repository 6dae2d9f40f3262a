"""What is looked up for DMARC, and what comes of missing and broken names."""

from collections.abc import AsyncIterator

import pytest

from relay.authn.dmarc import find_dmarc, find_organization
from relay.dns import Resolver
from relay.policy.dmarc import Policy
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import FaultKind, Zones


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with DnsServer(Zones(ttl=300)) as server:
        yield server


@pytest.fixture
def resolver(dns) -> Resolver:
    return Resolver([f"127.0.0.1:{dns.port}"])


def asked(dns) -> list[tuple[str, str]]:
    return [(question.name, question.rdtype) for question in dns.questions]


async def test_the_walk_goes_on_to_the_top_and_knows_how_long_it_holds(dns, resolver) -> None:
    dns.zones.publish("_dmarc.example.com", "TXT", "v=DMARC1; p=reject; rua=mailto:reports@example.com")

    answer = await find_dmarc("example.com", resolver)

    assert answer.dmarc is not None
    assert answer.record is not None
    assert answer.dmarc.policy is Policy.REJECT
    assert answer.record.aggregate == ("reports@example.com",)
    assert asked(dns) == [("_dmarc.example.com", "TXT"), ("_dmarc.com", "TXT")]
    again = await resolver.lookup_txt("_dmarc.com")
    assert answer.expires <= again.expires


async def test_a_record_that_ends_the_walk_spares_the_rest(dns, resolver) -> None:
    dns.zones.publish("_dmarc.example.com", "TXT", "v=DMARC1; p=none; psd=n")

    assert (await find_organization("a.example.com", resolver))[0] == "example.com"
    assert asked(dns) == [("_dmarc.a.example.com", "TXT"), ("_dmarc.example.com", "TXT")]


@pytest.mark.parametrize(
    ("records", "policy"),
    [({}, Policy.REJECT), ({"MX": "10 mx.example.com."}, Policy.NONE), ({"A": "192.0.2.1"}, Policy.NONE)],
)
async def test_an_inherited_policy_asks_whether_the_name_exists(dns, resolver, records, policy) -> None:
    dns.zones.publish("_dmarc.example.com", "TXT", "v=DMARC1; p=none; np=reject")
    for rdtype, value in records.items():
        dns.zones.publish("shop.example.com", rdtype, value)

    answer = await find_dmarc("shop.example.com", resolver)

    assert answer.dmarc is not None
    assert answer.dmarc.policy is policy


@pytest.mark.parametrize("name", ["_dmarc.shop.example.com", "_dmarc.com", "shop.example.com"])
async def test_what_cannot_be_looked_up_is_not_known(dns, resolver, name) -> None:
    dns.zones.publish("_dmarc.example.com", "TXT", "v=DMARC1; p=reject")
    dns.zones.break_name(name, FaultKind.SERVFAIL)

    answer = await find_dmarc("shop.example.com", resolver)

    assert answer.dmarc is None
    assert name in answer.reason


async def test_an_organization_that_cannot_be_looked_up_is_not_known(dns, resolver) -> None:
    dns.zones.break_name("_dmarc.example.com", FaultKind.SERVFAIL)

    assert (await find_organization("example.com", resolver))[0] == ""


async def test_octets_that_are_no_text_do_no_harm(dns, resolver) -> None:
    dns.zones.publish("_dmarc.example.com", "TXT", "v=DMARC1; p=reject; x=\\255")

    answer = await find_dmarc("example.com", resolver)

    assert answer.dmarc is not None
    assert answer.dmarc.policy is Policy.REJECT
