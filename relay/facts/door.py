"""The way into companies' mailboxes: the server, its address, whether it may be asked, TLS, and the login."""

import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from relay.config.keyring import Active
from relay.config.secrets import SecretError
from relay.dns import Resolver, Status
from relay.facts.tokens import TokenError, Tokens
from relay.facts.whereabouts import Finder
from relay.http import is_internal
from relay.imap.faults import Login, MailboxError, MailboxFault, Place
from relay.imap.session import ImapSession, tls_context
from relay.policy.company import Mailbox
from relay.policy.issuers import issuer_named
from relay.policy.outcome import Fault
from relay.policy.whereabouts import Whereabouts

# What may mean that a mailbox has gone elsewhere.
_DOUBTS = (MailboxFault.CONNECT, MailboxFault.TLS, MailboxFault.REFUSED)


class _NoLoginError(MailboxError):
    """There is nothing to log in with; no server was asked."""


class Door:
    """Opens mailboxes for one worker."""

    def __init__(self, active: Callable[[], Active], resolver: Resolver, tokens: Tokens, finder: Finder) -> None:
        self._active = active
        self._resolver = resolver
        self._tokens = tokens
        self._finder = finder
        self._contexts: dict[str | None, tuple[float, ssl.SSLContext]] = {}

    async def open(self, mailbox: Mailbox) -> ImapSession:
        """A session with a mailbox. Raises MailboxError, and SpoolError where its server has to be found."""
        if mailbox.sought is None:
            return await self._enter(mailbox)
        found = await self._finder.find(mailbox.sought)
        try:
            session, name = await self._enter_found(mailbox, found)
        except _NoLoginError:
            raise
        except MailboxError as error:
            if error.fault in _DOUBTS:
                await self._finder.doubt(mailbox.sought, found)
            raise
        try:
            await self._finder.prove(mailbox.sought, found, name)
        except BaseException:
            session.cut()
            raise
        return session

    async def host_of(self, mailbox: Mailbox) -> str:
        """The host that a connection to the mailbox counts for: `realm`, until its server was found.

        Raises SpoolError where the server has to be found.
        """
        place = None if mailbox.sought is None else (await self._finder.known(mailbox.sought)).place
        return mailbox.realm if place is None else place.endpoint.host

    async def _enter_found(self, mailbox: Mailbox, found: Whereabouts) -> tuple[ImapSession, str]:
        """A session at the server that was found, and the account's name there.

        Only an account that is named by its address may have another name, and that is tried only where the server
        refuses the first: too many wrong logins lock people out. Tokens are for one name.
        """
        end = found.endpoint
        self._check_token(mailbox, found)
        placed = replace(mailbox, host=end.host, port=end.port, tls=end.tls, sought=None)
        has_other_names = mailbox.oauth2 is None and mailbox.username == str(mailbox.sought)
        *others, last = found.names if has_other_names else (mailbox.username,)
        for name in others:
            try:
                return await self._enter(replace(placed, username=name)), name
            except MailboxError as error:
                if error.fault is not MailboxFault.REFUSED:
                    raise
        return await self._enter(replace(placed, username=last)), last

    def _check_token(self, mailbox: Mailbox, found: Whereabouts) -> None:
        """A domain may still name the server that its mailboxes were at before: no token is shown there."""
        clients, oauth2 = self._active().snapshot.settings.oauth2, mailbox.oauth2
        client = None if oauth2 is None else clients.get(oauth2.client)
        right = issuer_named(None if client is None else client.issuer).imap
        if right and found.endpoint.host.lower() != right:
            text = (
                f"{found.source} name {found.endpoint.host}, but the token is for {right}: nothing was sent there. "
                f"Write into the company's file which it is, under incoming.mailbox: host: {right}"
            )
            raise MailboxError(MailboxFault.UNPLACED, text)

    async def _enter(self, mailbox: Mailbox) -> ImapSession:
        place = await self._place(mailbox)
        try:
            return await self._open(mailbox, place)
        except _NoLoginError:
            raise
        except MailboxError as error:
            if mailbox.oauth2 is None or error.fault is not MailboxFault.REFUSED:
                raise
        # A token may end before its time: the next one is a new one.
        await self._tokens.refused(mailbox)
        return await self._open(mailbox, place)

    async def _open(self, mailbox: Mailbox, place: Place) -> ImapSession:
        login = await self._login(mailbox)
        most = self._active().snapshot.settings.mailboxes.message_size
        return await ImapSession.open(place, login, self._context(mailbox.ca), most)

    def key_of(self, mailbox: Mailbox) -> str:
        """Names everything that a login is made with, the secret included; changes when any of it does."""
        keyring = self._active().keyring
        oauth2 = mailbox.oauth2
        reference = mailbox.password if oauth2 is None else oauth2.refresh_token
        try:
            secret = "" if reference is None else keyring.secret(reference)
        except SecretError as error:
            secret = str(error)
        how = () if oauth2 is None else (oauth2.client, oauth2.grant.value, oauth2.tenant)
        # A host that is written may have the name of the domain that was asked before.
        where = (str(mailbox.sought or ""), mailbox.realm, str(mailbox.port), mailbox.tls)
        return keyring.fingerprint(*where, mailbox.username, secret, *how)

    async def _login(self, mailbox: Mailbox) -> Login:
        try:
            if mailbox.password is not None:
                return Login(mailbox.username, self._active().keyring.secret(mailbox.password))
            return Login(mailbox.username, await self._tokens.access(mailbox), is_token=True)
        except SecretError as error:
            raise _NoLoginError(MailboxFault.REFUSED, str(error)) from None
        except TokenError as error:
            for_people = error.trouble.fault in (Fault.CONSENT, Fault.SECRET)
            refusal = error.trouble.refusal
            advice = "" if refusal is None else refusal.advice
            fault = MailboxFault.REFUSED if for_people else MailboxFault.TROUBLE
            raise _NoLoginError(fault, error.trouble.text, advice=advice) from None

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
