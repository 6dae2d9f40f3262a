"""The life of one connection: greeting, the loop over commands, TLS, and an orderly end.

In charge of when a session begins and ends, of counting errors, and of exceptions nobody expected, which are the
relay's trouble: the client hears 451 and no detail. What the commands mean is in `session` and `transaction`.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from relay.intake.gate import Gate, Peer
from relay.mail.reply import Reply
from relay.smtpd import replies
from relay.smtpd.lines import Flaw
from relay.smtpd.replies import Refused
from relay.smtpd.tls import Begun, TlsMode, start_tls
from relay.smtpd.wire import Gone, Wire

_MAX_COMMAND = 2048
# How other protocols begin: whoever speaks them was led here, perhaps to have commands said in their name.
_FOREIGN = frozenset(("PROXY", "GET", "HEAD", "POST", "PUT", "OPTIONS", "CONNECT"))


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


class Connection(Wire):
    """One session as one task. Subclasses add the commands."""

    def __init__(self, surroundings: Surroundings, loop: asyncio.AbstractEventLoop, source: Peer | None = None) -> None:
        super().__init__(loop, source)
        self._surroundings = surroundings
        self._settling: asyncio.Task[Reply] | None = None
        self._listening = False
        self._tls: str | None = None
        self._handshake: Begun[asyncio.Transport] | None = None
        self._greeting = replies.INTERNAL_CLOSE
        self._gate: Gate

    def _begin(self) -> None:
        self._surroundings.connections.add(self)
        try:
            self._gate = self._surroundings.gate_factory(self._peer)
            self._limits = self._gate.limits
            self._greeting = self._gate.connect()
        except Exception as error:  # noqa: BLE001 - a gate's trouble is a temporary refusal
            self._surroundings.report("connect", self._peer, error)
        if self._surroundings.tls is TlsMode.IMPLICIT and self._greeting.is_positive:
            with contextlib.suppress(Refused):
                self._handshake = Begun(self._shake_hands(self._tls_context()))

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
        greeting = self._greeting
        if self._surroundings.tls is TlsMode.IMPLICIT:
            if self._handshake is None:
                # Not worth a handshake: that would be the costliest way to refuse.
                return self._hang_up()
            await self._upgrade(self._handshake)
        if not greeting.is_positive:
            return self._hang_up(greeting)
        self._watch()
        if self._gate.greeting_pause:
            await self._pause(self._gate.greeting_pause, until_heard=True)
            if len(self._lines):
                self._refuse("connect", replies.SPOKE_FIRST)
                self._hang_up()
                raise Gone
        self._out.append(f"{greeting.code} {self._gate.hostname} {greeting.text or 'ESMTP'}")
        while True:
            if self._surroundings.stopping and not self._in_transaction:
                return self._hang_up(replies.SERVICE_STOPS)
            self._listening = True
            line = await self._read_line()
            self._listening = False
            await self._obey(line)

    async def _obey(self, line: bytes | Flaw) -> None:
        refusals = self._refusals
        try:
            verb, argument = parse_command(line)
        except Refused as refused:
            self._refuse("", refused.reply)
        else:
            await self._perform(verb, argument)
        if self._errors >= self._limits.errors:
            self._hang_up(replies.TOO_MANY_ERRORS)
            raise Gone
        if self._refusals > refusals and (delay := self._gate.delay):
            await self._pause(delay)

    async def _perform(self, verb: str, argument: str | None) -> None:
        method: Callable[[str | None], Coroutine[Any, Any, None]] | None = self._smtp_methods.get(verb)
        if verb in _FOREIGN:
            self._refuse(verb, replies.FOREIGN_PROTOCOL)
            self._hang_up()
            raise Gone
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

    def _demand_patience(self, verb: str) -> None:
        """RFC 2920 3.1: nothing may follow this command before it is answered. Raises Gone for who does not wait."""
        if self._gate.is_strict and len(self._lines):
            self._refuse(verb, replies.DID_NOT_WAIT)
            self._hang_up()
            raise Gone

    def _refuse(self, verb: str, reply: Reply) -> None:
        """Answer with a refusal that is ours and not the gate's, and let the gate know."""
        self._say(reply)
        self._gate.refused(verb, reply)

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

    # What the server asks for.

    def retire(self) -> None:
        """Say goodbye as soon as no transaction is open: now, if the session only waits."""
        if self._listening and not self._in_transaction and self._waiter is not None:
            self._hang_up(replies.SERVICE_STOPS)

    def cut(self) -> None:
        """End without a word. A message whose commit has begun is still committed."""
        self._over = True
        self._wire.abort()
        self._wake()

    # TLS.

    def _tls_context(self) -> ssl.SSLContext:
        """The context for a handshake now. Raises Refused when there is none."""
        try:
            assert self._surroundings.ssl_context is not None  # noqa: S101 - listen() has made sure
            return self._surroundings.ssl_context()
        except Exception as error:
            self._surroundings.report("STARTTLS", self._peer, error)
            raise Refused(replies.TLS_UNAVAILABLE) from error

    async def _shake_hands(self, context: ssl.SSLContext) -> asyncio.Transport:
        self._closes_by_halves = False
        return await start_tls(self._wire, self, context=context, patience=self._limits.idle_timeout)

    async def _upgrade(self, handshake: Awaitable[asyncio.Transport]) -> None:
        """Wait until TLS is on. Raises Gone when that fails."""
        self._busy = self._upgrading = True
        try:
            self._wire = await handshake
        except OSError as error:
            self._close()
            self._gate.refused("STARTTLS", replies.HANDSHAKE_FAILED)
            raise Gone from error
        finally:
            self._busy = self._upgrading = False
        self.transport = self._wire
        self._tls = self._wire.get_extra_info("ssl_object").version()


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
