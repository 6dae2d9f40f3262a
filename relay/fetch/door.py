"""The way into companies' mailboxes: the host's address, whether it may be asked, TLS, and the login."""

import ssl
from collections.abc import Callable
from pathlib import Path

from relay.config.keyring import Active
from relay.config.secrets import SecretError
from relay.dns import Resolver, Status
from relay.http import is_internal
from relay.imap.faults import Login, MailboxError, MailboxFault, Place
from relay.imap.session import ImapSession, tls_context
from relay.policy.company import Mailbox


class Door:
    """Opens mailboxes for one worker."""

    def __init__(self, active: Callable[[], Active], resolver: Resolver) -> None:
        self._active = active
        self._resolver = resolver
        self._contexts: dict[str | None, tuple[float, ssl.SSLContext]] = {}

    async def open(self, mailbox: Mailbox) -> ImapSession:
        """A session with a mailbox. Raises MailboxError."""
        login = self._login(mailbox)
        place = await self._place(mailbox)
        most = self._active().snapshot.settings.mailboxes.message_size
        return await ImapSession.open(place, login, self._context(mailbox.ca), most)

    def key_of(self, mailbox: Mailbox) -> str:
        """Names everything that a login is made with, the secret included; changes when any of it does."""
        keyring = self._active().keyring
        try:
            secret = keyring.secret(mailbox.password)
        except SecretError as error:
            secret = str(error)
        return keyring.fingerprint(mailbox.host, str(mailbox.port), mailbox.tls, mailbox.username, secret)

    def _login(self, mailbox: Mailbox) -> Login:
        try:
            return Login(mailbox.username, self._active().keyring.secret(mailbox.password))
        except SecretError as error:
            raise MailboxError(MailboxFault.REFUSED, str(error)) from None

    async def _place(self, mailbox: Mailbox) -> Place:
        if mailbox.host.lower() == "localhost":
            addresses = ["127.0.0.1"]
        else:
            answer = await self._resolver.lookup_addresses(mailbox.host)
            if answer.status is not Status.OK:
                raise MailboxError(MailboxFault.CONNECT, f"{mailbox.host} cannot be found: {answer.reason}")
            addresses = list(answer.records)
        private = self._active().snapshot.settings.mailboxes.allow_private
        allowed = [each for each in addresses if private or not is_internal(each)]
        if not allowed:
            text = f"{mailbox.host} is at {addresses[0]}, in our own networks: mailboxes.allow_private allows that"
            raise MailboxError(MailboxFault.CONNECT, text)
        # IPv4 first: some providers know no IPv6 for IMAP, and say so by silence.
        address = min(allowed, key=lambda each: ":" in each)
        return Place(mailbox.host, address, mailbox.port, mailbox.tls == "implicit", mailbox.ca)

    def _context(self, ca: str | None) -> ssl.SSLContext:
        """One for all connections: authorities take a while to read, and much room."""
        try:
            changed = 0.0 if ca is None else Path(ca).stat().st_mtime
            known = self._contexts.get(ca)
            if known is None or known[0] != changed:
                known = self._contexts[ca] = (changed, tls_context(ca))
        except (OSError, ValueError) as error:
            raise MailboxError(MailboxFault.TLS, f"authorities cannot be read from {ca}: {error}") from None
        return known[1]
