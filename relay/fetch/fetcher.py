"""Reads the companies' mailboxes, for one worker: those that are due and that nobody else reads now.

Which mailbox is read when is a fact in the store, so workers share them, each about as many. Where there is room, a
mailbox stays open over one connection, which the event loop watches: its server says by itself when mail comes, or it
is looked at again and again. All others are opened for each look.
"""

import asyncio
import random
import resource
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress

import structlog

from relay.config.settings import Mailboxes
from relay.config.snapshot import Snapshot
from relay.fetch.attendant import Attendant, Fetching
from relay.fetch.hold import Hold
from relay.fetch.hosts import Hosts
from relay.fetch.ledger import MAILBOX, MailboxState
from relay.fetch.orders import wanted
from relay.fetch.shares import Share
from relay.fetch.turns import Turns
from relay.store.facts import Fact
from relay.store.spool import SpoolError

_LOOK = 1.0
_UNKNOWN = 30.0
_FORGET = 86400.0
_TOGETHER = 50
_RENEW = 10.0
_LEVEL = 60.0

log = structlog.get_logger("relay.fetch")


class Fetcher:
    """Reads mailboxes for one worker."""

    def __init__(self, fetching: Fetching) -> None:
        self._fetching = fetching
        self._turns = Turns(lambda: self._settings)
        self._share = Share(fetching.spool, fetching.clock)
        self._attendant = Attendant(fetching, Hosts(lambda: self._settings, _open_files() // 2))
        self._known: set[str] = set()
        self._generation = ""
        self._coming = 0
        self._holds: dict[str, Hold] = {}
        self._are_more_due = False
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Read and watch until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_holds())
                tasks.create_task(self._level())
                while True:
                    self._room.clear()
                    try:
                        await self.begin_due(tasks, watch=True)
                    except SpoolError as error:
                        log.warning("the store is in trouble", error=str(error))
                    # Those that were taken begin, or wait for their turn; there may be room for more then.
                    await asyncio.sleep(0)
                    if self._are_more_due and self._free > 0:
                        continue
                    # The next one begins as soon as one is done.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK):
                            await self._room.wait()
        finally:
            await self.close()

    async def begin_due(self, tasks: asyncio.TaskGroup, *, watch: bool = False) -> int:
        """Begin with what is due now, as much as there is room for; how many mailboxes that are.

        With `watch`, those that can be are watched afterwards, until the task is cancelled.
        """
        self._are_more_due = False
        await self._enroll()
        facts = await self._take()
        for fact in facts:
            # Counted here: tasks begin later than the next look at how much room there is.
            self._coming += 1
            tasks.create_task(self._serve(fact, watch=watch))
        return len(facts)

    async def renew_holds(self) -> None:
        """Keep others away from what is read and watched here, and put down how far that is."""
        # All at once: the store writes what comes together in one go.
        holds = [hold for hold in self._holds.values() if hold.wants_renewal]
        results = await asyncio.gather(*(hold.renew() for hold in holds), return_exceptions=True)
        trouble = next((each for each in results if isinstance(each, BaseException)), None)
        if trouble is not None:
            log.warning("mailboxes cannot be kept now", error=str(trouble))
        for hold in holds:
            if hold.is_lost:
                self.end(hold.slug)

    async def end_wanted(self) -> None:
        """End the watch over mailboxes that a person wants something of: they are opened anew, and it is done."""
        try:
            slugs = await wanted(self._fetching.spool.facts)
        except SpoolError as error:
            log.warning("orders for mailboxes cannot be read now", error=str(error))
            return
        for slug in slugs.intersection(self.watched):
            self.end(slug)

    async def give_up_surplus(self) -> None:
        """End the watch over some mailboxes if other workers have far fewer: they take them."""
        try:
            surplus = await self._share.surplus(len(self._holds), len(self._known))
        except SpoolError as error:
            log.warning("mailboxes cannot be shared out now", error=str(error))
            return
        # Those first in which nothing has come for longest: the same ones do not wander about.
        for slug in list(self.watched)[:surplus]:
            self.end(slug)

    @property
    def watched(self) -> Mapping[str, object]:
        """The connections that are watched now, by company."""
        return self._attendant.watched

    def end(self, slug: str) -> None:
        """End the connection to a mailbox that is watched."""
        self._attendant.end(slug)

    async def close(self) -> None:
        """Let go of the child that reads."""
        await self._attendant.close()

    @property
    def _snapshot(self) -> Snapshot:
        return self._fetching.active().snapshot

    @property
    def _settings(self) -> Mailboxes:
        return self._snapshot.settings.mailboxes

    async def _enroll(self) -> None:
        """Every mailbox gets its turn; the first ones spread over the time in which all are looked at."""
        snapshot = self._snapshot
        if snapshot.generation == self._generation:
            return
        mailboxes = set(snapshot.with_mailbox())
        self._known &= mailboxes
        wanted = sorted(mailboxes - self._known)
        spread = min(self._settings.poll, 60.0) if len(wanted) > _TOGETHER else 0.0
        for start in range(0, len(wanted), _TOGETHER):
            await asyncio.gather(*(self._begin(slug, spread) for slug in wanted[start : start + _TOGETHER]))
        self._generation = snapshot.generation
        await self._attendant.end_changed()

    async def _begin(self, slug: str, spread: float) -> None:
        facts, now = self._fetching.spool.facts, self._fetching.clock.now()
        if await facts.get(MAILBOX, slug) is None:
            due = now + random.uniform(0, spread)  # noqa: S311 -- no secret
            await facts.put(MailboxState().put_into(Fact(MAILBOX, slug, {}), due))
        self._known.add(slug)

    @property
    def _free(self) -> int:
        return self._turns.free - self._coming

    async def _take(self) -> list[Fact]:
        free = self._free
        self._are_more_due = free <= 0
        if not self._known or free <= 0:
            return []
        taken = await self._share.take(len(self._holds) + self._coming, len(self._known), free)
        self._are_more_due = len(taken) == free
        return list(taken)

    async def _serve(self, fact: Fact, *, watch: bool) -> None:
        self._coming -= 1
        hold = Hold(self._fetching.spool.facts, self._fetching.clock, fact)
        before = self._holds.get(hold.slug)
        if before is not None:
            # Our own claim has run out, as it may when the machine stood still.
            before.is_lost = True
            self.end(hold.slug)
        self._holds[hold.slug] = hold
        try:
            await self._serve_held(hold, watch=watch)
        except SpoolError as error:
            log.warning("the store is in trouble", error=str(error))
        finally:
            if self._holds.get(hold.slug) is hold:
                del self._holds[hold.slug]

    async def _serve_held(self, hold: Hold, *, watch: bool) -> None:
        now = self._fetching.clock.now()
        company = self._snapshot.company(hold.slug)
        if company is None or company.mailbox is None:
            # Another worker may have read newer files already.
            is_old = hold.state.looked and now - hold.state.looked > _FORGET
            await (hold.forget() if is_old else hold.let_go(now + _UNKNOWN))
            return
        host = await self._attendant.host_of(company.mailbox)
        if (rest := self._attendant.rest(hold, company.mailbox)) > 0:
            await hold.let_go(now + rest)
        elif (again := self._turns.come_again(host, now)) is not None:
            await hold.let_go(again)
        else:
            async with AsyncExitStack() as reading:
                reading.callback(self._one_is_done)
                try:
                    await reading.enter_async_context(self._turns.turn(host))
                except asyncio.CancelledError:
                    await hold.let_go(self._fetching.clock.now())
                    raise
                if not hold.is_lost:
                    await self._attendant.attend(hold, reading, watch=watch)

    def _one_is_done(self) -> None:
        if self._are_more_due:
            self._room.set()

    async def _keep_holds(self) -> None:
        while True:
            await asyncio.sleep(_RENEW)
            await self.renew_holds()
            await self.end_wanted()

    async def _level(self) -> None:
        while True:
            await asyncio.sleep(_LEVEL)
            await self.give_up_surplus()


def _open_files() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
