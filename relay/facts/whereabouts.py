"""Where companies' mailboxes are, when nobody has written it down: found once for all workers, and remembered.

In charge of when it is looked for: the first time, and again only while what was found gives trouble, for a server that
works is not left for another one. A look that comes to nothing takes nothing away. What may be used at all is decided
in `relay.policy.whereabouts`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import structlog

from relay.clock import Clock
from relay.dns import Resolver
from relay.events import Json
from relay.facts.discovery import Discovery, fetch_with
from relay.http import HttpClient
from relay.imap.faults import MailboxError, MailboxFault
from relay.mail.address import Address
from relay.policy.providers import Endpoint
from relay.policy.whereabouts import Sighting, Whereabouts
from relay.store.facts import Fact, FactStore
from relay.store.spool import SpoolError
from relay.store.update import update

KIND = "whereabouts"
_AGAIN = 900.0  # between two looks for the same mailbox
_SOON = 60.0  # the same after an outage; and how long a look is left to the worker that began it
_PATIENCE = 50.0
_KEPT = 90 * 86400.0  # what nobody has asked for so long is forgotten

log = structlog.get_logger("relay.facts")

Locate = Callable[[Address], Awaitable[Sighting]]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a mailbox's server; times in seconds since the epoch.

    `doubted` says that it has given trouble since; nobody looks before `again`; `why` there is no server is for people.
    """

    place: Whereabouts | None = None
    found: float = 0.0
    doubted: bool = False
    again: float = 0.0
    why: str = ""


class Finder:
    """Finds mailboxes for one worker; `locate` asks the outside, and `believes` says that DNSSEC's word counts."""

    def __init__(self, facts: Callable[[], FactStore], locate: Locate, clock: Clock, *, believes: bool = False) -> None:
        self._facts = facts
        self._locate = locate
        self._clock = clock
        self._believes = believes

    @classmethod
    def over(cls, resolver: Resolver, client: HttpClient, facts: Callable[[], FactStore], clock: Clock) -> Self:
        """One that asks the DNS and the web."""
        locate = Discovery(resolver, fetch_with(client)).locate
        return cls(facts, locate, clock, believes=resolver.is_believed)

    async def find(self, address: Address) -> Whereabouts:
        """Where the mailbox of `address` is. Raises MailboxError and SpoolError."""
        now = self._clock.now()

        def claimed(fact: Fact) -> Fact:
            known = self._known(fact)
            # A time too far away means that the clock was set back since.
            if (known.place is None or known.doubted) and not now < known.again <= now + _AGAIN:
                return self._with(fact, replace(known, again=now + _SOON))
            return fact

        before, after = await update(self._facts(), KIND, str(address), claimed)
        known = self._known(before) if after is before else await self._look(address)
        if known.place is None:
            why = known.why or f"the IMAP server of {address.domain} is being looked for"
            raise MailboxError(MailboxFault.UNPLACED, why, pause=max(known.again - now, 0.0))
        return known.place

    async def known(self, address: Address) -> Known:
        """What is known without a look. Raises SpoolError."""
        return await known_at(self._facts(), str(address))

    async def doubt(self, address: Address, place: Whereabouts) -> None:
        """The server gave trouble: the mailbox may have gone elsewhere."""
        await self._note(address, place, lambda known: replace(known, doubted=True))

    async def prove(self, address: Address, place: Whereabouts, name: str) -> None:
        """The server let the account of that name in. A name that somebody wrote says nothing about the address's."""
        proved = replace(place, names=(name,)) if name in place.names else place
        await self._note(address, place, lambda known: replace(known, place=proved, doubted=False))

    async def _look(self, address: Address) -> Known:
        try:
            async with asyncio.timeout(_PATIENCE):
                seen = await self._locate(address)
        except TimeoutError:
            seen = Sighting(None, f"the IMAP server of {address.domain} cannot be found in time", is_outage=True)
        now = self._clock.now()
        return await self._change(address, lambda known: _after(known, seen, now))

    async def _note(self, address: Address, place: Whereabouts, change: Callable[[Known], Known]) -> None:
        """Change what is known of that place, unless another one counts by now. What happened there stands anyway."""
        try:
            await self._change(address, lambda known: change(known) if known.place == place else known)
        except SpoolError as error:
            log.warning("what is known of a mailbox cannot be kept now", address=str(address), error=str(error))

    async def _change(self, address: Address, change: Callable[[Known], Known]) -> Known:
        now = self._clock.now()

        def changed(fact: Fact) -> Fact:
            known = self._known(fact)
            wanted = change(known)
            is_lasting = fact.due is not None and fact.due > now + _KEPT / 2
            return fact if wanted == known and is_lasting else self._with(fact, wanted)

        before, after = await update(self._facts(), KIND, str(address), changed)
        return self._known(after or before)

    def _known(self, fact: Fact) -> Known:
        known = _known_of(fact) if fact.version else Known()
        # `dns.validating` may have been switched off because its word was worth nothing.
        is_void = known.place is not None and known.place.is_vouched and not self._believes
        return Known() if is_void else known

    def _with(self, fact: Fact, known: Known) -> Fact:
        return replace(fact, value=_write(known), due=self._clock.now() + _KEPT)


async def known_at(facts: FactStore, address: str) -> Known:
    """What is known of the mailbox of that address. Raises SpoolError."""
    fact = await facts.get(KIND, address)
    return Known() if fact is None else _known_of(fact)


def as_json(place: Whereabouts) -> dict[str, Json]:
    """A server, for machines to read."""
    end = place.endpoint
    return {"host": end.host, "port": end.port, "tls": end.tls, "source": place.source}


def _after(known: Known, seen: Sighting, now: float) -> Known:
    """What is known after a look: only trouble makes room for what was found, be it the same server again."""
    again = now + (_SOON if seen.is_outage else _AGAIN)
    if seen.place is None or (known.place is not None and not known.doubted):
        return replace(known, again=again, why=seen.why)
    return Known(seen.place, found=now, again=again)


def _write(known: Known) -> dict[str, Json]:
    value: dict[str, Json] = {
        "found": known.found,
        "doubted": known.doubted,
        "again": known.again,
        "why": known.why,
    }
    if known.place is not None:
        value |= as_json(known.place)
        value |= {"names": list(known.place.names), "vouched": known.place.is_vouched}
    return value


def _known_of(fact: Fact) -> Known:
    value: dict[str, Any] = dict(fact.value)
    place = None
    if "host" in value:
        endpoint = Endpoint(value["host"], value["port"], value["tls"])
        place = Whereabouts(endpoint, tuple(value["names"]), value["source"], value["vouched"])
    return Known(place, value["found"], value["doubted"], value["again"], value["why"])
