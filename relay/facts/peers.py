"""What the DNS says of a server that connects to us: its name, and whether lists of addresses hold it.

In charge of the reverse name that leads back to the address (RFC 8601 2.7.3), and of lists of addresses (RFC 5782).
Answers are remembered by the resolver. What cannot be found out in time counts as nothing: no mail waits for a list.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address
from typing import TypeVarTuple

import structlog

from relay.config.keyring import Active
from relay.config.settings import Limits
from relay.dns import Resolver, Status

IpAddress = IPv4Address | IPv6Address
Asked = TypeVarTuple("Asked")

PATIENCE = 2.0  # seconds
# RFC 8601 2.7.3: somebody may give an address any number of names.
_MOST_NAMES = 5
_LISTED = IPv4Network("127.0.0.0/8")
# What lists say to whom they do not answer, such as big public resolvers: of the address it says nothing.
_UNANSWERED = IPv4Network("127.255.255.0/24")

log = structlog.get_logger("relay.facts")


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """Its confirmed name, and the blocklist that it is on; "" for none, or none that is known of."""

    name: str = ""
    blocklist: str = ""


NOTHING = PeerFacts()


class Peers:
    """Asks for one worker."""

    def __init__(self, active: Callable[[], Active], resolver: Resolver) -> None:
        self._active = active
        self._resolver = resolver
        self._complained: set[str] = set()

    async def look_up(self, peer: IpAddress) -> PeerFacts:
        """What is found out about a peer within two seconds. Never raises."""
        limits = self._active().snapshot.settings.limits
        name, blocklist = await asyncio.gather(_in_time(self._name, peer), self._blocklist(peer, limits))
        return PeerFacts(name, blocklist)

    async def _name(self, peer: IpAddress) -> str:
        """The first name of the address that has this address."""
        names = (await self._resolver.lookup_ptr(str(peer))).records[:_MOST_NAMES]
        kind = "A" if isinstance(peer, IPv4Address) else "AAAA"
        answers = await asyncio.gather(*(self._resolver.lookup(name, kind) for name in names))
        return next((name for name, answer in zip(names, answers, strict=True) if str(peer) in answer.records), "")

    async def _blocklist(self, peer: IpAddress, limits: Limits) -> str:
        if any(peer in network for network in limits.allowed_networks):
            return ""
        listed = await self._lists_with(peer, (*limits.blocklists, *limits.allowlists))
        if any(zone in listed for zone in limits.allowlists):
            return ""
        return next((zone for zone in limits.blocklists if zone in listed), "")

    async def _lists_with(self, peer: IpAddress, zones: Iterable[str]) -> set[str]:
        """The lists that hold the address; one that does not answer in time is none."""
        asked = tuple(zones)
        found = await asyncio.gather(*(_in_time(self._is_on, peer, zone) for zone in asked))
        return {zone for zone in found if zone}

    async def _is_on(self, peer: IpAddress, zone: str) -> str:
        reverse = peer.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
        answer = await self._resolver.lookup(f"{reverse}.{zone}", "A")
        if answer.status is not Status.OK:
            return ""
        codes = [code for record in answer.records if (code := _code(record)) is not None]
        if any(code in _UNANSWERED for code in codes) and zone not in self._complained:
            self._complained.add(zone)
            log.warning("a list of addresses does not answer us", zone=zone, said=answer.records[0])
        return zone if any(code in _LISTED and code not in _UNANSWERED for code in codes) else ""


async def _in_time(look: Callable[[*Asked], Awaitable[str]], *asked: *Asked) -> str:
    # Whoever is gone before this begins leaves nothing begun.
    try:
        async with asyncio.timeout(PATIENCE):
            return await look(*asked)
    except TimeoutError:
        return ""


def _code(record: str) -> IPv4Address | None:
    try:
        return IPv4Address(record)
    except AddressValueError:
        return None
