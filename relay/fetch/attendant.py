"""Attends to one mailbox at a time for whoever holds it: opens it, reads what is new, and watches it if that can be.

In charge of what follows from trouble: how long the mailbox is left alone, and what is told about it.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from time import monotonic

import structlog

from relay.clock import Clock
from relay.config.keyring import Active
from relay.config.settings import Mailboxes
from relay.dns import Resolver
from relay.events import Event, EventSink, EventType, Json
from relay.facts.addresses import Addresses
from relay.facts.door import Door
from relay.facts.tokens import Tokens
from relay.facts.troubles import OPERATOR, Details, Trouble, Troubles
from relay.facts.whereabouts import Finder
from relay.fetch.hold import READING, WATCHING, Hold, LostHoldError
from relay.fetch.hosts import Hosts
from relay.fetch.maildesk import SinkError
from relay.fetch.outbox import Outbox
from relay.fetch.reader import Readers
from relay.fetch.sinks.choice import Sinks
from relay.fetch.sinks.offer import Sink
from relay.fetch.unable import Unable
from relay.fetch.visit import Tools, Visit
from relay.http import HttpClient
from relay.imap.faults import MailboxError, MailboxFault
from relay.imap.session import ImapSession
from relay.incoming.returned import Returns, SentMail
from relay.policy.company import Company, Mailbox
from relay.policy.upload import Verdict
from relay.store.spool import Spool, SpoolError

_AT_LEAST = 5.0
_MOST_PAUSE = 3600.0
# What was only not to be had is tried again soon: hosts are restarted, and networks have their moments.
_SOON = 15.0
# An account that is refused is asked seldom: too many wrong logins shut people out. Whether it was repaired is
# looked at often: that asks nobody.
_REFUSED = 1800.0
_REPAIRED = 30.0
# Tokens lock nobody out, and consent comes without a change of ours.
_CONSENT = 300.0
# A connection that lasted so long was a good one: its end is no trouble, and it is made again soon.
_LASTED = 60.0
_AGAIN = 15.0
# How often in turn a server may know of nothing new, nine minutes each time, before its folder is looked at anyway.
_TRUSTED = 4
# So many mails may be in memory at once.
_BODIES = 8

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


class _By(StrEnum):
    """Who does not let us in."""

    MAILBOX = "mailbox"
    SEARCH = "search"  # nobody: it is not known where to go
    FAST_INPUT = "fast-input"


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a mailbox could not be read to its end; `refused`: until repaired.

    In seconds, 0 for the usual: `pause` was asked for, `first` is the pause after the first trouble, which doubles.
    """

    text: str
    pause: float = 0.0
    first: float = 0.0
    refused: _By | None = None
    advice: str = ""


@dataclass(slots=True)
class _Watch:
    """A connection that is watched, by those settings; `is_ended`: by ourselves, to be opened anew at once."""

    settings: int
    session: ImapSession
    is_ended: bool = False


class Attendant:
    """Attends to mailboxes for one worker."""

    def __init__(self, fetching: Fetching, hosts: Hosts) -> None:
        self._fetching = fetching
        self._hosts = hosts
        tokens = Tokens(fetching.active, lambda: fetching.spool.facts, fetching.client, fetching.clock)
        finder = Finder.over(fetching.resolver, fetching.client, lambda: fetching.spool.facts, fetching.clock)
        self._door = Door(fetching.active, fetching.resolver, tokens, finder)
        self._readers = Readers()
        outbox = Outbox(fetching.active, fetching.spool, fetching.clock, fetching.events)
        known = Addresses(fetching.active, fetching.spool, fetching.clock)
        self._unable = Unable(outbox, known.is_confirmed)
        self._returns = Returns(SentMail(fetching.active, fetching.spool), fetching.clock, fetching.events)
        self._sinks = Sinks(fetching.active, fetching.spool, fetching.client, fetching.clock, fetching.events)
        self._bodies = asyncio.Semaphore(_BODIES)
        self._turns = asyncio.Semaphore(self._settings.at_once)
        self._watched: dict[str, _Watch] = {}

    @cached_property
    def _troubles(self) -> Troubles:
        # A store has facts only once it is started.
        return Troubles(self._fetching.spool.facts, self._fetching.clock)

    def rest(self, hold: Hold, mailbox: Mailbox) -> float:
        """How many seconds the mailbox of a refused account is left alone; 0 when something was repaired."""
        state = hold.state
        left = state.until - self._fetching.clock.now()
        if not state.refused or left <= 0 or state.refused.partition(" ")[2] != self._key(hold.slug, mailbox):
            return 0.0
        return min(left, _REPAIRED)

    async def host_of(self, mailbox: Mailbox) -> str:
        """The host that reading this mailbox counts for. Raises SpoolError."""
        return await self._door.host_of(mailbox)

    async def attend(self, hold: Hold, reading: AsyncExitStack, *, watch: bool) -> None:
        """Read a mailbox and, if wanted, watch it as long as that goes well; `reading` is closed when only watching.

        Raises:
            SpoolError: the store is in trouble.
        """
        try:
            trouble = await self._try(hold, reading, watch=watch)
            if trouble is not None:
                await self._end(hold, trouble)
        except LostHoldError:
            return
        except asyncio.CancelledError:
            # Others need not wait until the hold runs out.
            await hold.let_go(self._fetching.clock.now())
            raise

    async def _try(self, hold: Hold, reading: AsyncExitStack, *, watch: bool) -> _Trouble | None:
        """As `attend`; what went wrong. Raises LostHoldError, too."""
        try:
            await self._serve(hold, reading, watch=watch)
        except (LostHoldError, SpoolError):
            raise
        except MailboxError as error:
            if error.crowded:
                host = await self.host_of(self._found(hold.slug)[1])
                self._hosts.crowded(host, hold.slug, self._fetching.clock.now())
            refused = {MailboxFault.REFUSED: _By.MAILBOX, MailboxFault.UNPLACED: _By.SEARCH}.get(error.fault)
            first = {MailboxFault.CONNECT: _SOON, MailboxFault.BUSY: error.pause}.get(error.fault, 0.0)
            return _Trouble(str(error), error.pause, first, refused, error.advice)
        except SinkError as error:
            refused = _By.FAST_INPUT if error.answer.verdict is Verdict.ACCESS else None
            return _Trouble(f"Fast input: {error}", error.answer.pause, refused=refused)
        except Exception as error:
            self._emit(EventType.FAULT, {"error": f"{type(error).__name__}: {error}", "company": hold.slug})
            log.exception("a mailbox cannot be read", company=hold.slug)
            return _Trouble(f"the relay stumbled over this mailbox ({type(error).__name__})")
        return None

    @property
    def watched(self) -> Mapping[str, object]:
        """The connections that are watched now, by company."""
        return self._watched

    async def end_changed(self) -> None:
        """Watch no mailbox any more whose settings have changed: it is opened anew."""
        for slug, watch in list(self._watched.items()):
            if watch.settings != self._settings_of(slug):
                watch.session.cut()
            await asyncio.sleep(0)

    def end(self, slug: str) -> None:
        """Watch that mailbox no more: whoever takes it next opens it anew."""
        if slug in self._watched:
            self._watched[slug].is_ended = True
            self._watched[slug].session.cut()

    async def close(self) -> None:
        """Let go of the program that reads."""
        await self._readers.close()

    @property
    def _active(self) -> Active:
        return self._fetching.active()

    @property
    def _settings(self) -> Mailboxes:
        return self._active.snapshot.settings.mailboxes

    def _found(self, slug: str) -> tuple[Company, Mailbox]:
        company = self._active.snapshot.company(slug)
        if company is None or company.mailbox is None:
            raise LostHoldError
        return company, company.mailbox

    async def _serve(self, hold: Hold, reading: AsyncExitStack, *, watch: bool) -> None:
        """As `_try`, with all errors."""
        company, mailbox = self._found(hold.slug)
        sink = self._sinks.of(company)
        if sink is None:
            await self._end(hold, _Trouble("neither relay.yaml nor the company names a fast_input"))
            return
        hold.state = replace(hold.state, sought=str(mailbox.sought or ""))
        session = await self._door.open(mailbox)
        try:
            if not await self._visit(hold, session, company, mailbox, sink):
                # The others have their turn first.
                await hold.let_go(self._fetching.clock.now())
            elif watch:
                await reading.aclose()
                await self._watch(hold, session, await self.host_of(mailbox))
            else:
                await self._end(hold, None)
        finally:
            await session.close()

    async def _visit(self, hold: Hold, session: ImapSession, company: Company, mailbox: Mailbox, sink: Sink) -> bool:
        fetching = self._fetching
        hold.length = READING
        with self._readers.new() as reader:
            tools = Tools(
                fetching.active,
                fetching.spool.facts,
                fetching.clock,
                fetching.events,
                reader,
                self._bodies,
                self._unable,
                self._returns,
            )
            return await Visit(tools, company, mailbox, sink, hold).run(session)

    async def _watch(self, hold: Hold, session: ImapSession, host: str) -> None:
        """Read what comes, whenever it comes. Ends by letting the mailbox go, or with what `attend` knows."""
        slug, clock = hold.slug, self._fetching.clock
        while True:
            if not self._hosts.may_watch(host, slug, clock.now()):
                await self._end(hold, None)
                return
            await self._note_success(hold)
            hold.length = WATCHING
            if hold.wants_writing:
                await hold.renew()
            begun = monotonic()
            watch = self._watched[slug] = _Watch(self._settings_of(slug), session)
            try:
                with self._hosts.watching(host, slug, session.cut):
                    for _ in range(_TRUSTED):
                        if await session.wait_for_mail(self._spread(self._settings.poll)):
                            break
                        hold.state = replace(hold.state, looked=clock.now(), succeeded=clock.now())
            except MailboxError as error:
                if error.crowded:
                    self._hosts.crowded(host, slug, clock.now())
                lasted = monotonic() - begun >= _LASTED or watch.settings != self._settings_of(slug)
                wait = random.uniform(0, _AGAIN) if lasted else self._settings.poll  # noqa: S311 -- no secret
                wait = 0.0 if watch.is_ended else wait
                await hold.let_go(clock.now() + max(wait, error.pause))
                return
            finally:
                if self._watched.get(slug) is watch:
                    del self._watched[slug]
            company, mailbox = self._found(slug)
            sink = self._sinks.of(company)
            async with self._turns:
                if sink is None or not await self._visit(hold, session, company, mailbox, sink):
                    await hold.let_go(clock.now())
                    return

    @staticmethod
    def _spread(seconds: float) -> float:
        return seconds * random.uniform(0.9, 1.1)  # noqa: S311 -- no secret

    def _settings_of(self, slug: str) -> int:
        company = self._active.snapshot.company(slug)
        return 0 if company is None else hash(company.mailbox)

    async def _end(self, hold: Hold, trouble: _Trouble | None) -> None:
        """Let a mailbox go until it is to be looked at again."""
        now, poll = self._fetching.clock.now(), self._settings.poll
        if trouble is None:
            await self._note_success(hold)
            await hold.let_go(now + self._spread(poll))
            return
        state = hold.state
        failures = state.failures + 1
        first = max(min(trouble.first or poll, poll), _AT_LEAST)
        wait = max(trouble.pause, min(first * 2 ** min(failures - 1, 10), _MOST_PAUSE))
        refused, until = "", 0.0
        if trouble.refused:
            mailbox = self._found(hold.slug)[1]
            if trouble.refused is _By.SEARCH:
                wait = trouble.pause
            else:
                wait = max(wait, _REFUSED) if mailbox.oauth2 is None else max(trouble.pause, _CONSENT)
            refused, until = f"{trouble.refused} {self._key(hold.slug, mailbox)}", now + wait
            await self._tell(hold.slug, mailbox, trouble)
        if trouble.text != state.error:
            self._emit(EventType.MAILBOX_FAILED, {"company": hold.slug, "error": trouble.text})
        hold.state = replace(state, looked=now, failures=failures, error=trouble.text, refused=refused, until=until)
        await hold.let_go(now + self._spread(min(wait, _REPAIRED) if refused else wait))

    async def _tell(self, slug: str, mailbox: Mailbox, trouble: _Trouble) -> None:
        if trouble.refused is _By.MAILBOX:
            host = await self.host_of(mailbox)
            details = Details(f"{mailbox.username} at {host}", trouble.text, trouble.advice)
            await self._troubles.tell(slug, Trouble.MAILBOX_REFUSED, details)
        elif trouble.refused is _By.FAST_INPUT:
            api = self._active.snapshot.settings.fast_input.api
            details = Details("" if api is None else api.url, trouble.text)
            await self._troubles.tell(OPERATOR, Trouble.FAST_INPUT_REFUSED, details)

    async def _note_success(self, hold: Hold) -> None:
        now = self._fetching.clock.now()
        match hold.state.refused.partition(" ")[0]:
            case _By.MAILBOX:
                await self._troubles.over(hold.slug, Trouble.MAILBOX_REFUSED)
            case _By.FAST_INPUT:
                await self._troubles.over(OPERATOR, Trouble.FAST_INPUT_REFUSED)
        if hold.state.error:
            self._emit(EventType.MAILBOX_BACK, {"company": hold.slug})
        hold.state = replace(hold.state, looked=now, succeeded=now, failures=0, error="", refused="", until=0.0)

    def _key(self, slug: str, mailbox: Mailbox) -> str:
        """Names all that can be refused: the account with its secret, and what Fast input knows us by."""
        company = self._active.snapshot.company(slug)
        known_by = () if company is None else self._sinks.known_by(company)
        return self._active.keyring.fingerprint(self._door.key_of(mailbox), *known_by)

    def _emit(self, kind: EventType, data: dict[str, Json]) -> None:
        self._fetching.events.emit(Event(kind, self._fetching.clock.now(), data=data))
