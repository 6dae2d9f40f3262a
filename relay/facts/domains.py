"""Where companies' own domains stand: looked up when a decision wants to know, watched when nobody asks.

In charge of asking again once the DNS says that an answer has run out, of what workers share about it in the store,
and of saying so when a domain comes into order, is at risk or is lost. Whether it does is decided by
`relay.policy.standing`.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import structlog

from relay.authn.own_domain import Look, Ours, look_at
from relay.clock import Clock
from relay.config.keyring import Active
from relay.dns import Resolver
from relay.events import Event, EventType, Json
from relay.facts.domain_record import read_standing, standing_as_json
from relay.facts.troubles import Details, Trouble, Troubles
from relay.mail.challenge import is_answered
from relay.policy.company import Company
from relay.policy.evidence import Evidence
from relay.policy.identity import needs_standing
from relay.policy.prediction import Verdict, predict_own_domain
from relay.policy.standing import Standing, State, advance
from relay.store.facts import Fact, FactStore
from relay.store.spool import SpoolError

KIND = "domain"
_MOST_REMEMBERED = 20_000
_AT_ONCE = 20  # domains that one worker asks about at the same time
_TAKEN_AT_ONCE = 200
_LEASE = 120.0
_AGAIN = 60.0  # between looks at what is at risk and cannot be judged yet
_TRIES = 3
_TROUBLES = {EventType.DOMAIN_AT_RISK: Trouble.DOMAIN_AT_RISK, EventType.DOMAIN_LOST: Trouble.DOMAIN_LOST}

log = structlog.get_logger("relay.facts")


@dataclass(frozen=True, slots=True)
class _Known:
    """A standing, until when it holds, and what it was found for: another domain or other keys want another look."""

    standing: Standing
    expires: float
    basis: str


class DomainFacts:
    """Knows where the domains of companies stand. `tell` hears of every change, once over all workers."""

    def __init__(
        self,
        active: Callable[[], Active],
        facts: Callable[[], FactStore],
        resolver: Resolver,
        clock: Clock,
        tell: Callable[[Event], None],
    ) -> None:
        self._active = active
        self._facts = facts
        self._resolver = resolver
        self._clock = clock
        self._tell = tell
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._looks: dict[tuple[str, str], asyncio.Task[Standing]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def about(self, company: Company) -> Standing:
        """Where the domain of the company's author stands now; a DNS failure never makes it worse."""
        known = self._known.get(company.slug)
        if known is not None and self._holds(known, company):
            return known.standing
        # Mail of one company comes in bursts: all of it waits for one look. A look that was begun for another domain
        # or other keys answers nothing.
        key = (company.slug, self._basis(company))
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = asyncio.create_task(self._learn(company))
            look.add_done_callback(lambda _: self._looks.pop(key, None))
        return await asyncio.shield(look)

    async def look(self, company: Company) -> Look:
        """What the domain of the company's author publishes now."""
        active = self._active()
        domain = company.own_author.ascii_domain
        signing = active.keyring.signing
        is_proven = None if company.vouched else lambda texts: is_answered(texts, company.slug, domain, secrets=signing)
        keys = {selector: signer.record for selector, signer in active.keyring.for_author(domain).items()}
        return await look_at(domain, is_proven, ours(active, keys), self._resolver)

    async def look_at_ours(self) -> Look:
        """What our own domain publishes now, on which aliases stand."""
        active = self._active()
        domain = active.snapshot.settings.domain
        keys = {signer.selector: signer.record for signer in active.keyring.signers.get(domain, ())}
        return await look_at(domain, None, ours(active, keys), self._resolver)

    async def recheck(self) -> None:
        """Look again at domains whose time has come, each in one worker, a few at a time."""
        while True:
            now = self._clock.now()
            due = await self._facts().take_due(KIND, now=now, until=now + _LEASE, limit=_TAKEN_AT_ONCE)
            await asyncio.gather(*(self._recheck(fact) for fact in due))
            if len(due) < _TAKEN_AT_ONCE:
                return

    async def _recheck(self, fact: Fact) -> None:
        company = self._active().snapshot.company(fact.key)
        if company is None or not needs_standing(company):
            await self._facts().drop(fact)
            self._known.pop(fact.key, None)
            return
        async with self._turns:
            await self._learn(company)

    def _holds(self, known: _Known, company: Company) -> bool:
        return self._clock.now() < known.expires and known.basis == self._basis(company)

    def _basis(self, company: Company) -> str:
        """Names everything but the DNS that a look depends on."""
        return f"{company.own_author.ascii_domain} {company.vouched and 'vouched'} {_ours_in_short(self._active())}"

    async def _learn(self, company: Company) -> Standing:
        for _ in range(_TRIES):
            stored = await self._read(company.slug)
            before = _decode(stored) or self._known.get(company.slug)
            if stored is not None and before is not None and self._holds(before, company):
                known = before
                break
            known, is_kept = await self._look_again(company, before, stored)
            if is_kept:
                break
            # Another worker was faster: what it found counts.
        self._known[company.slug] = known
        self._known.move_to_end(company.slug)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return known.standing

    async def _read(self, slug: str) -> Fact | None:
        try:
            return await self._facts().get(KIND, slug)
        except SpoolError as error:
            # The DNS alone can say enough to go on.
            log.warning("what is known about a domain cannot be read now", company=slug, error=str(error))
            return None

    async def _look_again(self, company: Company, known: _Known | None, stored: Fact | None) -> tuple[_Known, bool]:
        """What is known after another look, and whether that is settled: not when another worker was faster."""
        basis = self._basis(company)
        settings = self._active().snapshot.settings
        look = await self.look(company)
        now, patience = self._clock.now(), settings.own_domain.demote_after
        before = _that_counts(known, basis, look.evidence, domain=settings.domain)
        after = advance(before, look.evidence, domain=settings.domain, now=now, patience=patience)
        expires = look.expires
        wait = max(expires - now, settings.own_domain.recheck)
        # Domains that were looked at together do not come back together.
        due = now + wait * (1 + 0.1 * random.random())  # noqa: S311 -- spreads looks, keeps no secret
        if after.state is State.AT_RISK:
            # What is at risk is judged again when its time is over, however long the answers hold.
            over = after.since + patience if now < after.since + patience else now + _AGAIN
            expires, due = min(expires, over), min(due, over)
        fresh = _Known(after, expires, basis)
        fact = Fact(KIND, company.slug, _encode(fresh), stored.version if stored else 0, due)
        try:
            written = await self._facts().put(fact)
        except SpoolError as error:
            log.warning("what is known about a domain cannot be kept now", company=company.slug, error=str(error))
            return fresh, True
        if written is not None:
            await self._say_what_changed(company, before, after, patience)
        return fresh, written is not None

    async def _say_what_changed(
        self, company: Company, before: Standing | None, after: Standing, patience: float
    ) -> None:
        kind = _change(before, after)
        if kind is None:
            return
        prediction = predict_own_domain(after.evidence, domain=self._active().snapshot.settings.domain)
        data: dict[str, Json] = {
            "company": company.slug,
            "domain": after.evidence.domain,
            "reasons": list(prediction.reasons),
            "otherwise": company.otherwise.value,
        }
        if kind is EventType.DOMAIN_AT_RISK:
            data["demoted_at"] = after.since + patience
        self._tell(Event(kind, self._clock.now(), data=data))
        try:
            await self._tell_people(company.slug, kind, Details(after.evidence.domain, "; ".join(prediction.reasons)))
        except SpoolError as error:
            log.warning("nobody can be told about a domain now", company=company.slug, error=str(error))

    async def _tell_people(self, slug: str, kind: EventType, details: Details) -> None:
        troubles = Troubles(self._facts(), self._clock)
        if kind is EventType.DOMAIN_PASSES:
            await troubles.over(slug, Trouble.DOMAIN_AT_RISK, Trouble.DOMAIN_LOST)
        else:
            await troubles.tell(slug, _TROUBLES[kind], details)


def ours(active: Active, keys: dict[str, str]) -> Ours:
    """What domains have to allow, under one configuration; `keys` are DKIM records by selector."""
    settings = active.snapshot.settings
    addresses = tuple(str(address) for address in settings.sending_addresses)
    return Ours(settings.domain, settings.hostname, addresses, keys)


@lru_cache(2)
def _ours_in_short(active: Active) -> str:
    keys = [f"{key.domain}/{key.selector}/{key.delegated}/{key.key}" for key in active.snapshot.settings.dkim]
    settings = ours(active, {})
    return active.keyring.fingerprint(settings.domain, settings.hostname, *settings.addresses, "", *keys)


def _that_counts(known: _Known | None, basis: str, seen: Evidence, *, domain: str) -> Standing | None:
    """What was known before, as far as it can stand beside what is `seen` now.

    What was seen of other keys, for other addresses of ours or while somebody vouched completes no look of today: a
    domain that cannot be judged without it is not known.
    """
    if known is None or known.basis == basis or known.standing.evidence.domain != seen.domain:
        return None if known is None else known.standing
    if predict_own_domain(seen, domain=domain).verdict is Verdict.UNKNOWN:
        return None
    return replace(known.standing, evidence=seen)


def _change(before: Standing | None, after: Standing) -> EventType | None:
    if before is not None and before.evidence.domain != after.evidence.domain:
        before = None
    if before is not None and before.state is after.state:
        return None
    match after.state:
        case State.PASSES:
            return EventType.DOMAIN_PASSES
        case State.AT_RISK:
            return EventType.DOMAIN_AT_RISK
        case State.FAILS if before is not None and before.state in (State.PASSES, State.AT_RISK):
            return EventType.DOMAIN_LOST
    return None


def _encode(known: _Known) -> dict[str, Json]:
    return standing_as_json(known.standing) | {"expires": known.expires, "basis": known.basis}


def _decode(fact: Fact | None) -> _Known | None:
    if fact is None:
        return None
    value: Any = fact.value
    return _Known(read_standing(value), value["expires"], value["basis"])
