"""Held mail, and whether what it waits for has gone away."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from relay.delivery.accounts import Accounts, key_of, smarthost_key
from relay.delivery.plan import Planner
from relay.delivery.recording import Sending
from relay.delivery.settle import is_mail_key
from relay.facts.dead_addresses import DeadAddresses
from relay.facts.homes import Homes
from relay.policy.company import Company
from relay.policy.decision import Decision, Hold, Wait
from relay.policy.home import home_key

_JUDGED_AT_ONCE = 20

log = structlog.get_logger("relay.delivery")


@dataclass(frozen=True, slots=True)
class Reasons:
    """Who knows of what mail may wait for. `is_smarthost_well`: it took the last mail that was given to it."""

    planner: Planner
    homes: Homes
    dead: DeadAddresses
    accounts: Accounts
    is_smarthost_well: Callable[[], bool]


class Releaser:
    """Lets held mail go for one worker; `look` is called when some is due again."""

    def __init__(self, sending: Sending, reasons: Reasons, look: Callable[[], None]) -> None:
        self._sending = sending
        self._reasons = reasons
        self._look = look

    async def release_held(self) -> None:
        """Let held mail go whose reason is gone: a repaired record, a changed password, a company that is back."""
        waiting = iter(await self._sending.spool.held())

        async def look() -> None:
            for key, slug in waiting:
                most = await self._how_many_or_odd(key, slug)
                if most != 0:
                    await self.release(key, most)

        # Some at a time: a name server that does not answer must not keep the others' mail.
        for ended in await asyncio.gather(*(look() for _ in range(_JUDGED_AT_ONCE)), return_exceptions=True):
            if ended is not None:
                raise ended

    async def _how_many_or_odd(self, key: str, slug: str) -> int | None:
        try:
            return await self._how_many(key, slug)
        except Exception:
            log.exception("held mail cannot be judged", company=slug)
            return 0

    async def _how_many(self, key: str, slug: str) -> int | None:
        """How many of the company's mails may go that are held for the reason named `key`; None for all."""
        company = self._sending.active().snapshot.company(slug)
        if (is_free := await self._is_free(key, company)) is not None:
            return None if is_free else 0
        choice = await self._reasons.planner.choose_for(company, slug)
        match choice:
            case Decision():
                account = key_of(choice, self._sending.active().keyring)
                if account == key:
                    return await self._reasons.accounts.how_many(key, slug)
                return 0 if account and is_mail_key(key, account) else None
            case Hold():
                return 0 if choice.key == key else None
            case Wait():
                # What cannot be looked up now may still be as it was.
                return 0

    async def _is_free(self, key: str, company: Company | None) -> bool | None:
        """Whether what `key` names has gone away, where that is no matter of the company's name; None where it is."""
        active = self._sending.active()
        if company is not None and key == home_key(company):
            return await self._reasons.homes.may_try(company)
        if key == smarthost_key(active):
            return self._reasons.is_smarthost_well()
        is_over = await self._reasons.dead.is_over(key)
        if is_over is False:
            return all(app.dead_addresses != "hold" for app in active.snapshot.settings.apps.values())
        return is_over

    async def release(self, key: str, most: int | None = None) -> None:
        """Let mail go that is held for `key`: `most` of it, or all."""
        if await self._sending.spool.release(key, now=self._sending.clock.now(), most=most):
            self._look()
