"""The SMTP dialogue that the sandbox's servers share: aiosmtpd with the parameters that modern senders use.

In charge of: MAIL and RCPT with every parameter that is advertised (SIZE, 8BITMIME, SMTPUTF8, DSN), handing the whole
transaction to its owner, starting and stopping a listener with all its connections.
Never does: decide about senders, recipients or messages.

RFC 5321, RFC 1870, RFC 3461, RFC 6152, RFC 6531, RFC 2920.
"""

import asyncio
import logging
import ssl
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, Session
from aiosmtpd.smtp import Envelope as AiosmtpdEnvelope

from relay.mail.address import Address, AddressError, parse_path
from relay.mail.envelope import (
    MailParameters,
    ParameterError,
    Recipient,
    parse_mail_parameters,
    parse_rcpt_parameters,
)
from relay.mail.reply import Reply
from relay.sandbox.arrivals import Offer

SIZE_LIMIT = 50_000_000
COMMAND_LIMIT = 4096  # octets: the parameters of RFC 3461 need more than the 512 of RFC 5321
IDLE_LIMIT = 60.0  # seconds

log = logging.getLogger(__name__)


class Owner(Protocol):
    """Who a conversation asks."""

    def greet(self, peer: str) -> Reply | None:
        """The reply to a connection that is turned away."""

    async def hear_sender(self, user: str, reverse_path: Address | None) -> Reply | None:
        """The refusal of a sender, if any; `user` is who logged in."""

    async def hear_recipient(self, reverse_path: Address | None, recipient: Recipient) -> Reply:
        """The reply to RCPT."""

    async def hear_message(self, offer: Offer) -> Reply:
        """The reply to the end of the message."""

    def log_in(self, user: str, password: str) -> bool:
        """Whether these are good credentials; never asked unless the conversation offers AUTH."""


class _Session(Session):
    login_data: Any = None  # aiosmtpd warns whenever its own is touched


class _Transaction(AiosmtpdEnvelope):
    def __init__(self) -> None:
        super().__init__()
        self.reverse_path: Address | None = None
        self.parameters = MailParameters()
        self.recipients: list[Recipient] = []


class Conversation(SMTP):
    """One connection to one of the sandbox's servers."""

    def __init__(self, owner: Owner, listener: "Listener") -> None:
        self.command_size_limits = defaultdict(lambda: COMMAND_LIMIT)  # aiosmtpd shares one among all connections
        super().__init__(
            self,  # the hooks below
            hostname=listener.hostname,
            ident="sandbox",
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            tls_context=listener.tls,
            auth_required=listener.auth,
            authenticator=self._check_login,
            auth_exclude_mechanism=() if listener.auth else ("LOGIN", "PLAIN"),
            timeout=IDLE_LIMIT,
            loop=asyncio.get_running_loop(),
        )
        self._owner = owner
        self._listener = listener
        self._user = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.conversations.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.conversations.discard(self)
        super().connection_lost(error)

    def abort(self) -> asyncio.Task[None] | None:
        """Cut the connection; what is returned ends when the conversation has."""
        transport: Any = self._original_transport or self.transport
        if transport is not None:
            transport.abort()
        return self._handler_coroutine

    def _create_session(self) -> Session:
        return _Session(self.loop)

    def _create_envelope(self) -> AiosmtpdEnvelope:
        return _Transaction()

    async def _handle_client(self) -> None:
        refusal = self._owner.greet(self._peer())
        if refusal is None:
            await super()._handle_client()
        else:
            await self.push(str(refusal))
            self._writer.close()

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name for it
        if await self.check_helo_needed() or await self.check_auth_needed("MAIL"):
            return
        transaction = self._transaction()
        if transaction.mail_from is not None:
            await self.push("503 5.5.1 Sender already given")
            return
        try:
            path, text = parse_path(_behind("FROM:", arg), null_allowed=True)
            parameters = parse_mail_parameters(text)
        except AddressError as error:
            await self.push(f"501 5.1.7 Bad sender: {error}")
            return
        except ParameterError as error:
            await self.push(str(error.reply))
            return
        refusal = await self._owner.hear_sender(self._user, path)
        if parameters.size is not None and parameters.size > SIZE_LIMIT:
            refusal = Reply(552, "5.3.4", "Message too big")
        if refusal is not None:
            await self.push(str(refusal))
            return
        transaction.mail_from = "" if path is None else str(path)
        transaction.reverse_path, transaction.parameters = path, parameters
        await self.push("250 2.1.0 Sender accepted")

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        if await self.check_helo_needed() or await self.check_auth_needed("RCPT"):
            return
        transaction = self._transaction()
        if transaction.mail_from is None:
            await self.push("503 5.5.1 Sender first")
            return
        try:
            path, text = parse_path(_behind("TO:", arg), null_allowed=False)
            parameters = parse_rcpt_parameters(text)
        except AddressError as error:
            await self.push(f"501 5.1.3 Bad recipient: {error}")
            return
        except ParameterError as error:
            await self.push(str(error.reply))
            return
        recipient = Recipient(path or Address("postmaster", ""), parameters.notify, parameters.orcpt)
        reply = await self._owner.hear_recipient(transaction.reverse_path, recipient)
        if reply.is_positive:
            transaction.rcpt_tos.append(str(recipient.address))
            transaction.recipients.append(recipient)
        await self.push(str(reply))

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: AiosmtpdEnvelope, hostname: str, replies: list[str]
    ) -> list[str]:
        """Add what this dialogue can do beyond aiosmtpd's own."""
        session.host_name = hostname
        offered = [line for line in replies if not line.removeprefix("250-").startswith("AUTH") or self._listener.auth]
        return [*offered[:-1], "250-PIPELINING", "250-DSN", offered[-1]]

    async def handle_DATA(self, _server: SMTP, session: Session, _envelope: AiosmtpdEnvelope) -> str:  # noqa: N802
        """Hand the transaction over."""
        transaction = self._transaction()
        content = transaction.original_content or b""
        secured: Any = (session.ssl or {}).get("ssl_object")
        offer = Offer(
            peer=self._peer(),
            helo=session.host_name or "",
            tls=secured.version() if secured else "",
            reverse_path=transaction.mail_from or "",
            recipients=tuple(transaction.recipients),
            parameters=transaction.parameters,
            content=content,
        )
        return str(await self._owner.hear_message(offer))

    async def handle_exception(self, error: Exception) -> str:
        """Say that the trouble is ours, and no more."""
        log.error("conversation failed", exc_info=error)
        return "451 4.3.0 Internal trouble"

    def _check_login(
        self, _server: SMTP, _session: Session, _envelope: AiosmtpdEnvelope, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        user, password = data.login.decode("utf-8", "replace"), data.password.decode("utf-8", "replace")
        success = self._owner.log_in(user, password)
        if success:
            self._user = user
        return AuthResult(success=success, handled=False)

    def _transaction(self) -> _Transaction:
        transaction = self.envelope
        if not isinstance(transaction, _Transaction):
            raise TypeError
        return transaction

    def _peer(self) -> str:
        peer: Any = self.session.peer if self.session else None
        return str(peer[0]) if peer else ""


class Listener:
    """One listening address and the conversations that came in on it."""

    def __init__(self, hostname: str, *, tls: ssl.SSLContext | None = None, auth: bool = False) -> None:
        self.hostname = hostname
        self.tls = tls
        self.auth = auth
        self.conversations: set[Conversation] = set()
        self._server: asyncio.Server | None = None

    async def start(self, owner: Owner, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError when it cannot be had."""
        factory: Callable[[], Conversation] = lambda: Conversation(owner, self)  # noqa: E731
        self._server = await asyncio.get_running_loop().create_server(factory, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is None:
            return
        self._server.close()
        tasks = [conversation.abort() for conversation in tuple(self.conversations)]
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
        await self._server.wait_closed()
        self._server = None


def _behind(keyword: str, arg: str | None) -> str:
    text = arg or ""
    if text[: len(keyword)].upper() != keyword:
        raise AddressError(f"{keyword} expected")
    return text[len(keyword) :].lstrip()
