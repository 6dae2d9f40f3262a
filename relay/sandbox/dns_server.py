"""The sandbox's name server: answers from its zones with authority, and misbehaves where it is told to.

In charge of: UDP and TCP on one loopback port, truncation, faults, a list of the questions asked.
Never does: ask other servers, cache, sign.

RFC 1035, RFC 2308 (SOA in negative answers), RFC 6891 (payload size), RFC 7766 (TCP).
"""

import asyncio
import struct
from types import TracebackType
from typing import Any, NamedTuple, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from relay.sandbox.zones import FaultKind, Found, Zones

BIND_ATTEMPTS = 20
MIN_PAYLOAD = 512
MAX_PAYLOAD = 65535


class Question(NamedTuple):
    """One query that came in."""

    name: str
    rdtype: str
    over: str  # "udp" or "tcp"


class DnsServer:
    """An authoritative server on loopback; use it as an asynchronous context.

    Port 0 takes a free one. `zones` may be changed at any time. `authenticated` sets the AD bit on every answer, as a
    validating resolver would for signed names.
    """

    def __init__(self, zones: Zones, *, host: str = "127.0.0.1", port: int = 0, authenticated: bool = False) -> None:
        self.zones = zones
        self.host = host
        self.port = port
        self.authenticated = authenticated
        self.questions: list[Question] = []
        self.asked = asyncio.Event()  # set by every question; whoever waits for the next one clears it
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Where it listens, as "127.0.0.1:2053" or "[::1]:2053"."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        for attempt in range(BIND_ATTEMPTS):
            try:
                await self._bind()
            except OSError:  # the port that was free for UDP is taken for TCP
                if self.port or attempt == BIND_ATTEMPTS - 1:
                    raise
            else:
                return self
        raise AssertionError  # the loop above returns or raises

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
            for writer in tuple(self._connections):
                writer.transport.abort()
            await self._tcp.wait_closed()

    async def _bind(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), (self.host, self.port))
        port = transport.get_extra_info("sockname")[1]
        try:
            self._tcp = await asyncio.start_server(self._serve_stream, self.host, port)
        except OSError:
            transport.close()
            raise
        self._udp, self.port = transport, port

    def take_datagram(self, data: bytes, transport: asyncio.DatagramTransport, peer: tuple[str, int]) -> None:
        """Answer one datagram, in its own time."""

        async def respond() -> None:
            answer = await self._respond(data, "udp")
            if answer is not None and not transport.is_closing():
                transport.sendto(answer, peer)

        task = asyncio.create_task(respond())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = await self._respond(await reader.readexactly(length), "tcp")
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _respond(self, data: bytes, over: str) -> bytes | None:
        """The answer on the wire, or nothing when it is dropped."""
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return None
        if len(query.question) != 1:
            return _wire(_reply(query, dns.rcode.FORMERR), MAX_PAYLOAD)
        name, rdtype = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
        self.questions.append(Question(name.to_text(omit_final_dot=True).lower(), rdtype, over))
        self.asked.set()
        fault = self.zones.fault(name)
        kind = fault.kind if fault else None
        if fault and kind is FaultKind.DELAY:
            await asyncio.sleep(fault.delay)
        if kind is FaultKind.DROP:
            return None
        if kind is FaultKind.SERVFAIL:
            return _wire(_reply(query, dns.rcode.SERVFAIL), MAX_PAYLOAD)
        if kind is FaultKind.TRUNCATE and over == "udp":
            reply = _reply(query, dns.rcode.NOERROR)
            reply.flags |= dns.flags.TC
            return _wire(reply, MAX_PAYLOAD)
        missing = kind is FaultKind.NXDOMAIN
        found = Found(exists=False, aliases=(), owner=name, records=()) if missing else self.zones.find(name, rdtype)
        payload = max(query.payload, MIN_PAYLOAD) if over == "udp" else MAX_PAYLOAD
        return _wire(self._answer(query, found), payload)

    def _answer(self, query: dns.message.Message, found: Found) -> dns.message.Message:
        reply = _reply(query, dns.rcode.NOERROR if found.exists else dns.rcode.NXDOMAIN)
        if self.authenticated:
            reply.flags |= dns.flags.AD
        reply.answer = [dns.rrset.from_rdata(owner, self.zones.ttl, alias) for owner, alias in found.aliases]
        if found.records:
            reply.answer.append(dns.rrset.from_rdata_list(found.owner, self.zones.ttl, found.records))
        else:
            soa = f"ns.invalid. hostmaster.invalid. 1 3600 600 86400 {self.zones.ttl}"
            reply.authority = [dns.rrset.from_text(found.owner, self.zones.ttl, "IN", "SOA", soa)]
        return reply


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.take_datagram(data, self._transport, addr)


def _reply(query: dns.message.Message, code: dns.rcode.Rcode) -> dns.message.Message:
    reply = dns.message.make_response(query, recursion_available=True)
    reply.flags |= dns.flags.AA
    reply.set_rcode(code)
    return reply


def _wire(reply: dns.message.Message, payload: int) -> bytes:
    return reply.to_wire(max_size=payload, prefer_truncation=True)
