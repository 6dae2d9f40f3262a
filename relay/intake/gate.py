"""What one SMTP session asks of the relay, verb by verb.

The receiving edge speaks the protocol and asks a `Gate`; a gate decides and never sees a socket. There is one
gate a connection. Every answer is a finished `Reply`; a positive one means that the verb took effect.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from relay.mail.address import Address
from relay.mail.envelope import MailParameters, Recipient
from relay.mail.reply import Reply


@dataclass(frozen=True, slots=True)
class Peer:
    """The remote end of a connection as the socket shows it."""

    address: IPv4Address | IPv6Address
    port: int


@dataclass(frozen=True, slots=True)
class Hello:
    """What the peer said of itself, and how: `tls` is the protocol's version, None in plain text."""

    name: str
    tls: str | None
    esmtp: bool


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long and how wide one session may be; times in seconds, sizes in octets."""

    message_size: int
    recipients: int
    errors: int
    idle_timeout: float
    data_timeout: float


class Content(Protocol):
    """Takes a message's octets while they arrive: dots unstuffed, every line end CRLF."""

    @property
    def refusal(self) -> Reply | None:
        """Why the message cannot be taken, as soon as that is known; further blocks are then ignored."""
        ...

    def write(self, block: bytes | bytearray | memoryview) -> None:
        """Take the next octets, split anywhere; the block may be reused afterwards. Never blocks for long."""
        ...

    def refuse(self, reply: Reply) -> None:
        """Refuse the message for a reason only the protocol edge can see; the first refusal stands."""
        ...

    def abort(self) -> None:
        """Forget the message: the peer went away before it was complete. Harmless after `Gate.accept`."""
        ...


class Gate(Protocol):
    """The decisions of one session. Not reentrant: the edge asks one thing at a time."""

    @property
    def hostname(self) -> str:
        """The name this relay greets with."""
        ...

    @property
    def limits(self) -> SessionLimits:
        """Limits that hold for this session from now on; read again at every transaction."""
        ...

    @property
    def offers_login(self) -> bool:
        """Whether AUTH belongs on this listener at all; the edge adds: only under TLS."""
        ...

    @property
    def greeting_pause(self) -> float:
        """Seconds that the peer has to wait for our greeting; who speaks meanwhile is no mail server."""
        ...

    @property
    def is_strict(self) -> bool:
        """Whether a peer is refused that does not wait for an answer where it has to (RFC 2920 3.1)."""
        ...

    def connect(self) -> Reply:
        """Answer a new connection: 220, or 421 when there are too many."""
        ...

    def hello(self, hello: Hello) -> None:
        """Note the last EHLO or HELO, asked again after STARTTLS."""
        ...

    async def login(self, username: str, password: str) -> Reply:
        """Check a login: 235 2.7.0, or 535 5.7.8."""
        ...

    def mail(self, reverse_path: Address | None, parameters: MailParameters) -> Reply:
        """Answer MAIL; a positive reply opens a transaction."""
        ...

    async def rcpt(self, recipient: Recipient) -> Reply:
        """Answer RCPT; a positive reply adds the recipient to the transaction."""
        ...

    def content(self) -> Content | Reply:
        """Answer DATA or the first BDAT: a place for the octets, or why there is none now (452)."""
        ...

    async def accept(self, content: Content) -> Reply:
        """Answer the end of the message; ends the transaction whatever the answer.

        A positive reply means: on stable storage. The caller shields this from cancellation.
        """
        ...

    @property
    def delay(self) -> float:
        """Seconds by which an answer that is a refusal is to be held back now."""
        ...

    def refused(self, verb: str, reply: Reply) -> None:
        """Hear of a refusal the edge gave by itself, so that it is logged and counted like all others."""
        ...

    def reset(self) -> None:
        """Forget the transaction (RSET, EHLO, STARTTLS)."""
        ...

    def close(self) -> None:
        """The connection ended; asked exactly once."""
        ...
