"""Every test here runs on the standard library's event loop and on uvloop, against a real listener on loopback."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any

import pytest
import trustme
import uvloop

from relay.intake.gate import Peer
from relay.smtpd import Balanced, Server, TlsMode, listen

from .recording import RecordingGate


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("relay.example", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def line(self) -> str:
        octets = await self.reader.readline()
        assert octets.endswith(b"\r\n") or octets == b"", octets
        return octets.decode("ascii").removesuffix("\r\n")

    async def reply(self) -> str:
        """The last line of the next reply."""
        while (line := await self.line())[3:4] == "-":
            pass
        return line

    async def ask(self, command: str) -> str:
        self.send(command.encode() + b"\r\n")
        return await self.reply()

    async def rest(self) -> bytes:
        return await self.reader.read()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        await self.writer.start_tls(context, server_hostname="relay.example")

    async def close(self) -> None:
        self.writer.close()
        # How the other side ended is what tests look at, not how ours did.
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


@dataclass
class House:
    """A listener, its gates in order of connection, and what was reported as trouble."""

    configure: Callable[[RecordingGate], None]
    gates: list[RecordingGate] = field(default_factory=list)
    troubles: list[tuple[str, BaseException]] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    server: Server = field(init=False)

    @property
    def gate(self) -> RecordingGate:
        return self.gates[-1]

    def make_gate(self, peer: Peer) -> RecordingGate:
        gate = RecordingGate(peer)
        self.configure(gate)
        self.gates.append(gate)
        return gate

    def report(self, verb: str, peer: Peer, error: BaseException) -> None:
        self.troubles.append((verb, error))

    async def call(self, **options: Any) -> Client:
        client = Client(*await asyncio.open_connection(*self.server.addresses[0], **options))
        self.clients.append(client)
        return client

    async def call_over(self, sock: socket.socket, **options: Any) -> Client:
        """A client on a connection that exists already."""
        client = Client(*await asyncio.open_connection(sock=sock, **options))
        self.clients.append(client)
        return client

    async def greeted(self, **options: Any) -> Client:
        """A client that has said EHLO."""
        client = await self.call(**options)
        await client.reply()
        await client.ask("EHLO client.example")
        return client

    async def invited(self, recipient: str = "b@there.example") -> Client:
        """A client that has been told 354."""
        client = await self.greeted()
        await client.ask("MAIL FROM:<a@here.example>")
        await client.ask(f"RCPT TO:<{recipient}>")
        assert (await client.ask("DATA")).startswith("354")
        return client


Open = Callable[..., Awaitable[House]]
LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
async def house(server_tls: ssl.SSLContext) -> AsyncIterator[Open]:
    houses: list[House] = []

    async def open_house(
        configure: Callable[[RecordingGate], None] = lambda gate: None, tls: TlsMode = TlsMode.NONE, **limits: Any
    ) -> House:
        def fit(gate: RecordingGate) -> None:
            gate.limits = replace(gate.limits, **limits)
            configure(gate)

        made = House(fit)
        made.server = await listen(
            ("127.0.0.1", 0), made.make_gate, tls=tls, ssl_context=lambda: server_tls, report=made.report
        )
        houses.append(made)
        return made

    yield open_house
    for made in houses:
        for client in made.clients:
            await client.close()
        await made.server.stop(0)
        assert all(gate.closed == 1 for gate in made.gates)
        assert made.server.sessions == 0


@pytest.fixture
async def balanced(house: Open, server_tls: ssl.SSLContext) -> Open:
    async def open_house(tls: TlsMode = TlsMode.NONE, balancers=LOOPBACK) -> House:
        made = await house()
        await made.server.stop(0)
        made.server = await listen(
            Balanced(socket.create_server(("127.0.0.1", 0)), balancers),
            made.make_gate,
            tls=tls,
            ssl_context=lambda: server_tls,
            report=made.report,
        )
        return made

    return open_house
