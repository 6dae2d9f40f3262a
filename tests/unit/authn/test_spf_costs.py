"""What the terms of a record make receivers look up."""

from collections.abc import AsyncIterator

import pytest

from relay.authn.spf_costs import count_costs
from relay.dns import Resolver
from relay.policy.spf_advice import Cost, advise_spf
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import FaultKind, Zones

OURS = "my.relay.example"


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with DnsServer(Zones()) as server:
        yield server


async def count(dns, *records):
    return await count_costs(list(records), Resolver([dns.address]))


async def test_every_term_is_counted_with_what_it_includes(dns) -> None:
    dns.zones.publish("a.example", "TXT", "other", "v=spf1 include:b.example mx:c.example ip4:192.0.2.1 -all")
    dns.zones.publish("b.example", "TXT", "v=spf1 a:gone.example redirect=d.example")
    dns.zones.publish("c.example", "MX", "10 mx.c.example.")
    dns.zones.publish("d.example", "TXT", "v=spf1 ?all")

    costs = await count(
        dns, "v=spf1 include:a.example a ptr exists:%{i}.x.example ip4:192.0.2.1 a:gone.example/24 -all"
    )

    assert costs == {
        "include:a.example": Cost(5, 1),
        "a": Cost(1),
        "ptr": Cost(1),
        "exists:%{i}.x.example": Cost(1),
        "a:gone.example/24": Cost(1, 1),
    }


async def test_eleven_lookups_are_found_and_the_term_to_take_out_is_named(dns) -> None:
    record = f"v=spf1 include:{OURS} include:big.example mx -all"
    dns.zones.publish(OURS, "TXT", "v=spf1 ip4:192.0.2.1 -all")
    dns.zones.publish("big.example", "TXT", "v=spf1 " + " ".join(f"include:s{n}.example" for n in range(8)) + " -all")
    for number in range(8):
        dns.zones.publish(f"s{number}.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")

    (remark,) = advise_spf([record], OURS, await count(dns, record)).remarks

    assert "11 look-ups of 10" in remark
    assert "include:big.example (9)" in remark


async def test_circles_and_silence_come_to_an_end(dns) -> None:
    dns.zones.publish("a.example", "TXT", "v=spf1 include:a.example include:a.example -all")
    dns.zones.break_name("b.example", FaultKind.SERVFAIL)

    costs = await count(dns, "v=spf1 include:a.example include:b.example -all")

    assert costs["include:a.example"].lookups > 10
    assert costs["include:b.example"] == Cost(1)
