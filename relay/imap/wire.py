"""The octets of one connection: TCP, TLS, lines and counted blocks, with an end to how much and how long comes.

TLS is done over buffers in memory, for the event loops' own keeps 256 KiB for each connection. What is wrong with the
connection is raised as OSError (ssl.SSLError is one) to whoever reads next.
"""

import asyncio
import socket
import ssl
from time import monotonic
from typing import cast

_CONNECT = 15.0
SILENCE = 60.0  # seconds without anything from the server, when something is due
_MOST_SECONDS = 600.0  # how long a server may take to answer one command, however steadily it sends
_MOST_LINE = 1024 * 1024
_HIGH = 256 * 1024
_RECORD = 16 * 1024
# OpenSSL's buffers in memory never become smaller again: what is put in at once is what a connection keeps. With less
# than a whole record of TLS, which is somewhat more than what it holds, each one would be tried twice in vain.
_SLICE = 17 * 1024
# A host that has gone away without a word is noticed by the kernel within about four minutes.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 120), (socket.TCP_KEEPINTVL, 30), (socket.TCP_KEEPCNT, 4))


class TooMuchError(ConnectionError):
    """The server sends more than it may, or for too long."""


class Wire(asyncio.Protocol):
    """One connection. Only one task may read at a time."""

    __slots__ = ("_buffer", "_end", "_in", "_is_shaken", "_left", "_loop", "_most", "_out", "_paused", "_tls",
                 "_transport", "_until", "_waiter", "_writable")  # fmt: skip

    def __init__(self, most: int) -> None:
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._tls: ssl.SSLObject | None = None
        self._is_shaken = False
        self._buffer = bytearray()
        self._end: Exception | None = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self.begin()

    @classmethod
    async def connect(cls, address: str, port: int, most: int) -> "Wire":
        """Connect to an address; one answer may have `most` octets. Raises OSError."""
        async with asyncio.timeout(_CONNECT):
            _, wire = await asyncio.get_running_loop().create_connection(lambda: cls(most), address, port)
        return wire

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Go on over TLS with a host that proves its name. Raises OSError."""
        if self._buffer:
            # Somebody on the way could have put that there, to be read as the server's word (RFC 3501 6.2.1).
            raise ConnectionAbortedError("the server speaks before TLS")
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                await self._more(SILENCE)
                continue
            break
        self._is_shaken = True
        self._flush()
        self._decrypt()

    def begin(self) -> None:
        """What comes from now on is the answer to another command."""
        self._left = self._most
        self._until = monotonic() + _MOST_SECONDS

    async def send(self, data: bytes) -> None:
        """Send octets. Raises OSError."""
        for at in range(0, len(data), _HIGH):
            if self._end is not None:
                raise self._end
            block = data[at : at + _HIGH]
            if self._tls is None:
                self._transport.write(block)
            else:
                self._tls.write(block)
                self._flush()
            if self._writable is not None:
                async with asyncio.timeout(SILENCE):
                    await asyncio.shield(self._writable)

    async def line(self, patience: float = SILENCE) -> bytes:
        """The next line, with its end. Raises OSError; TimeoutError after `patience` seconds without anything."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > _MOST_LINE:
                raise TooMuchError("the server sends a line without end")
            await self._more(patience)
        return self._take(end + 1)

    async def octets(self, size: int) -> bytes:
        """So many octets. Raises OSError."""
        if size > self._left:
            raise TooMuchError(f"the server wants to send {size} octets more")
        pieces: list[bytes] = []
        left = size
        while left:
            if not self._buffer:
                await self._more(SILENCE)
            pieces.append(self._take(min(left, len(self._buffer))))
            left -= len(pieces[-1])
        return b"".join(pieces)

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once, without sending what still waits."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop, as all below."""
        # uvloop's transports are asyncio's by duty, not by descent.
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def data_received(self, data: bytes) -> None:
        """Octets came in."""
        if self._tls is None:
            self._buffer += data
        else:
            view = memoryview(data)
            for at in range(0, len(view), _SLICE):
                self._in.write(view[at : at + _SLICE])
                if self._is_shaken:
                    self._decrypt()
        if len(self._buffer) > _HIGH and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The other side says no more."""
        self._end = self._end or ConnectionResetError("the server has closed the connection")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end = self._end or exc or ConnectionResetError("the connection is closed")
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        """Enough waits to be sent."""
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """More can be sent."""
        waiting, self._writable = self._writable, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _decrypt(self) -> None:
        assert self._tls is not None  # noqa: S101 -- called only then
        try:
            while block := self._tls.read(_RECORD):
                self._buffer += block
            self.eof_received()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._end = self._end or error
        self._flush()

    def _flush(self) -> None:
        if self._out.pending:
            self._transport.write(self._out.read())

    def _take(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise TooMuchError(f"the server answers with more than {self._most} octets")
        if size == len(self._buffer):
            data, self._buffer = bytes(self._buffer), bytearray()  # the old one would keep its room
        else:
            data = bytes(self._buffer[:size])
            del self._buffer[:size]
        return data

    async def _more(self, patience: float) -> None:
        """Wait until something has come in."""
        if self._end is not None:
            raise self._end
        if monotonic() > self._until:
            raise TooMuchError(f"the server has not answered completely within {_MOST_SECONDS:g} seconds")
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(patience, _give_up, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _give_up(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("the server is silent"))
