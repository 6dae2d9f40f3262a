"""The commands that move no mail: EHLO and HELO, STARTTLS, AUTH, and the small talk.

In charge of RFC 5321 4.1.1.1, 4.1.1.5 to 4.1.1.10, RFC 3207 and RFC 4954. Whether a login is good is the gate's say.
"""

# ruff: noqa: N802 - commands are found by the name of their method

import re
from base64 import b64encode
from typing import Any

from relay.intake.gate import Hello
from relay.mail.reply import Reply
from relay.smtpd import replies
from relay.smtpd.auth import MECHANISMS, Credentials, decode_initial, decode_response
from relay.smtpd.connection import Connection
from relay.smtpd.lines import Flaw
from relay.smtpd.replies import Refused
from relay.smtpd.tls import TlsMode
from relay.smtpd.wire import Gone

_HOST_NAME = re.compile(r"[!-~]{1,255}")
# A message is worth this many commands that carry none, for every error that would be forgiven.
_IDLE_COMMANDS_PER_ERROR = 10


class SessionCommands(Connection):
    """Who the peer is and how it is protected."""

    commands: tuple[str, ...] = (
        "smtp_AUTH",
        "smtp_EHLO",
        "smtp_EXPN",
        "smtp_HELO",
        "smtp_HELP",
        "smtp_NOOP",
        "smtp_QUIT",
        "smtp_RSET",
        "smtp_STARTTLS",
        "smtp_VRFY",
    )

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._hello: Hello | None = None
        self._authenticated = False
        self._idle_commands = 0

    def _forget_transaction(self) -> None:
        raise NotImplementedError

    def _count_idle_command(self) -> None:
        """Count a command that brings no mail nearer; too many without a message end the session."""
        self._idle_commands += 1
        if self._idle_commands > _IDLE_COMMANDS_PER_ERROR * self._limits.errors:
            self._hang_up(replies.TOO_MANY_COMMANDS)
            raise Gone

    # RFC 5321 4.1.1.1

    async def smtp_EHLO(self, argument: str | None) -> None:
        """Answer with what is on offer."""
        self._demand_patience("EHLO")
        self._greet(argument, esmtp=True)
        self._out.extend(self._offers())

    async def smtp_HELO(self, argument: str | None) -> None:
        """Answer without offers."""
        self._demand_patience("HELO")
        self._greet(argument, esmtp=False)
        self._out.append(f"250 {self._gate.hostname}")

    def _greet(self, name: str | None, *, esmtp: bool) -> None:
        self._count_idle_command()
        if name is None or not _HOST_NAME.fullmatch(name):
            raise Refused(replies.HELLO_SYNTAX)
        self._forget_transaction()
        self._hello = None
        hello = Hello(name, self._tls, esmtp)
        self._gate.hello(hello)
        self._limits = self._gate.limits
        self._hello = hello

    def _offers(self) -> list[str]:
        offers = [
            self._gate.hostname,
            "PIPELINING",
            f"SIZE {self._limits.message_size}",
            "8BITMIME",
            "SMTPUTF8",
            "DSN",
            "CHUNKING",
            "ENHANCEDSTATUSCODES",
        ]
        if self._surroundings.tls is TlsMode.STARTTLS and self._tls is None:
            offers.append("STARTTLS")
        if self._tls is not None:
            offers.append("REQUIRETLS")
        if self._tls is not None and self._gate.offers_login:
            offers.append("AUTH " + " ".join(MECHANISMS))
        return [f"250-{offer}" for offer in offers] + ["250 HELP"]

    # RFC 3207

    async def smtp_STARTTLS(self, argument: str | None) -> None:
        """Turn TLS on and forget everything said before."""
        self._count_idle_command()
        if self._tls is not None:
            raise Refused(replies.TLS_ALREADY)
        if self._surroundings.tls is not TlsMode.STARTTLS:
            raise Refused(replies.NO_TLS)
        if argument:
            raise Refused(replies.NO_ARGUMENT)
        if len(self._lines):
            # RFC 3207 does not say it, but whoever put commands here wants them executed as if they had been protected.
            self._refuse("STARTTLS", replies.INJECTION)
            self._hang_up()
            raise Gone
        context = self._tls_context()
        self._forget_transaction()
        self._hello = None
        self._say(replies.READY_FOR_TLS)
        self._flush()
        await self._upgrade(self._shake_hands(context))

    # RFC 4954

    async def smtp_AUTH(self, argument: str | None) -> None:
        """Run an exchange and ask the gate about its result."""
        self._count_idle_command()
        self._check_auth()
        if argument is None:
            raise Refused(replies.AUTH_SYNTAX)
        credentials = await self._exchange(*argument.split(" ", 1))
        self._flush()
        self._busy = True
        try:
            reply = await self._gate.login(credentials.username, credentials.password)
        finally:
            self._busy = False
            self._last = self._clock()
        self._authenticated = reply.is_positive
        self._say(reply)

    def _check_auth(self) -> None:
        if self._hello is None or not self._hello.esmtp:
            raise Refused(replies.HELLO_FIRST)
        if not self._gate.offers_login:
            raise Refused(replies.NO_AUTH)
        if self._tls is None:
            raise Refused(replies.TLS_FIRST)
        if self._authenticated:
            raise Refused(replies.AUTH_ALREADY)
        if self._in_transaction:
            raise Refused(replies.IN_TRANSACTION)

    async def _exchange(self, name: str, initial: str | None = None) -> Credentials:
        mechanism = MECHANISMS.get(name.upper())
        if mechanism is None:
            raise Refused(replies.UNKNOWN_MECHANISM)
        exchange = mechanism(None if initial is None else decode_initial(initial.strip(" ")))
        try:
            challenge = next(exchange)
            while True:
                challenge = exchange.send(await self._response(challenge))
        except StopIteration as finished:
            credentials: Credentials = finished.value
            return credentials

    async def _response(self, challenge: bytes) -> bytes:
        self._out.append("334 " + b64encode(challenge).decode())
        line = await self._read_line()
        if line is Flaw.TOO_LONG:
            raise Refused(replies.AUTH_LINE_TOO_LONG)
        if isinstance(line, Flaw):
            raise Refused(replies.BARE_LF)
        return decode_response(line)

    # RFC 5321 4.1.1.5 to 4.1.1.10

    async def smtp_RSET(self, argument: str | None) -> None:
        """Forget the transaction."""
        self._count_idle_command()
        if argument:
            raise Refused(replies.NO_ARGUMENT)
        self._forget_transaction()
        self._say(replies.OK)

    async def smtp_NOOP(self, argument: str | None) -> None:  # noqa: ARG002 - RFC 5321 4.1.1.9 allows any
        """Do nothing."""
        self._count_idle_command()
        self._say(replies.OK)

    async def smtp_HELP(self, argument: str | None) -> None:  # noqa: ARG002 - the answer is always the same
        """List the commands."""
        self._count_idle_command()
        self._say(Reply(214, "2.0.0", "Commands: " + " ".join(sorted(self._smtp_methods))))

    async def smtp_VRFY(self, argument: str | None) -> None:
        """Tell nothing about who exists here (RFC 5321 7.3)."""
        self._count_idle_command()
        if not argument:
            raise Refused(replies.VRFY_SYNTAX)
        self._say(replies.CANNOT_VERIFY)

    async def smtp_EXPN(self, argument: str | None) -> None:  # noqa: ARG002 - refused whatever it is
        """Tell nothing about lists."""
        raise Refused(replies.NO_EXPN)

    async def smtp_QUIT(self, argument: str | None) -> None:
        """Part as friends."""
        if argument:
            raise Refused(replies.NO_ARGUMENT)
        self._hang_up(replies.GOODBYE)
        raise Gone
