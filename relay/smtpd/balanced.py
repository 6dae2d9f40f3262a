"""A socket that load balancers connect to: the PROXY header is read before the session begins.

In charge of accepting by hand. The header is read from the bare socket, and not one octet more, so that the session
above, and TLS where it begins with the connection, find everything as if there had been no balancer. Only peers in
the listener's networks are asked for a header, and those have to send one.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import structlog

from relay.intake.gate import Peer
from relay.smtpd.proxy import ProxyError, missing, read_source
from relay.smtpd.wire import Wire, peer_named

# Balancers send the header at once, but a lost segment is sent again after three seconds.
_PATIENCE = 10.0
# Connections whose header is awaited at once; the next ones wait in the kernel.
_MOST_AWAITED = 500
# How long nobody is accepted when the worker has no file descriptor left.
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Balanced:
    """A bound socket, and the networks of the load balancers that connect to it."""

    socket: socket.socket
    balancers: Sequence[IPv4Network | IPv6Network]


class BalancedSocket:
    """Accepts connections on a bound socket, for sessions that are told who is on the balancer's other side."""

    def __init__(self, where: Balanced, session: Callable[[Peer | None], Wire], *, backlog: int) -> None:
        sock = where.socket
        sock.setblocking(False)  # noqa: FBT003 -- its only argument
        sock.listen(backlog)
        self.sockets = (sock,)
        self._session = session
        self._balancers = where.balancers
        self._room = asyncio.Semaphore(_MOST_AWAITED)
        self._awaited: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.get_running_loop().create_task(self._accept(sock))

    def close(self) -> None:
        """Accept nobody any more; sessions go on, what had not begun yet is dropped."""
        self._accepting.cancel()
        for task in self._awaited:
            task.cancel()

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with sock:
            while True:
                await self._room.acquire()
                try:
                    connection, name = await loop.sock_accept(sock)
                except OSError as error:
                    self._room.release()
                    structlog.get_logger("relay.smtpd").error("accept_failure", error=str(error))
                    await asyncio.sleep(_PAUSE)
                except BaseException:
                    self._room.release()
                    raise
                else:
                    task = loop.create_task(self._admit(connection, peer_named(name)))
                    self._awaited.add(task)
                    task.add_done_callback(self._admitted)

    def _admitted(self, task: asyncio.Task[None]) -> None:
        self._awaited.discard(task)
        self._room.release()

    async def _admit(self, connection: socket.socket, peer: Peer | None) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            if peer is None:
                return
            source = peer
            if any(peer.address in network for network in self._balancers):
                try:
                    async with asyncio.timeout(_PATIENCE):
                        source = await self._read(connection) or peer
                except TimeoutError:
                    _complain(peer, f"no PROXY header came within {_PATIENCE:.0f} seconds")
                    return
                except ProxyError as error:
                    _complain(peer, str(error))
                    return
                except OSError:
                    return
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(lambda: self._session(source), connection)
                # From here on it is the transport's.
                stack.pop_all()

    async def _read(self, connection: socket.socket) -> Peer | None:
        loop, header = asyncio.get_running_loop(), b""
        while wanted := missing(header):
            octets = await loop.sock_recv(connection, wanted)
            if not octets:
                if not header:
                    # Balancers look whether a port is open, and say nothing.
                    raise ConnectionResetError
                raise ProxyError("the connection ended within its PROXY header")
            header += octets
        return read_source(header)


def _complain(balancer: Peer, error: str) -> None:
    structlog.get_logger("relay.smtpd").warning("proxy_header", balancer=str(balancer.address), error=error)
