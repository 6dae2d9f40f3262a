"""One connection below the commands: octets in, replies out, time limits, TLS, and an orderly end.

In charge of when a session begins, waits, is cut and ends; of replies going out together when commands came in
together (RFC 2920 3.2). The loop over commands stands here; what the commands mean is in `session` and `transaction`.
Never cancels anything because a client went away: whatever runs learns of it when it next wants to talk.

`aiosmtpd.smtp.SMTP` gives the protocol object, the session record, the table of commands by method name and the
start of the handling task. Its reading of lines and of message data, its timer, its TLS upgrade and its ways to end
are replaced: they cancel commits, reset no timer during DATA, read line by line and answer 500 to exceptions.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Any, cast

from aiosmtpd.smtp import SMTP

from relay.intake.gate import Gate, Peer, SessionLimits
from relay.mail.reply import Reply
from relay.smtpd import replies
from relay.smtpd.data import Receiver
from relay.smtpd.lines import CommandLines, Flaw
from relay.smtpd.replies import Refused
from relay.smtpd.tls import TlsMode, start_tls

# Input that waits while a command is being worked on: beyond this the peer is made to wait.
_MAX_WAITING = 65536
# How long a peer may take to read our last words.
_LINGER = 5.0
_MAX_COMMAND = 2048


@dataclass(slots=True)
class Surroundings:
    """What all connections of a listener share. `report` hears of exceptions nobody expected."""

    gate_factory: Callable[[Peer], Gate]
    tls: TlsMode
    ssl_context: Callable[[], ssl.SSLContext] | None
    report: Callable[[str, Peer, BaseException], None]
    connections: "set[Connection]" = field(default_factory=set)
    stopping: bool = False
    on_end: Callable[[], None] = lambda: None


class Gone(Exception):  # noqa: N818 - not an error: how a session learns that nobody is there any more
    """The connection is over; whatever was going on for it ends here."""


class _NoHooks:
    """aiosmtpd looks for hooks on its handler; ours is the gate, asked by name."""

    __slots__ = ()

    def __dir__(self) -> tuple[str, ...]:
        return ()


class Connection(SMTP):
    """The life of one connection. Subclasses add the commands and list them in `commands`."""

    commands: tuple[str, ...] = ()

    def __init__(self, surroundings: Surroundings, loop: asyncio.AbstractEventLoop) -> None:
        # The host name is the gate's; any text keeps aiosmtpd from asking the resolver, which would block.
        super().__init__(_NoHooks(), hostname="unused", loop=loop)
        self._surroundings = surroundings
        self._clock = loop.time
        self._lines = CommandLines()
        self._out: list[str] = []
        self._receiver: Receiver | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._settling: asyncio.Task[Reply] | None = None
        self._listening = False
        self._busy = False
        self._upgrading = False
        self._half_closed = False
        self._clogged = False
        self._held_up = False
        self._over = False
        self._tls: str | None = None
        self._errors = 0
        self._last = 0.0
        self._until = float("inf")
        self._watch_at = 0.0
        self._watchdog: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport
        self._peer: Peer
        self._gate: Gate
        self._limits: SessionLimits

    def __dir__(self) -> tuple[str, ...]:
        """Only what aiosmtpd's search for commands must find: the search over everything costs 0.2 ms a connection."""
        return self.commands

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the peer has left already and its address with it."""
        self._wire = cast(asyncio.Transport, transport)
        peer = peer_of(transport)
        if peer is None:
            self._wire.abort()
            return
        self._peer = peer
        self._last = self._clock()
        self._surroundings.connections.add(self)
        super().connection_made(transport)

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
        return self._tls is None and not self._over

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

    # The session as one task.

    async def _handle_client(self) -> None:
        try:
            await self._converse()
        except Gone:
            pass
        except Exception as error:  # noqa: BLE001 - the last line of defence: nothing may leave the task
            self._surroundings.report("session", self._peer, error)
            self._hang_up(replies.INTERNAL_CLOSE)
        finally:
            self._end()

    async def _converse(self) -> None:
        try:
            self._gate = self._surroundings.gate_factory(self._peer)
            self._limits = self._gate.limits
            greeting = self._gate.connect()
        except Exception as error:  # noqa: BLE001 - a gate's trouble is a temporary refusal
            self._surroundings.report("connect", self._peer, error)
            return self._hang_up(replies.INTERNAL_CLOSE if self._surroundings.tls is not TlsMode.IMPLICIT else None)
        self._watch()
        if self._surroundings.tls is TlsMode.IMPLICIT:
            if not greeting.is_positive:
                # Not worth a handshake: that would be the costliest way to refuse.
                return self._hang_up()
            await self._upgrade()
        if not greeting.is_positive:
            return self._hang_up(greeting)
        self._out.append(f"{greeting.code} {self._gate.hostname} {greeting.text or 'ESMTP'}")
        while True:
            if self._surroundings.stopping and not self._in_transaction:
                return self._hang_up(replies.SERVICE_STOPS)
            self._listening = True
            line = await self._read_line()
            self._listening = False
            await self._obey(line)

    async def _obey(self, line: bytes | Flaw) -> None:
        try:
            verb, argument = parse_command(line)
        except Refused as refused:
            self._refuse("", refused.reply)
        else:
            await self._perform(verb, argument)
        if self._errors >= self._limits.errors:
            self._hang_up(replies.TOO_MANY_ERRORS)
            raise Gone

    async def _perform(self, verb: str, argument: str | None) -> None:
        method: Callable[[str | None], Coroutine[Any, Any, None]] | None = self._smtp_methods.get(verb)
        if method is None:
            self._refuse(verb[:16], replies.UNKNOWN_COMMAND)
            return
        try:
            await method(argument)
        except Gone:
            raise
        except Refused as refused:
            self._refuse(verb, refused.reply)
        except Exception as error:  # noqa: BLE001 - whatever a gate raises is its trouble, not the client's
            self._surroundings.report(verb, self._peer, error)
            self._recover(verb)
            self._say(replies.INTERNAL_TROUBLE)

    @property
    def _in_transaction(self) -> bool:
        raise NotImplementedError

    def _recover(self, verb: str) -> None:
        """Leave a state in which the session can go on after an exception in `verb`."""
        raise NotImplementedError

    def _abandon(self) -> None:
        """Let go of whatever the session holds: it is over."""
        raise NotImplementedError

    def _end(self) -> None:
        if not self._over:
            self._close()
        try:
            self._abandon()
        except Exception as error:  # noqa: BLE001 - the gate must be closed all the same
            self._surroundings.report("abort", self._peer, error)
        if self._settling is not None and not self._settling.done():
            self._settling.add_done_callback(lambda _: self._leave())
        else:
            self._leave()

    def _leave(self) -> None:
        try:
            if hasattr(self, "_gate"):
                self._gate.close()
        except Exception as error:  # noqa: BLE001 - nobody is left to tell
            self._surroundings.report("close", self._peer, error)
        # The tables hold methods bound to this object: a cycle for each connection if they stayed.
        self._smtp_methods.clear()
        self._auth_methods.clear()
        self._surroundings.connections.discard(self)
        self._surroundings.on_end()

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
            self._resume()
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
        if reply.is_permanent:
            self._errors += 1
        if len(self._out) > 100:
            self._flush()

    def _refuse(self, verb: str, reply: Reply) -> None:
        """Answer with a refusal that is ours and not the gate's, and let the gate know."""
        self._say(reply)
        self._gate.refused(verb, reply)

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

    # What the server and the commands ask for.

    def retire(self) -> None:
        """Say goodbye as soon as no transaction is open: now, if the session only waits."""
        if self._listening and not self._in_transaction and self._waiter is not None:
            self._hang_up(replies.SERVICE_STOPS)

    def cut(self) -> None:
        """End without a word. A message whose commit has begun is still committed."""
        self._over = True
        self._wire.abort()
        self._wake()

    async def _upgrade(self) -> None:
        """Turn TLS on. Raises Gone when that fails."""
        context_of = self._surroundings.ssl_context
        assert context_of is not None  # noqa: S101 - listen() has made sure
        try:
            context = context_of()
        except Exception as error:
            self._surroundings.report("STARTTLS", self._peer, error)
            raise
        self._flush()
        self._busy = self._upgrading = True
        try:
            self._wire = await start_tls(self._wire, self, context=context, patience=self._limits.idle_timeout)
        except OSError as error:
            self._close()
            self._gate.refused("STARTTLS", replies.HANDSHAKE_FAILED)
            raise Gone from error
        finally:
            self._busy = self._upgrading = False
        self.transport = self._wire
        self._tls = self._wire.get_extra_info("ssl_object").version()


def peer_of(transport: asyncio.BaseTransport) -> Peer | None:
    """The remote end as the socket shows it; None when it shows none any more."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple) or len(name) < 2:
        return None
    address = ip_address(str(name[0]).partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return Peer(address, int(name[1]))


def parse_command(line: bytes | Flaw) -> tuple[str, str | None]:
    """Verb in upper case and argument, None when there is none. Raises Refused for what is no command."""
    if isinstance(line, Flaw):
        raise Refused(replies.LINE_TOO_LONG if line is Flaw.TOO_LONG else replies.BARE_LF)
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise Refused(replies.BAD_CHARACTER) from error
    if not text.isprintable() and any(character < " " or character == "\x7f" for character in text):
        raise Refused(replies.BAD_CHARACTER)
    verb, _, argument = text.partition(" ")
    if not verb:
        raise Refused(replies.EMPTY_COMMAND)
    verb = verb.upper()
    if len(line) > _MAX_COMMAND and verb != "AUTH":
        raise Refused(replies.LINE_TOO_LONG)
    return verb, argument.strip(" ") or None
