"""An open connection to a host as a stream: octets out, replies in, in order.

Knows no command. A reply that nobody asked for, or that is none, makes the stream unusable: it would be taken for the
answer to the next command.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from functools import lru_cache

from relay.delivery.trouble import AttemptError
from relay.mail.reply import Reply, parse_reply
from relay.policy.outcome import Fault, Phase, Trouble

_MOST_REPLY = 32 * 1024
# Hosts say the same few things again and again.
_parse = lru_cache(1024)(parse_reply)


class ReplyStream(asyncio.Protocol):
    """Sends octets and reads replies in order; a surplus or malformed reply makes the stream unusable."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._buffer = b""
        self._replies: deque[Reply] = deque()
        self._expected = 0
        self._trouble: Trouble | None = None
        self._reply_waiter: asyncio.Future[None] | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        self._paused = False

    @property
    def is_usable(self) -> bool:
        """Whether nothing has gone wrong and no reply is outstanding."""
        return self._trouble is None and self._expected == 0 and not self._transport.is_closing()

    def send(self, data: bytes, *, replies: int) -> None:
        """Write commands that will be answered by so many replies; if nobody takes them, `reply` will say so."""
        self._expected += replies
        if self._trouble is None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the peer has taken most of what was written."""
        if self._paused and self._trouble is None:
            self._drain_waiter = asyncio.get_running_loop().create_future()
            await self._drain_waiter

    async def reply(self, phase: Phase, timeout: float) -> Reply:  # noqa: ASYNC109 -- a setting, passed down
        """The next reply; raises AttemptError when there will be none."""
        if not self._replies:
            await self._wait(phase, timeout)
        if not self._replies:
            raise AttemptError(self._trouble or Trouble(Fault.DISCONNECTED, "the connection was lost"), phase)
        self._expected -= 1
        return self._replies.popleft()

    def quit(self) -> None:
        """End the session; the answer to QUIT interests nobody."""
        if not self.is_usable:
            self.abort()
            return
        self._trouble = Trouble(Fault.DISCONNECTED, "closed by us")
        self._transport.write(b"QUIT\r\n")
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._trouble = self._trouble or Trouble(Fault.DISCONNECTED, "closed by us")
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take replies apart as they come."""
        buffer = self._buffer + data if self._buffer else data
        try:
            for reply, rest in _complete_replies(buffer):
                buffer = rest
                self._replies.append(reply)
        except ValueError:
            self._fail(Trouble(Fault.PROTOCOL, "the peer's answer is not SMTP"))
            return
        self._buffer = buffer
        if len(buffer) > _MOST_REPLY:
            self._fail(Trouble(Fault.PROTOCOL, "the peer's answer has no end"))
        elif len(self._replies) > self._expected:
            # It would be taken for the answer to the next command.
            self._fail(Trouble(Fault.PROTOCOL, "the peer answered more than it was asked"))
        self._wake()

    def eof_received(self) -> None:
        """The peer says no more."""
        self._fail(Trouble(Fault.DISCONNECTED, "the peer closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._fail(Trouble(Fault.DISCONNECTED, f"the connection was lost: {exc}" if exc else "the connection was lost"))

    def pause_writing(self) -> None:
        """The peer reads slower than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._paused = False
        self._release_drain()

    async def _wait(self, phase: Phase, timeout: float) -> None:  # noqa: ASYNC109 -- as above
        if self._trouble is not None:
            return
        loop = asyncio.get_running_loop()
        waiter = self._reply_waiter = loop.create_future()
        timer = loop.call_later(timeout, self._time_out, phase)
        try:
            await waiter
        finally:
            timer.cancel()
            self._reply_waiter = None

    def _time_out(self, phase: Phase) -> None:
        self._fail(Trouble(Fault.TIMEOUT, f"no answer to {phase} in time"))

    def _fail(self, trouble: Trouble) -> None:
        if self._trouble is None:
            self._trouble = trouble
            # Not close(): that waits for a peer that may never read what is still to be written.
            self._transport.abort()
        self._wake()
        self._release_drain()

    def _wake(self) -> None:
        waiter = self._reply_waiter
        if waiter is not None and not waiter.done() and (self._replies or self._trouble):
            waiter.set_result(None)

    def _release_drain(self) -> None:
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)


def _complete_replies(buffer: bytes) -> Iterator[tuple[Reply, bytes]]:
    """The complete replies at the start of `buffer`, each with what follows it; raises ValueError for non-SMTP."""
    lines: list[str] = []
    start = begin = 0
    while (end := buffer.find(b"\n", start)) >= 0:
        line = buffer[start:end].rstrip(b"\r")
        start = end + 1
        code, separator = line[:3], line[3:4]
        if not code.isdigit() or separator not in (b"", b" ", b"-") or start - begin > _MOST_REPLY:
            raise ValueError("not a reply")
        lines.append(line[4:].decode("utf-8", "replace"))
        if separator != b"-":
            yield _parse(int(code), "\n".join(lines)), buffer[start:]
            lines, begin = [], start
