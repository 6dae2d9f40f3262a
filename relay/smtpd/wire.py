"""One connection as octets, time and ends: what comes in, what goes out, how long to wait, when it is over.

In charge of flow control in both directions, of replies leaving together when commands came in together
(RFC 2920 3.2), and of the time limits. Knows no command and no gate. Never cancels anything because a client went
away: whatever runs learns of it when it next wants to talk.

`aiosmtpd.smtp.SMTP` gives the protocol object, the session record, the table of commands by method name and the
start of the handling task. Its reading of lines and of message data, its timer, its TLS upgrade and its ways to end
are replaced: they cancel commits, reset no timer during DATA, read line by line and answer 500 to exceptions.
"""

import asyncio
from ipaddress import IPv6Address, ip_address
from typing import cast

from aiosmtpd.smtp import SMTP

from relay.intake.gate import Peer, SessionLimits
from relay.mail.reply import Reply
from relay.smtpd import replies
from relay.smtpd.data import Receiver
from relay.smtpd.lines import CommandLines, Flaw

# Input that waits while a command is being worked on: beyond this the peer is made to wait.
_MAX_WAITING = 65536
# How long a peer may take to read our last words.
_LINGER = 5.0


class Gone(Exception):  # noqa: N818 - not an error: how a session learns that nobody is there any more
    """The connection is over; whatever was going on for it ends here."""


class _NoHooks:
    """aiosmtpd looks for hooks on its handler; ours is the gate, asked by name."""

    __slots__ = ()

    def __dir__(self) -> tuple[str, ...]:
        return ()


class Wire(SMTP):
    """Octets, time and ends. Subclasses add the commands and list them in `commands`."""

    commands: tuple[str, ...] = ()

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Peer | None = None) -> None:
        """`source` is who connects, where the socket shows a load balancer."""
        # The host name is the gate's; any text keeps aiosmtpd from asking the resolver, which would block.
        super().__init__(_NoHooks(), hostname="unused", loop=loop)
        self._clock = loop.time
        self._source = source
        self._lines = CommandLines()
        self._out: list[str] = []
        self._receiver: Receiver | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._busy = False
        self._upgrading = False
        self._half_closed = False
        self._clogged = False
        self._held_up = False
        self._over = False
        self._closes_by_halves = True
        self._errors = 0
        self._refusals = 0
        self._last = 0.0
        self._until = float("inf")
        self._watch_at = 0.0
        self._watchdog: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport
        self._peer: Peer
        self._limits: SessionLimits

    def __dir__(self) -> tuple[str, ...]:
        """Only what aiosmtpd's search for commands must find: the search over everything costs 0.2 ms a connection."""
        return self.commands

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the peer has left already and its address with it."""
        self._wire = cast(asyncio.Transport, transport)
        peer = self._source or peer_named(transport.get_extra_info("peername"))
        if peer is None:
            self._wire.abort()
            return
        self._peer = peer
        self._last = self._clock()
        self._begin()
        super().connection_made(transport)

    def _begin(self) -> None:
        """Take part in the life of the server; what was begun is ended by the handling task."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Give octets to whoever waits for them: message content goes straight to its receiver."""
        if self._over:
            return
        if self._receiver is not None:
            self._last = self._clock()
            rest = self._receiver.feed(data)
            if rest is None:
                return
            self._receiver = None
            data = rest
        self._lines.feed(data)
        if len(self._lines) > _MAX_WAITING and not self._held_up and not self._upgrading:
            self._held_up = True
            self._wire.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """The peer sends no more; it may still read what it is owed. TLS knows no half of a connection."""
        self._half_closed = True
        self._wake()
        return self._closes_by_halves and not self._over

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        # Past aiosmtpd, whose version cancels the handling task, and a commit with it.
        super(SMTP, self).connection_lost(exc)
        self.transport = None
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        self._wake()

    def pause_writing(self) -> None:
        """The peer does not read our replies: it gets no more work done until it does."""
        super().pause_writing()
        self._clogged = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self._clogged = False
        self._wake()

    def _reset_timeout(self, duration: float | None = None) -> None:
        """The inherited timer is not used; see `_watch`."""

    # Reading.

    async def _read_line(self) -> bytes | Flaw:
        # Time runs from here to the end of the line: single octets now and then are no progress.
        self._last = self._clock()
        if self._over:
            raise Gone
        while self._clogged:
            await self._wait()
        while True:
            line = self._lines.next()
            if line is not None:
                return line
            await self._wait()

    async def _receive(self, receiver: Receiver) -> None:
        """Let `receiver` have all octets from here on until it has what it wants."""
        rest = receiver.feed(self._lines.take())
        if rest is None:
            self._receiver = receiver
            self._last = self._clock()
            while self._receiver is not None:
                await self._wait()
        else:
            self._lines.feed(rest)

    async def _wait(self) -> None:
        """Wait for what the event loop has to say, with everything said that there is to say."""
        self._flush()
        if self._over or (self._half_closed and not self._clogged):
            raise Gone
        if not self._clogged:
            self._resume()
        self._waiter = self.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._over:
            raise Gone

    async def _pause(self, seconds: float, *, until_heard: bool = False) -> None:
        """Let time go by, with what was said kept back; `until_heard`: no longer than the peer is silent."""
        due = self._clock() + seconds
        timer: asyncio.TimerHandle | None = None
        self._busy = True
        try:
            while (left := due - self._clock()) > 0 and not (until_heard and len(self._lines)):
                self._waiter = self.loop.create_future()
                # Each time anew: some event loops count whole milliseconds, and come a moment too early.
                timer = self.loop.call_later(left, self._wake)
                await self._waiter
                timer.cancel()
                # Half a connection is answered at once or not at all: it must not be a way around the wait.
                if self._over or self._half_closed:
                    raise Gone
        finally:
            self._waiter = None
            self._busy = False
            self._last = self._clock()
            if timer is not None:
                timer.cancel()

    def _resume(self) -> None:
        if self._held_up and not self._over:
            self._held_up = False
            self._wire.resume_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Writing.

    def _say(self, reply: Reply) -> None:
        """Answer; the reply leaves with the others as soon as the session waits."""
        self._out.append(str(reply))
        self._refusals += not reply.is_positive
        if reply.is_permanent:
            self._errors += 1
        if len(self._out) > 100:
            self._flush()

    def _flush(self) -> None:
        if self._out and not self._over:
            self._out.append("")
            self._wire.write("\r\n".join(self._out).encode("ascii", "replace"))
        self._out.clear()

    def _hang_up(self, reply: Reply | None = None) -> None:
        """Say a last word and close; a peer that does not listen to it is cut."""
        if self._over:
            return
        if reply is not None:
            self._say(reply)
        self._flush()
        self._close()

    def _close(self) -> None:
        self._over = True
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = self.loop.call_later(_LINGER, self._wire.abort)
        self._wire.close()
        self._wake()

    # Time.

    def _watch(self) -> None:
        """Cut a peer that lets us wait too long. One timer a connection, set anew only when it has gone off."""
        now = self._clock()
        due = (
            now + self._limits.idle_timeout if self._busy else min(self._last + self._limits.idle_timeout, self._until)
        )
        if now >= due:
            self._hang_up(replies.IDLE_TOO_LONG)
            return
        self._watch_at = due
        self._watchdog = self.loop.call_at(due, self._watch)

    def _set_deadline(self, seconds: float | None) -> None:
        """From now on the peer has this many seconds for all it wants to send; None ends that."""
        self._until = float("inf") if seconds is None else self._clock() + seconds
        if self._until < self._watch_at and not self._over and self._watchdog is not None:
            self._watchdog.cancel()
            self._watch()


def peer_named(name: object) -> Peer | None:
    """The remote end by its name as sockets have it; None when the socket shows none any more."""
    if not isinstance(name, tuple) or len(name) < 2:
        return None
    address = ip_address(str(name[0]).partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return Peer(address, int(name[1]))
