"""Which addresses take no more mail of a company: their host said so for good, or the recipient complained.

In charge of remembering that for a month since it was last seen, and of forgetting it when mail arrives there after
all. Decides nothing: an app that wants it so is refused (`relay/intake/submission.py`), or its mail is held
(`relay/delivery/plan.py`). One fact a company and address.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from relay.clock import Clock, timestamp
from relay.mail.address import Address
from relay.policy.bounce_words import COMPLAINT
from relay.policy.decision import Hold
from relay.store.facts import Fact, FactStore
from relay.store.update import update

KIND = "dead-address"
_KEEP = 30 * 86400.0
_PAGE = 1000
_HOLD = "dead"


@dataclass(frozen=True, slots=True)
class DeadAddress:
    """What stands against an address: a class of bounces, the last status; times in seconds since the epoch."""

    reason: str
    status: str
    count: int
    first: float
    last: float

    @property
    def why(self) -> str:
        """What happened, in words that hold nothing of other hosts."""
        day = timestamp(self.last)[:10]
        if self.reason == COMPLAINT:
            return f"the recipient complained about mail of this company on {day}"
        return f"the recipient's host said on {day} that there is no such address"


@dataclass(frozen=True, slots=True)
class DeadAddresses:
    """The dead addresses in the store. Every call raises SpoolError."""

    facts: Callable[[], FactStore]
    clock: Clock

    async def of(self, slug: str, address: Address) -> DeadAddress | None:
        """What stands against an address for that company; None while nothing does."""
        fact = await self.facts().get(KIND, _key(slug, str(address)))
        return None if fact is None or (fact.due or 0.0) <= self.clock.now() else _read(fact)

    async def is_over(self, hold_key: str) -> bool | None:
        """Whether nothing stands any more against the address that mail is held for; None for another kind of key."""
        kind, _, key = hold_key.partition(":")
        if kind != _HOLD:
            return None
        fact = await self.facts().get(KIND, key)
        return fact is None or (fact.due or 0.0) <= self.clock.now()

    async def note(self, slug: str, address: Address, reason: str, status: str) -> None:
        """Mail of the company to that address came back for good, or was complained about."""
        now = self.clock.now()

        def noted(fact: Fact) -> Fact:
            known = _read(fact) if fact.version else DeadAddress(reason, status, 0, now, now)
            value = replace(known, reason=reason, status=status, count=known.count + 1, last=now)
            return replace(fact, value=asdict(value), due=now + _KEEP)

        await update(self.facts(), KIND, _key(slug, str(address)), noted)

    async def forget(self, slug: str, address: str) -> bool:
        """The address takes mail, or a person knows that it does. Whether anything stood against it."""
        change = await update(self.facts(), KIND, _key(slug, address), lambda _: None)
        return change.before.version > 0

    async def page(self, slug: str, *, after: str = "", limit: int = _PAGE) -> list[tuple[str, DeadAddress]]:
        """What stands against addresses for that company, in order: `limit` beyond the address `after`."""
        start = _key(slug, "")
        found: list[tuple[str, DeadAddress]] = []
        beyond = _key(slug, after)
        while len(found) < limit and (facts := await self.facts().list(KIND, after=beyond, limit=_PAGE)):
            for fact in facts:
                if not fact.key.startswith(start):
                    return found[:limit]
                if (fact.due or 0.0) > self.clock.now():
                    found.append((fact.key.removeprefix(start), _read(fact)))
            beyond = facts[-1].key
        return found[:limit]

    async def list(self, slug: str) -> AsyncIterator[tuple[str, DeadAddress]]:
        """All that stands against addresses for that company, in their order."""
        after = ""
        while page := await self.page(slug, after=after):
            for each in page:
                yield each
            after = page[-1][0]


def hold_dead(slug: str, address: Address, dead: DeadAddress) -> Hold:
    """What becomes of mail to a dead address when its app wants it held."""
    return Hold(f"{_HOLD}:{_key(slug, str(address))}", dead.why)


def _key(slug: str, address: str) -> str:
    return f"{slug} {address.lower()}"


def _read(fact: Fact) -> DeadAddress:
    value: dict[str, Any] = dict(fact.value)
    return DeadAddress(**value)
