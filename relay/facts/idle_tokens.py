"""Consents that are not used for long: renewed now and then, for issuers let those die that lie idle for months.

In charge of finding out, and saying, that a consent has ended before mail has to wait for it.
"""

from collections.abc import Callable

from relay.clock import Clock
from relay.config.keyring import Active
from relay.facts.tokens import KIND, TokenError, Tokens
from relay.facts.troubles import Details, Trouble, Troubles
from relay.policy.company import Account, Company
from relay.policy.refusals import Cause
from relay.store.facts import FactStore

# What cannot be renewed now is tried again after it.
_AGAIN = 86400.0
_AT_ONCE = 20


class IdleTokens:
    """Renews them for one worker; each falls to one of them."""

    def __init__(
        self, active: Callable[[], Active], facts: Callable[[], FactStore], tokens: Tokens, clock: Clock
    ) -> None:
        self._active = active
        self._facts = facts
        self._tokens = tokens
        self._clock = clock

    async def renew(self) -> None:
        """Renew what has lain idle; companies whose consent has ended are told. Raises SpoolError."""
        now = self._clock.now()
        for fact in await self._facts().take_due(KIND, now=now, until=now + _AGAIN, limit=_AT_ONCE):
            slug, _, username = fact.key.partition(" ")
            company = self._active().snapshot.company(slug)
            if company is not None:
                for account in company.accounts:
                    if account.username == username:
                        await self._renew(company, account)

    async def _renew(self, company: Company, account: Account) -> None:
        try:
            await self._tokens.access(account)
        except TokenError as error:
            refusal, server = error.trouble.refusal, company.server
            if refusal is None or refusal.cause is not Cause.CONSENT:
                return
            # Of its mailbox a company is told by whoever reads it.
            if server is not None and server.oauth2 is not None and server.username == account.username:
                details = Details(f"{account.username} at {server.host}", refusal.plain, refusal.advice)
                await Troubles(self._facts(), self._clock).tell(company.slug, Trouble.CONSENT_NEEDED, details)
