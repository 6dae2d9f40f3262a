"""Sends the notices that are wanted: takes what has fallen due among the facts, writes it, puts it into the queue.

In charge of who gets a notice: the company at its confirmed address, else the operator; an address that is not
confirmed gets nothing but the mail that asks for it. Every notice has the null reverse path, so no bounce comes back,
and one recipient gets only so many a day. A wish is taken by one worker, and done with only when its mail is stored.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from relay.clock import Clock
from relay.config.keyring import Active
from relay.config.settings import Settings
from relay.events import Event, EventSink, EventType
from relay.facts import addresses, troubles
from relay.facts.addresses import Addresses
from relay.facts.troubles import OPERATOR, Trouble
from relay.intake.queue_id import new_queue_id
from relay.mail.address import Address
from relay.mail.envelope import Envelope, Recipient
from relay.notices.compose import Composer, Letter
from relay.notices.storing import store
from relay.policy import confirmation
from relay.policy.company import Company, Language, Otherwise
from relay.store.facts import Fact
from relay.store.spool import Acceptance, Message, Origin, Spool, SpoolError

SENDER = "notices"
_COUNTED = "notices-to"
_LOOK_AGAIN = 2.0
_AT_ONCE = 20
# Another worker takes a wish over when this one has not got it done by then.
_CLAIM = 60.0
_DAY = 86400.0
_OVER = {
    Trouble.DOMAIN_AT_RISK: "domain-back",
    Trouble.DOMAIN_LOST: "domain-back",
    Trouble.ACCOUNT_REFUSED: "account-back",
    Trouble.CONSENT_NEEDED: "account-back",
    Trouble.MAILBOX_REFUSED: "mailbox-back",
    Trouble.FAST_INPUT_REFUSED: "fast-input-back",
    Trouble.DOCUMENTS_REFUSED: "documents-taken",
    Trouble.CERTIFICATE_EXPIRES: "certificate-renewed",
    Trouble.ADDRESS_REFUSED: "address-back",
}
# About a company, and for the operator: mail to the company is just what does not arrive.
_FOR_OPERATOR = {Trouble.ADDRESS_REFUSED}

log = structlog.get_logger("relay.notices")


@dataclass(frozen=True, slots=True)
class _Wish:
    """A notice that is wanted, and what becomes of its fact when it has gone; None: the fact goes.

    Without a company it is the operator's own; `for_operator` says that it goes there in a company's place.
    """

    company: Company | None
    kind: str
    to: Address
    values: dict[str, str | bool]
    after: Fact | None
    for_operator: bool = False
    stands_in: bool = False  # the operator gets it in the company's place


@dataclass(frozen=True, slots=True)
class Posting:
    """What notices are sent with; `look` is called when one waits in the queue."""

    active: Callable[[], Active]
    spool: Spool
    clock: Clock
    events: EventSink
    look: Callable[[], None]


class Courier:
    """Sends notices for one worker."""

    def __init__(self, posting: Posting, known: Addresses) -> None:
        self._active = posting.active
        self._spool = posting.spool
        self._clock = posting.clock
        self._events = posting.events
        self._look = posting.look
        self._addresses = known
        self._composer = Composer()
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """Look now instead of in a moment."""
        self._wanted.set()

    async def run(self) -> None:
        """Send what falls due, until cancelled."""
        while True:
            self._wanted.clear()
            try:
                await self.send_due()
            except SpoolError as error:
                log.warning("the store is in trouble", error=str(error))
            try:
                async with asyncio.timeout(_LOOK_AGAIN):
                    await self._wanted.wait()
            except TimeoutError:
                pass

    async def send_due(self) -> int:
        """Send what is due now; how many notices went into the queue."""
        sent = 0
        for kind in (addresses.KIND, troubles.KIND):
            now = self._clock.now()
            for fact in await self._spool.facts.take_due(kind, now=now, until=now + _CLAIM, limit=_AT_ONCE):
                try:
                    sent += await self._serve(fact)
                except SpoolError:
                    raise
                except Exception:
                    # Seen again when the claim has run out; the others need not wait for it.
                    log.exception("a notice cannot be written", key=fact.key)
        if sent:
            self._look()
        return sent

    async def _serve(self, fact: Fact) -> int:
        about_address = fact.kind == addresses.KIND
        wish = self._question(fact) if about_address else await self._trouble(fact)
        if wish is not None:
            return await self._send(fact, wish)
        # Nobody is there to be told any more; what was asked, and whether it was confirmed, stays known.
        if about_address:
            await self._spool.facts.put(replace(fact, due=None))
        else:
            await self._spool.facts.drop(fact)
        return 0

    def _question(self, fact: Fact) -> _Wish | None:
        """The mail that asks a company to confirm its address."""
        active = self._active()
        slug, _, address = fact.key.partition(" ")
        company, web = active.snapshot.company(slug), active.snapshot.settings.listeners.web
        state = addresses.read_state(fact.value)
        if company is None or str(company.address) != address or state.confirmation is not None:
            return None
        if web is None or web.public_url is None:
            return None
        secret = active.keyring.signing[0]
        token = confirmation.link_token(secret, slug, address, state.nonce, expires=int(state.expires))
        page = f"{web.public_url}/confirm/{slug}"
        values: dict[str, str | bool] = {
            "link": f"{page}/{token}",
            "page": page,
            "code": confirmation.code(secret, slug, address, state.nonce),
            "days": str(max(round((state.expires - self._clock.now()) / _DAY), 1)),
        }
        return _Wish(company, "confirm-address", company.address, values, replace(fact, due=None))

    async def _trouble(self, fact: Fact) -> _Wish | None:
        """A notice of a trouble, or of its end."""
        settings = self._active().snapshot.settings
        slug, trouble = troubles.read_key(fact.key)
        company = self._active().snapshot.company(slug)
        if company is None and slug != OPERATOR:
            return None
        state = troubles.read_trouble(fact.value)
        told = replace(state, told=self._clock.now(), count=state.count + 1)
        values: dict[str, str | bool] = {
            "about": state.details.about,
            "cause": state.details.cause,
            "advice": state.details.advice,
            "reminder": state.count > 0,
        }
        kind = _OVER[trouble] if state.over else trouble.value
        after = None if state.over else replace(fact, value=troubles.write_trouble(told), due=None)
        if company is None:
            return _Wish(None, kind, settings.postmaster, values, after)
        values |= {"waits": company.otherwise is Otherwise.HOLD, "alias": f"{company.alias}@{settings.domain}"}
        if trouble in _FOR_OPERATOR:
            return _Wish(company, kind, settings.postmaster, values, after, for_operator=True)
        confirmed = await self._addresses.is_confirmed(company)
        to = company.address if confirmed else settings.postmaster
        return _Wish(company, kind, to, values, after, for_operator=not confirmed, stands_in=not confirmed)

    async def _send(self, fact: Fact, wish: _Wish) -> int:
        """Put the notice into the queue, then be done with the wish: rather twice than not at all."""
        now = self._clock.now()
        if (later := await self._count(wish.to, now)) > now:
            log.warning("too many notices in a day, this one waits", to=str(wish.to), kind=wish.kind)
            await self._spool.facts.put(replace(fact, due=later))
            return 0
        acceptance = self._acceptance(wish, now)
        await self._spool.commit(acceptance)
        for event in acceptance.events:
            self._events.emit(event)
        if wish.after is not None:
            await self._spool.facts.put(wish.after)
        else:
            await self._spool.facts.drop(fact)
        return 1

    async def _count(self, to: Address, now: float) -> float:
        """Count one more notice for `to` today: now, or when the next one may go out."""
        key, day = str(to).lower(), int(now // _DAY)
        while True:
            fact = await self._spool.facts.get(_COUNTED, key) or Fact(_COUNTED, key, {})
            count = int(str(fact.value.get("count", 0))) if fact.value.get("day") == day else 0
            if count >= self._active().snapshot.settings.notices.per_day:
                return (day + 1) * _DAY
            if await self._spool.facts.put(replace(fact, value={"day": day, "count": count + 1})) is not None:
                return now

    def _acceptance(self, wish: _Wish, now: float) -> Acceptance:
        settings, company = self._active().snapshot.settings, wish.company
        theirs = company is not None and not wish.for_operator
        queue_id = new_queue_id(now)
        message_id = f"{queue_id}@{settings.domain}"
        letter = Letter(
            kind=wish.kind,
            language=language_of(company, settings) if company is not None and theirs else settings.notices.language,
            to=wish.to,
            sender=Address(SENDER, settings.domain),
            relay=settings.notices.name or settings.domain,
            message_id=message_id,
            at=now,
            values={**_named(company), **wish.values},
            for_operator=wish.stands_in,
        )
        envelope = Envelope(None, (Recipient(wish.to),), smtputf8=not wish.to.is_ascii)
        content = store(self._spool, self._composer.compose(letter))
        message = Message(queue_id, Origin.NOTICE, now, "", "", f"<{message_id}>", envelope, content)
        slug = "" if company is None else company.slug
        told = {"origin": Origin.NOTICE.value, "notice": wish.kind, "company": slug, "to": str(wish.to)}
        events = (Event(EventType.RECEIVED, now, queue_id, None, told),)
        # What goes to the operator waits for no company.
        return Acceptance(message, (slug if theirs else "",), leased=False, events=events)


def _named(company: Company | None) -> dict[str, str | bool]:
    return {} if company is None else {"company": company.name, "address": str(company.address)}


def language_of(company: Company, settings: Settings) -> Language:
    """In which language a company is spoken to."""
    return company.language or settings.notices.language
