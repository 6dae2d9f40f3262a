"""Which companies cannot be reached at their own address: it is not confirmed, or its host refused mail for it.

In charge of since when that is so. Whoever delivers to the address says here how it went, and whoever takes mail for
the company asks. The key is the company and the address itself: an address that changes begins anew.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from relay.clock import Clock
from relay.config.keyring import Active
from relay.facts.addresses import Addresses, fact_key
from relay.mail.reply import Reply
from relay.policy.company import Company
from relay.policy.home import Cause, answer_writer
from relay.store.facts import Fact, FactStore
from relay.store.update import update

KIND = "home"
# How long it is remembered that nothing is known against an address: every mail asks.
_QUIET = 10.0
_MOST_REMEMBERED = 50_000
# How often mail that is held for a home is tried again by itself.
_PROBE = 86400.0
# A refusal that nothing held has tried for so long is old: new mail finds out.
_FORGOTTEN = 2 * _PROBE


@dataclass(frozen=True, slots=True)
class HomeState:
    """Why a company cannot be reached, since when, and when that was last tried. In seconds since the epoch."""

    cause: Cause
    since: float
    probe: float


class Homes:
    """The companies' own addresses, as one worker knows them. Every call raises SpoolError."""

    def __init__(
        self, active: Callable[[], Active], facts: Callable[[], FactStore], addresses: Addresses, clock: Clock
    ) -> None:
        self._active = active
        self._facts = facts
        self._addresses = addresses
        self._clock = clock
        self._quiet: dict[str, float] = {}

    async def refusal(self, company: Company) -> Reply | None:
        """What a writer outside is told instead of taking mail for the company; None while it can be reached."""
        now = self._clock.now()
        if await self._addresses.is_confirmed(company):
            state = await self._refused_since(company, now)
        else:
            state = await self._unconfirmed_since(company, now)
        if state is None:
            return None
        put_off = self._active().snapshot.settings.delivery.put_off
        return answer_writer(state.cause, since=state.since, now=now, put_off=put_off)

    async def refused(self, company: Company) -> bool:
        """The company's host refused the address for good. Whether that is news."""
        self._quiet.pop(fact_key(company), None)
        now = self._clock.now()

        def refused(fact: Fact) -> Fact:
            known = _read(fact)
            since = known.since if known is not None and known.cause is Cause.REFUSED else now
            return replace(fact, value=asdict(HomeState(Cause.REFUSED, since, now)))

        known = _read((await update(self._facts(), KIND, fact_key(company), refused)).before)
        return known is None or known.cause is not Cause.REFUSED

    async def works(self, company: Company) -> bool:
        """The address took mail. Whether that is news.

        The store is asked every time: another worker may have noted a refusal a moment ago, and held mail would wait a
        day for the next look.
        """
        known = _read((await update(self._facts(), KIND, fact_key(company), lambda _: None)).before)
        self._remember_quiet(company)
        return known is not None and known.cause is Cause.REFUSED

    async def may_try(self, company: Company) -> bool:
        """Whether mail that is held for the address may go: nothing stands against it any more, or a day has passed."""
        fact, now = await self._get(company), self._clock.now()
        state = _read(fact)
        if fact is None or state is None or state.cause is not Cause.REFUSED:
            return True
        if now < state.probe + _PROBE:
            return False
        return await self._facts().put(replace(fact, value=asdict(replace(state, probe=now)))) is not None

    async def _unconfirmed_since(self, company: Company, now: float) -> HomeState | None:
        def begun(fact: Fact) -> Fact:
            known = _read(fact)
            if known is not None and known.cause is Cause.UNCONFIRMED:
                return fact
            return replace(fact, value=asdict(HomeState(Cause.UNCONFIRMED, now, now)))

        return _read((await update(self._facts(), KIND, fact_key(company), begun)).after)

    async def _refused_since(self, company: Company, now: float) -> HomeState | None:
        if company.cut_through or company.into_mailbox:
            # Every writer hears it from the host itself, or nothing goes to that host.
            return None
        if now < self._quiet.get(fact_key(company), 0.0):
            return None
        fact = await self._get(company)
        state = _read(fact)
        if fact is None or state is None:
            self._remember_quiet(company)
            return None
        if state.cause is Cause.UNCONFIRMED:
            # Should the confirmation be lost one day, writers are put off from then on, not from the first time on.
            await self._facts().drop(fact)
            return None
        return state if now < state.probe + _FORGOTTEN else None

    async def _get(self, company: Company) -> Fact | None:
        return await self._facts().get(KIND, fact_key(company))

    def _remember_quiet(self, company: Company) -> None:
        if len(self._quiet) >= _MOST_REMEMBERED:
            self._quiet.clear()
        self._quiet[fact_key(company)] = self._clock.now() + _QUIET


def _read(fact: Fact | None) -> HomeState | None:
    if fact is None or not fact.version:
        return None
    value: dict[str, Any] = dict(fact.value)
    return HomeState(Cause(value["cause"]), float(value["since"]), float(value["probe"]))
