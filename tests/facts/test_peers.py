"""What the DNS says of a server that connects: its confirmed name, and lists of addresses."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from ipaddress import IPv6Address, ip_address
from typing import Any

import pytest

from relay.config.keyring import Active, Keyring
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.dns import Resolver
from relay.facts import peers
from relay.facts.peers import PeerFacts, Peers
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import Fault, FaultKind, Zones

PEER, REVERSE = "192.0.2.9", "9.2.0.192"
SIXTH = "2001:db8::9"
BLOCK, BLOCK_TOO, ALLOW = "block.example", "zen.example", "allow.example"


@pytest.fixture
async def names() -> AsyncIterator[DnsServer]:
    async with DnsServer(Zones()) as server:
        yield server


def knowing(names: DnsServer, timeout: float = 5.0, **limits: Any) -> Peers:
    given = {
        "hostname": "mx1.my.relay.example",
        "domain": "my.relay.example",
        "postmaster": "postmaster@operator.example",
        "sending_addresses": ["192.0.2.1"],
        "secrets": {"signing": [{"file": "never-read"}]},
        "limits": {"blocklists": [BLOCK, BLOCK_TOO], "allowlists": [ALLOW]} | limits,
    }
    active = Active(Snapshot.of(Settings.model_validate(given), ()), Keyring((b"secret",), {}))
    return Peers(lambda: active, Resolver([names.address], timeout))


async def found(peers: Peers, peer: str = PEER) -> PeerFacts:
    return await peers.look_up(ip_address(peer))


@pytest.mark.parametrize(
    ("peer", "kind"), [(PEER, "A"), (SIXTH, "AAAA"), ("2001:db8:0:0:0:0:0:9", "AAAA")], ids=["4", "6", "6 in full"]
)
async def test_a_name_counts_that_leads_back_to_the_address(names: DnsServer, peer: str, kind: str):
    names.zones.publish(
        ip_address(peer).reverse_pointer, "PTR", "elsewhere.example.", "Mail.Out.Example.", "no.example."
    )
    names.zones.publish("elsewhere.example", kind, "192.0.2.77" if kind == "A" else "2001:db8::77")
    names.zones.publish("mail.out.example", kind, str(ip_address(peer)))
    assert await found(knowing(names), peer) == PeerFacts("mail.out.example")


@pytest.mark.parametrize("claim", ["mx1.my.relay.example.", ".", "192.0.2.9."])
async def test_a_name_that_is_only_claimed_is_none(names: DnsServer, claim: str):
    names.zones.publish(f"{REVERSE}.in-addr.arpa", "PTR", claim)
    assert await found(knowing(names)) == PeerFacts()


async def test_a_peer_that_is_gone_before_it_is_looked_at_leaves_nothing_behind(names: DnsServer):
    with warnings.catch_warnings(record=True) as warned:
        look = asyncio.create_task(found(knowing(names)))
        await asyncio.sleep(0)
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)
        gc.collect()
    assert look.cancelled()
    assert [str(each.message) for each in warned] == []


async def test_only_so_many_names_are_looked_at(names: DnsServer):
    many = [f"n{number}.example." for number in range(50)]
    names.zones.publish(f"{REVERSE}.in-addr.arpa", "PTR", *many)
    assert await found(knowing(names, blocklists=[], allowlists=[])) == PeerFacts()
    assert len(names.questions) <= 1 + 5 + 1  # one over TCP, when the answer is large


@pytest.mark.parametrize("code", ["127.0.0.2", "127.0.0.11", "127.1.2.3"])
async def test_an_address_on_a_blocklist_is_found(names: DnsServer, code: str):
    names.zones.publish(f"{REVERSE}.{BLOCK_TOO}", "A", code)
    assert (await found(knowing(names))).blocklist == BLOCK_TOO
    names.zones.publish(f"{REVERSE}.{BLOCK}", "A", code)
    assert (await found(knowing(names))).blocklist == BLOCK


async def test_addresses_of_ipv6_are_found_too(names: DnsServer):
    nibbles = IPv6Address(SIXTH).reverse_pointer.removesuffix(".ip6.arpa")
    names.zones.publish(f"{nibbles}.{BLOCK}", "A", "127.0.0.2")
    assert (await found(knowing(names), SIXTH)).blocklist == BLOCK


@pytest.mark.parametrize("code", ["127.255.255.252", "127.255.255.254", "127.255.255.255", "192.0.2.1", "10.0.0.1"])
async def test_what_is_no_answer_about_the_address_is_none(names: DnsServer, code: str):
    """A list that does not serve us says so, and a zone that was sold lists the whole world."""
    names.zones.publish(f"{REVERSE}.{BLOCK}", "A", code)
    assert (await found(knowing(names))).blocklist == ""


@pytest.mark.parametrize("kind", [FaultKind.SERVFAIL, FaultKind.NXDOMAIN, FaultKind.DROP])
async def test_a_list_in_trouble_lists_nobody_and_stops_no_other(names: DnsServer, kind: FaultKind):
    names.zones.publish(f"{REVERSE}.{BLOCK}", "A", "127.0.0.2")
    names.zones.publish(f"{REVERSE}.{BLOCK_TOO}", "A", "127.0.0.2")
    names.zones.break_name(f"{REVERSE}.{BLOCK}", Fault(kind))
    assert (await found(knowing(names, timeout=0.2))).blocklist == BLOCK_TOO


async def test_what_takes_too_long_is_not_waited_for(names: DnsServer, monkeypatch: pytest.MonkeyPatch):
    """The resolver would wait for an hour; the other list has answered by then."""
    monkeypatch.setattr(peers, "PATIENCE", 0.5)
    names.zones.publish(f"{REVERSE}.{BLOCK_TOO}", "A", "127.0.0.2")
    for name in (f"{REVERSE}.in-addr.arpa", f"{REVERSE}.{BLOCK}"):
        names.zones.break_name(name, Fault(FaultKind.DROP))
    assert await found(knowing(names, timeout=3600.0)) == PeerFacts("", BLOCK_TOO)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if "Resolver._ask" in repr(task):
            task.cancel()


async def test_no_blocklist_holds_against_an_allowlist_or_an_allowed_network(names: DnsServer):
    names.zones.publish(f"{REVERSE}.{BLOCK}", "A", "127.0.0.2")
    assert (await found(knowing(names, allowed_networks=["192.0.2.0/28"]))).blocklist == ""
    assert (await found(knowing(names, allowed_networks=["198.51.100.0/24", "fd00::/8"]))).blocklist == BLOCK
    names.zones.publish(f"{REVERSE}.{ALLOW}", "A", "127.0.10.1")
    assert (await found(knowing(names))).blocklist == ""


async def test_lists_are_asked_once_as_long_as_their_answers_hold(names: DnsServer):
    known = knowing(names)
    await found(known)
    asked = len(names.questions)
    await found(known)
    assert len(names.questions) == asked


async def test_nobody_is_asked_about_lists_by_default(names: DnsServer):
    await found(knowing(names, blocklists=[], allowlists=[]))
    assert [question.rdtype for question in names.questions] == ["PTR"]
