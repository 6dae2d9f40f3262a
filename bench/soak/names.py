"""A name server that also has two domains of whoever means no good: one is silent, the other says far too much."""

import asyncio
from multiprocessing.connection import Connection

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from bench.soak.bombs import GIANT, SILENT
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import Fault, FaultKind, Found, Zones

_SILENT, _GIANT = dns.name.from_text(SILENT), dns.name.from_text(GIANT)
# Nearly as long as an answer can be: 64 KiB over TCP.
_LONG = " ".join(["v=spf1", *(f"include:r{number}.{GIANT}" for number in range(2000))])


def serve(zones: Zones, pipe: Connection) -> None:
    """Answer in a process of its own, until killed: hosts that are busy with mail must keep nobody's names waiting."""
    asyncio.run(_serve(zones, pipe))


async def _serve(zones: Zones, pipe: Connection) -> None:
    async with DnsServer(HostileNames(zones)) as server:
        pipe.send(server.address)
        await asyncio.Event().wait()


class HostileNames(Zones):
    """Zones as they are, and below the two domains what these answer."""

    def __init__(self, zones: Zones) -> None:
        super().__init__(ttl=zones.ttl)
        self._others = zones
        pieces = [_LONG[start : start + 255].encode() for start in range(0, len(_LONG), 255)]
        text = " ".join(f'"{piece.decode()}"' for piece in pieces)
        self._long = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, text)

    def fault(self, name: dns.name.Name) -> Fault | None:
        """Silence, for the one domain."""
        return Fault(FaultKind.DROP) if name.is_subdomain(_SILENT) else self._others.fault(name)

    def find(self, name: dns.name.Name, rdtype: str) -> Found:
        """The same long text for each name of the other domain, as for any other the truth."""
        if not name.is_subdomain(_GIANT):
            return self._others.find(name, rdtype)
        return Found(exists=True, aliases=(), owner=name, records=(self._long,) if rdtype == "TXT" else ())
