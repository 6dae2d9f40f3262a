"""Reads the companies' mailboxes, for one worker: those that are due and that nobody else reads now.

Which mailbox is read when is a fact in the store, so workers and machines share them. Work with a server is done in a
few threads; so many mailboxes at once, so many on one host.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from relay.clock import Clock
from relay.config.keyring import Active
from relay.config.secrets import SecretError
from relay.dns import Resolver, Status
from relay.events import Event, EventSink, EventType, Json
from relay.fetch.imap import MailboxError, MailboxFault, Place
from relay.fetch.ledger import MAILBOX, MailboxState
from relay.fetch.maildesk import SinkError
from relay.fetch.reader import Reader
from relay.fetch.sinks import ApiSink, FolderSink, Sink
from relay.fetch.visit import LEASE, LostHoldError, Tools, Visit
from relay.http import HttpClient, is_internal
from relay.policy.company import Company, Mailbox
from relay.policy.upload import Verdict
from relay.store.facts import Fact
from relay.store.spool import Spool, SpoolError

_LOOK = 1.0
_AT_LEAST = 5.0
_MOST_PAUSE = 3600.0
# An account that is refused is asked seldom: too many wrong logins shut people out.
_REFUSED = 1800.0
_BUSY_HOST = 5.0
_UNKNOWN = 30.0
_FORGET = 86400.0
_TOGETHER = 50

log = structlog.get_logger("relay.fetch")


@dataclass(frozen=True, slots=True)
class Fetching:
    """What mailboxes are read with."""

    active: Callable[[], Active]
    spool: Spool
    resolver: Resolver
    client: HttpClient
    clock: Clock
    events: EventSink


class Fetcher:
    """Reads mailboxes for one worker."""

    def __init__(self, fetching: Fetching) -> None:
        self._fetching = fetching
        self._reader = Reader()
        self._known: set[str] = set()
        self._generation = ""
        self._hosts: Counter[str] = Counter()
        self._visits: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(self._active.snapshot.settings.mailboxes.at_once, "mailbox")

    async def run(self) -> None:
        """Read until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    try:
                        await self.begin_due(tasks)
                    except SpoolError as error:
                        log.warning("the store is in trouble", error=str(error))
                    await asyncio.sleep(_LOOK)
        finally:
            await self.close()

    async def begin_due(self, tasks: asyncio.TaskGroup) -> int:
        """Begin with what is due now, as much as there is room for; how many mailboxes that are."""
        await self._enroll()
        facts = await self._take()
        for fact in facts:
            visit = tasks.create_task(self._serve(fact))
            self._visits.add(visit)
            visit.add_done_callback(self._visits.discard)
        return len(facts)

    async def close(self) -> None:
        """Let go of threads and of the child that reads."""
        self._threads.shutdown(wait=False)
        await self._reader.close()

    @property
    def _active(self) -> Active:
        return self._fetching.active()

    async def _enroll(self) -> None:
        """Every mailbox gets its turn; the first ones spread over the time in which all are looked at."""
        snapshot = self._active.snapshot
        if snapshot.generation == self._generation:
            return
        mailboxes = set(snapshot.with_mailbox())
        self._known &= mailboxes
        wanted = sorted(mailboxes - self._known)
        for start in range(0, len(wanted), _TOGETHER):
            await asyncio.gather(*(self._begin(slug) for slug in wanted[start : start + _TOGETHER]))
        self._generation = snapshot.generation

    async def _begin(self, slug: str) -> None:
        facts, now = self._fetching.spool.facts, self._fetching.clock.now()
        if await facts.get(MAILBOX, slug) is None:
            spread = min(self._active.snapshot.settings.mailboxes.poll, 60.0)
            due = now + random.uniform(0, spread) if len(self._known) > _TOGETHER else now  # noqa: S311 -- no secret
            await facts.put(MailboxState().put_into(Fact(MAILBOX, slug, {}), due))
        self._known.add(slug)

    async def _take(self) -> list[Fact]:
        free = self._active.snapshot.settings.mailboxes.at_once - len(self._visits)
        if not self._known or free <= 0:
            return []
        now = self._fetching.clock.now()
        return list(await self._fetching.spool.facts.take_due(MAILBOX, now=now, until=now + LEASE, limit=free))

    async def _serve(self, fact: Fact) -> None:
        try:
            await self._serve_held(fact)
        except SpoolError as error:
            log.warning("the store is in trouble", error=str(error))
        except Exception as error:
            self._emit(EventType.FAULT, {"error": f"{type(error).__name__}: {error}", "company": fact.key})
            log.exception("a mailbox cannot be read", company=fact.key)

    async def _serve_held(self, fact: Fact) -> None:
        facts, clock = self._fetching.spool.facts, self._fetching.clock
        company = self._active.snapshot.company(fact.key)
        if company is None or company.mailbox is None:
            await self._leave(fact)
            return
        settings = self._active.snapshot.settings.mailboxes
        host = company.mailbox.host.lower()
        if self._hosts[host] >= settings.per_host:
            await facts.put(replace(fact, due=clock.now() + _BUSY_HOST * random.uniform(0.5, 1)))  # noqa: S311 -- as above
            return
        self._hosts[host] += 1
        try:
            await self._visit(fact, company, company.mailbox)
        finally:
            self._hosts[host] -= 1

    async def _leave(self, fact: Fact) -> None:
        """A mailbox that our configuration does not have: another worker may have read newer files already."""
        facts, now = self._fetching.spool.facts, self._fetching.clock.now()
        looked = MailboxState.of(fact).looked
        if looked and now - looked > _FORGET:
            await facts.drop(fact)
        else:
            await facts.put(replace(fact, due=now + _UNKNOWN))

    async def _visit(self, fact: Fact, company: Company, mailbox: Mailbox) -> None:
        fetching = self._fetching
        sink = self._sink()
        if sink is None:
            error = "relay.yaml names no fast_input to hand documents on to"
            await self._end(fact, MailboxState.of(fact), error, 0.0)
            return
        facts, clock, events = fetching.spool.facts, fetching.clock, fetching.events
        tools = Tools(fetching.active, facts, clock, events, self._reader, self._threads, self._run)
        visit = Visit(tools, company, mailbox, sink, fact)
        error, pause = "", 0.0
        try:
            password = self._active.keyring.secret(mailbox.password)
            await visit.run(await self._place(mailbox), password)
        except LostHoldError:
            return
        except asyncio.CancelledError:
            # Others need not wait until the hold runs out.
            await facts.put(visit.state.put_into(visit.fact, clock.now()))
            raise
        except SecretError as trouble:
            error, pause = str(trouble), _REFUSED
        except MailboxError as trouble:
            error, pause = str(trouble), _REFUSED if trouble.fault is MailboxFault.REFUSED else 0.0
        except SinkError as trouble:
            access = trouble.answer.verdict is Verdict.ACCESS
            error, pause = f"Fast input: {trouble}", _REFUSED if access else trouble.answer.pause
        await self._end(visit.fact, visit.state, error, pause)

    async def _end(self, fact: Fact, state: MailboxState, error: str, pause: float) -> None:
        now = self._fetching.clock.now()
        poll = self._active.snapshot.settings.mailboxes.poll
        failures = state.failures + 1 if error else 0
        wait = poll if not error else max(pause, min(max(poll, _AT_LEAST) * 2 ** min(failures - 1, 10), _MOST_PAUSE))
        if error and error != state.error:
            self._emit(EventType.MAILBOX_FAILED, {"company": fact.key, "error": error})
        elif state.error and not error:
            self._emit(EventType.MAILBOX_BACK, {"company": fact.key})
        state = replace(state, looked=now, succeeded=state.succeeded if error else now, failures=failures, error=error)
        due = now + wait * random.uniform(0.9, 1.1)  # noqa: S311 -- as above
        await self._fetching.spool.facts.put(state.put_into(fact, due))

    def _sink(self) -> Sink | None:
        active = self._active
        fast_input = active.snapshot.settings.fast_input
        if fast_input.api is not None:
            return ApiSink(fast_input.api, active.keyring, self._fetching.client)
        return None if fast_input.folder is None else FolderSink(Path(fast_input.folder))

    async def _place(self, mailbox: Mailbox) -> Place:
        """Where the mailbox is. Raises MailboxError for what may not be asked, or is not found."""
        if mailbox.host.lower() == "localhost":
            addresses = ["127.0.0.1"]
        else:
            answer = await self._fetching.resolver.lookup_addresses(mailbox.host)
            if answer.status is not Status.OK:
                raise MailboxError(MailboxFault.CONNECT, f"{mailbox.host} cannot be found: {answer.reason}")
            addresses = list(answer.records)
        private = self._active.snapshot.settings.mailboxes.allow_private
        allowed = [each for each in addresses if private or not is_internal(each)]
        if not allowed:
            text = f"{mailbox.host} is at {addresses[0]}, in our own networks: mailboxes.allow_private allows that"
            raise MailboxError(MailboxFault.CONNECT, text)
        # IPv4 first: some providers know no IPv6 for IMAP, and say so by silence.
        address = min(allowed, key=lambda each: ":" in each)
        return Place(mailbox.host, address, mailbox.port, mailbox.tls == "implicit", mailbox.ca)

    async def _run(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*arguments, **named))

    def _emit(self, kind: EventType, data: dict[str, Json]) -> None:
        self._fetching.events.emit(Event(kind, self._fetching.clock.now(), data=data))
