"""The sending side of one worker: takes what was born leased or falls due, has it carried, records what came of it."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Sequence
from functools import cached_property, lru_cache

import structlog

from relay.config.keyring import Active
from relay.delivery.accounts import Accounts, Knowledge, smarthost_key
from relay.delivery.attempt import AttemptResult, Attempts, Batch, World
from relay.delivery.carrier import Carrier, describe, home_of
from relay.delivery.documents import tell_of_documents
from relay.delivery.lanes import Lanes, Width
from relay.delivery.laying import Laying
from relay.delivery.plan import Facts, Planner
from relay.delivery.recording import Recorder, Sending, patience_of
from relay.delivery.releasing import Reasons, Releaser
from relay.delivery.reports_in import ReportsIn
from relay.delivery.settle import Circumstances, Settlement, hold, settle, wait_for_pace
from relay.delivery.spoofed import tell_of_spoofed
from relay.delivery.trust import Trust
from relay.delivery.unreachable import Unreachable
from relay.delivery.unreached import tell_of_reached, tell_of_unreached
from relay.delivery.verdicts import Verdicts
from relay.events import Event, EventType, Json
from relay.facts.accounts import AccountStates
from relay.facts.dead_addresses import DeadAddresses
from relay.facts.domains import DomainFacts
from relay.facts.door import Door
from relay.facts.homes import Homes
from relay.facts.idle_tokens import IdleTokens
from relay.facts.paces import Paces
from relay.facts.received_reports import ReceivedReports
from relay.facts.sts import StsPolicies, fetch_with
from relay.facts.tls_results import TlsResults
from relay.facts.tokens import Tokens
from relay.facts.troubles import Troubles
from relay.facts.whereabouts import Finder
from relay.http import HttpClient, Reach
from relay.mail.address import Address
from relay.mail.reply import Reply
from relay.policy.company import Company
from relay.policy.confirmation import hold_key
from relay.policy.decision import Hold
from relay.policy.home import home_key, is_home_lost, pass_on
from relay.policy.outcome import Action, Fault, Phase, Trouble, classify
from relay.store.spool import Delivery, Entry, Message, Origin, SpoolError

_MOST_IN_HAND = 1000
_MOST_OF_ONE_COMPANY = 100
_MOST_IN_LANE = 100
_LEASED_AT_ONCE = 100
_LOOK_AGAIN = 1.0
# Seconds for outcomes of attempts that a stop cut short.
_LAST_WORDS = 5.0
# A lane that is full gives deliveries back for a while, so that the others have room.
_LANE_FULL = 15.0
# Seconds. Whoever brings mail waits ten minutes for the last answer, says RFC 5321 4.5.3.2.6; many wait for one.
_FOR_VERDICT = 30.0

log = structlog.get_logger("relay.delivery")


class Dispatcher:
    """Delivers for one worker; keeps `intake.desk.Outbox`."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self.domains = DomainFacts(
            sending.active, lambda: sending.spool.facts, sending.resolver, sending.clock, sending.events.emit
        )
        dead = DeadAddresses(lambda: sending.spool.facts, sending.clock)
        facts = Facts(self.domains, sending.addresses.is_confirmed, self._was_released, dead)
        self.planner = Planner(sending.active, facts)
        http = HttpClient(sending.resolver)
        tokens = Tokens(sending.active, lambda: sending.spool.facts, http, sending.clock)
        self.idle_tokens = IdleTokens(sending.active, lambda: sending.spool.facts, tokens, sending.clock)
        self.reports = ReceivedReports(lambda: sending.spool.facts, sending.clock, sending.events.emit)
        self._reports_in = ReportsIn(sending.active, sending.spool, self.reports)
        self.policies = StsPolicies(
            lambda: sending.spool.facts,
            sending.resolver,
            fetch_with(http, lambda: _reach(sending.active())),
            sending.clock,
        )
        self.tls_results = TlsResults(
            lambda: sending.spool.facts,
            sending.resolver,
            sending.clock,
            lambda: sending.active().snapshot.settings.tls_reports.send,
        )
        trust = Trust(self.policies.about, sending.resolver, self.tls_results)
        finder = Finder.over(sending.resolver, http, lambda: sending.spool.facts, sending.clock)
        self._world = World(
            sending.spool,
            sending.resolver,
            sending.clock,
            Unreachable(),
            tokens,
            trust,
            Laying(Door(sending.active, sending.resolver, tokens, finder), lambda: sending.spool.facts, sending.clock),
        )
        self._recorder = Recorder(sending, self.look)
        self._tasks: set[asyncio.Future[None]] = set()
        self._lanes: Lanes[Batch] = Lanes(self._width, self._carrier, self._spawn)
        self._in_hand: Counter[str] = Counter()
        self._count = 0
        self.accounts = Accounts(
            Knowledge(
                AccountStates(lambda: sending.spool.facts),
                sending.active,
                lambda: self._troubles,
                sending.clock,
                sending.events.emit,
                self._release_soon,
                Paces(lambda: sending.spool.facts, sending.clock),
            )
        )
        self.homes = Homes(sending.active, lambda: sending.spool.facts, sending.addresses, sending.clock)
        # Whether the last mail given to the smarthost was taken.
        self._is_smarthost_well = False
        reasons = Reasons(self.planner, self.homes, dead, self.accounts, lambda: self._is_smarthost_well)
        self._releaser = Releaser(sending, reasons, self.look)
        self._verdicts = Verdicts()
        self._due = asyncio.Event()
        self._more_waits = False
        self._stopping = False

    def has_room(self, company: str) -> bool:
        """See Outbox.has_room."""
        room = self._count < _MOST_IN_HAND and self._in_hand[company] < _MOST_OF_ONE_COMPANY
        self._more_waits = self._more_waits or not room
        return room and not self._stopping

    def take(self, entry: Entry) -> None:
        """See Outbox.take."""
        self._in_hand.update(delivery.company for delivery in entry.deliveries)
        self._count += len(entry.deliveries)
        self._spawn(self._dispatch(entry))

    async def take_for_verdict(self, entry: Entry) -> Reply | None:
        """See Outbox.take_for_verdict. Of several recipients one host can say nothing that is true for all."""
        company = self._sending.active().snapshot.company(entry.deliveries[0].company)
        if company is None or not company.cut_through or len(entry.deliveries) > 1:
            self.take(entry)
            return None
        queue_id = entry.message.queue_id
        return await self._verdicts.of(queue_id, lambda: self.take(entry), patience=_FOR_VERDICT)

    @property
    def in_hand(self) -> int:
        """How many deliveries this worker has in its hands."""
        return self._count

    def look(self) -> None:
        """Look for due deliveries now instead of in a moment."""
        self._due.set()

    async def run(self) -> None:
        """Lease what falls due, until cancelled."""
        while True:
            self._due.clear()
            try:
                leased = await self._lease()
            except SpoolError as error:
                log.warning("cannot lease", error=str(error))
                leased = 0
            if leased < _LEASED_AT_ONCE:
                try:
                    async with asyncio.timeout(_LOOK_AGAIN):
                        await self._due.wait()
                except TimeoutError:
                    pass

    async def drain(self, patience: float) -> None:
        """Finish what has begun, for at most `patience` seconds; the rest keeps its place in the spool."""
        self._stopping = True
        self._lanes.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        # Again and again: what ends now may leave an outcome to be written down.
        while self._tasks and (left := end - loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=left)
        await self._cut()
        # What was cut after the final dot is an outcome too. A store that is in trouble even now gets no more time.
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS)
            await self._cut()

    async def _cut(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def release_held(self) -> None:
        """See Releaser.release_held."""
        await self._releaser.release_held()

    @cached_property
    def _troubles(self) -> Troubles:
        return Troubles(self._sending.spool.facts, self._sending.clock)

    def _release_soon(self, key: str) -> None:
        self._spawn(self._recorder.insist(lambda: self._releaser.release(key), None))

    async def _lease(self) -> int:
        room = min(_LEASED_AT_ONCE, _MOST_IN_HAND - self._count)
        if room <= 0 or self._stopping:
            return 0
        busy = [company for company, count in self._in_hand.items() if count >= _MOST_OF_ONE_COMPANY]
        entries = await self._sending.spool.lease(now=self._sending.clock.now(), limit=room, busy=busy)
        leased = 0
        for entry in entries:
            leased += len(entry.deliveries)
            self.take(entry)
        self._more_waits = leased >= room
        return leased

    async def _dispatch(self, entry: Entry) -> None:
        """Decide, and hand over to the lanes."""
        try:
            entry = await self._take_reports(entry)
            if not entry.deliveries:
                return
            plan = await self.planner.plan(entry)
        except Exception as error:
            if isinstance(error, SpoolError):
                log.warning("cannot decide", queue_id=entry.message.queue_id, error=str(error))
                trouble = Trouble(Fault.FACTS, "what is known about the company cannot be read now")
            else:
                log.exception("planning failed unexpectedly", queue_id=entry.message.queue_id)
                trouble = Trouble(Fault.UNEXPECTED, f"internal fault: {type(error).__name__}")
            await self._record(entry.message, [self._defer(entry, delivery, trouble) for delivery in entry.deliveries])
            return
        for batch in plan.batches:
            if self._lanes.waiting(batch.lane) < _MOST_IN_LANE:
                self._lanes.add(batch)
            else:
                self._spawn(self._give_back(batch))
        for delivery, wish in plan.holds:
            await self._ask_to_confirm(delivery.company, wish, entry.message)
        now = self._sending.clock.now()
        settlements = [hold(entry.message, delivery, wish, now) for delivery, wish in plan.holds]
        settlements += [
            self._defer(entry, delivery, Trouble(Fault.FACTS, wait.reason), wait.key) for delivery, wait in plan.waits
        ]
        if settlements:
            await self._record(entry.message, settlements)

    async def _take_reports(self, entry: Entry) -> Entry:
        """Take in what receivers report; what is left is to be delivered. Raises SpoolError."""
        outcomes = [(each, await self._reports_in.take(entry.message, each)) for each in entry.deliveries]
        taken = [(each, outcome) for each, outcome in outcomes if outcome is not None]
        if not taken:
            return entry
        settlements = [settle(entry.message, each, outcome, self._circumstances({})) for each, outcome in taken]
        await self._record(entry.message, settlements)
        return Entry(entry.message, tuple(each for each, outcome in outcomes if outcome is None))

    async def _ask_to_confirm(self, slug: str, wish: Hold, message: Message) -> None:
        """Have the company asked to confirm its address when that is what its mail waits for."""
        company = self._sending.active().snapshot.company(slug)
        if company is None or wish.key != hold_key(company):
            return

        async def ask() -> None:
            await self._sending.addresses.ask(company, by_itself=True)

        try:
            await self._recorder.insist(ask, message)
        except Exception:
            # Whatever it is, the mail must not stay in our hands for it.
            log.exception("the company cannot be asked to confirm its address", company=slug)

    async def _was_released(self, queue_id: str, number: int) -> bool:
        """Whether a person let that delivery go; what went on because a reason went away does not count."""
        timeline = await self._sending.spool.timeline(queue_id)
        return any(
            each.type is EventType.RELEASED and each.number == number and "by" not in each.data for each in timeline
        )

    async def _give_back(self, batch: Batch) -> None:
        keys = [(batch.message.queue_id, delivery.number) for delivery in batch.deliveries]
        later = self._sending.clock.now() + _LANE_FULL
        await self._recorder.insist(lambda: self._sending.spool.give_back(keys, next_attempt=later), batch.message)
        self._let_go(batch.deliveries)

    def _let_go(self, deliveries: Sequence[Delivery]) -> None:
        self._count -= len(deliveries)
        for delivery in deliveries:
            self._in_hand[delivery.company] -= 1
            if not self._in_hand[delivery.company]:
                del self._in_hand[delivery.company]
        if self._more_waits and self._count <= _MOST_OF_ONE_COMPANY // 2:
            self._due.set()

    def _defer(self, entry: Entry, delivery: Delivery, trouble: Trouble, key: str = "") -> Settlement:
        outcome = classify(trouble, Phase.RESOLVE, account=False)
        return settle(entry.message, delivery, outcome, self._circumstances({}, account_key=key))

    def _carrier(self) -> Carrier:
        return Carrier(self, Attempts(self._world))

    def now(self) -> float:
        """See Owner.now."""
        return self._sending.clock.now()

    def is_current(self, batch: Batch) -> bool:
        """See Owner.is_current."""
        return batch.active is self._sending.active()

    def decide_again(self, batch: Batch) -> None:
        """See Owner.decide_again."""
        self._spawn(self._dispatch(Entry(batch.message, batch.deliveries)))

    def settle_batch(self, batch: Batch, result: AttemptResult, account: str) -> None:
        """See Owner.settle_batch."""
        home = home_of(batch)
        if batch.route.is_smarthost:
            account = smarthost_key(batch.active)
            self._is_smarthost_well = any(outcome.action is Action.DELIVERED for outcome in result.outcomes)
        circumstances = self._circumstances(
            describe(batch, result),
            account_key=account,
            dsn_passed_on=result.dsn_passed_on,
            remote_host=result.target.host if result.target else "",
            home_key=home_key(home) if home is not None else "",
            is_told=home is not None and self._is_told(home, batch, result),
        )
        settlements = [
            settle(batch.message, delivery, outcome, circumstances)
            for delivery, outcome in zip(batch.deliveries, result.outcomes, strict=True)
        ]
        self._spawn(self._record(batch.message, settlements, self._note(home, batch, result) if home else None))

    def _is_told(self, home: Company, batch: Batch, result: AttemptResult) -> bool:
        """Whether the writer is there to hear that the company's host refuses the mail."""
        refusal = pass_on(result.outcomes[0], home, Address(home.alias, batch.active.snapshot.settings.domain))
        return self._verdicts.refuse(batch.message.queue_id, refusal)

    async def _note(self, home: Company, batch: Batch, result: AttemptResult) -> None:
        """Remember of a company's own address whether it takes mail."""
        outcome = result.outcomes[0]
        kind = None
        if is_home_lost(outcome):
            kind = EventType.ADDRESS_REFUSED if await self.homes.refused(home) else None
            await tell_of_unreached(self._troubles, home, outcome.text)
        elif outcome.action is Action.DELIVERED and await self.homes.works(home):
            kind = EventType.ADDRESS_BACK
            await tell_of_reached(self._troubles, home)
        if kind is not None:
            said: dict[str, Json] = {"company": home.slug, "address": str(home.address), "text": outcome.text}
            self._sending.events.emit(Event(kind, self.now(), batch.message.queue_id, data=said))
            self.look()

    def pace(self, batch: Batch, wait: float) -> None:
        """See Owner.pace."""
        now = self._sending.clock.now()
        settlements = [wait_for_pace(batch.message, delivery, now, wait) for delivery in batch.deliveries]
        self._spawn(self._record(batch.message, settlements))

    def hold_batch(self, batch: Batch, fault: Exception) -> None:
        """See Owner.hold_batch."""
        now = self._sending.clock.now()
        wish = Hold("", f"internal fault: {type(fault).__name__}, see the log")
        held = [hold(batch.message, delivery, wish, now) for delivery in batch.deliveries]
        self._spawn(self._record(batch.message, held))

    def _circumstances(self, data: dict[str, Json], **more: str | bool) -> Circumstances:
        return Circumstances(
            self._sending.clock.now(),
            random.random(),  # noqa: S311 -- spreads retries, keeps no secret
            patience_of(self._sending.active()),
            data=data,
            **more,  # type: ignore[arg-type]
        )

    async def _record(
        self, message: Message, settlements: list[Settlement], note: Awaitable[None] | None = None
    ) -> None:
        """Write down; what is noted besides comes first, since held mail is looked at by what was noted."""
        if note is not None:
            try:
                await note
            except Exception:
                # The outcome of an attempt has to be written down whatever else is in trouble.
                log.exception("a company's address cannot be noted", queue_id=message.queue_id)
        await self._recorder.record(message, settlements)
        self._verdicts.written(message.queue_id)
        if message.origin is Origin.MX:
            await self._recorder.insist(lambda: tell_of_spoofed(self._troubles, message, settlements), message)
        if message.origin is Origin.DOCUMENT:
            await self._recorder.insist(lambda: tell_of_documents(self._troubles, settlements), message)
        self._let_go([settlement.delivery for settlement in settlements])

    def _width(self) -> Width:
        return _width_of(self._sending.active())

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Future[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery work failed unexpectedly", exc_info=error)
            data: dict[str, Json] = {"error": f"{type(error).__name__}: {error}"}
            self._sending.events.emit(Event(EventType.FAULT, self._sending.clock.now(), data=data))


@lru_cache(1)
def _width_of(active: Active) -> Width:
    delivery = active.snapshot.settings.delivery
    return Width(delivery.per_destination, delivery.per_company, delivery.connections_idle)


@lru_cache(1)
def _reach(active: Active) -> Reach:
    delivery = active.snapshot.settings.delivery
    return Reach(internal=delivery.is_sandbox, ca=delivery.ca)
