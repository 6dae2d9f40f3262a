"""Listening for SMTP, and an orderly stop.

In charge of RFC 5321 3.8 on our side: nobody is dropped in the middle of a message without need.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable

import structlog

from relay.intake.gate import Gate, Peer
from relay.smtpd.balanced import Balanced, BalancedSocket
from relay.smtpd.connection import Surroundings
from relay.smtpd.tls import TlsMode
from relay.smtpd.transaction import Session

_BACKLOG = 512


def log_failure(verb: str, peer: Peer, error: BaseException) -> None:
    """Log an exception nobody expected, with its traceback."""
    structlog.get_logger("relay.smtpd").error("smtp_failure", verb=verb, peer=str(peer.address), exc_info=error)


class Server:
    """A listener at work."""

    def __init__(self, server: asyncio.Server | BalancedSocket, surroundings: Surroundings) -> None:
        self._server = server
        self._surroundings = surroundings
        self._empty = asyncio.Event()
        surroundings.on_end = self._ended
        self._addresses: list[tuple[str, int]] = [each.getsockname()[:2] for each in server.sockets]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, or listened: host and port of each socket."""
        return self._addresses

    @property
    def sessions(self) -> int:
        """How many connections are open."""
        return len(self._surroundings.connections)

    async def stop(self, grace: float) -> None:
        """Stop accepting, send idle sessions away with 421, and wait for transactions up to `grace` seconds.

        What is left then is cut. Returns when the last gate is closed: commits that have begun are waited for.
        """
        self._surroundings.stopping = True
        self._server.close()
        for connection in list(self._surroundings.connections):
            connection.retire()
        try:
            async with asyncio.timeout(grace):
                await self._drained()
        except TimeoutError:
            for connection in list(self._surroundings.connections):
                connection.cut()
            await self._drained()

    async def _drained(self) -> None:
        while self._surroundings.connections:
            self._empty.clear()
            await self._empty.wait()

    def _ended(self) -> None:
        if not self._surroundings.connections:
            self._empty.set()


async def listen(
    where: socket.socket | tuple[str, int] | Balanced,
    gate_factory: Callable[[Peer], Gate],
    *,
    tls: TlsMode = TlsMode.NONE,
    ssl_context: Callable[[], ssl.SSLContext] | None = None,
    report: Callable[[str, Peer, BaseException], None] = log_failure,
) -> Server:
    """Begin to serve SMTP on a bound socket or an address (port 0 takes a free one).

    `ssl_context` is asked at every handshake, so a new certificate needs no restart. `report` hears, with the verb,
    of every exception a gate raised; the client has then been told 451. Raises OSError when listening fails and
    ValueError when TLS is wanted without a context.
    """
    if tls is not TlsMode.NONE and ssl_context is None:
        raise ValueError(f"TLS mode {tls} needs an SSL context")
    loop = asyncio.get_running_loop()
    surroundings = Surroundings(gate_factory, tls, ssl_context, report)

    def session(source: Peer | None = None) -> Session:
        return Session(surroundings, loop, source)

    server: asyncio.Server | BalancedSocket
    if isinstance(where, Balanced):
        server = BalancedSocket(where, session, backlog=_BACKLOG)
    elif isinstance(where, socket.socket):
        server = await loop.create_server(session, sock=where, backlog=_BACKLOG)
    else:
        server = await loop.create_server(session, where[0], where[1], backlog=_BACKLOG)
    return Server(server, surroundings)
