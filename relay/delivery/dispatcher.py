"""The sending side of one worker: takes what was born leased or falls due, has it carried, records what came of it."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import structlog

from relay.clock import Clock
from relay.config.keyring import Active
from relay.delivery.attempt import AttemptResult, Attempts, Batch, World
from relay.delivery.facts import Facts
from relay.delivery.lanes import Lanes, Width
from relay.delivery.plan import Planner
from relay.delivery.reporting import Reporter
from relay.delivery.settle import Circumstances, Settlement, hold, settle
from relay.dns import Resolver
from relay.events import EventSink, Json
from relay.policy.decision import Decision, Hold
from relay.policy.outcome import Action, Fault, Outcome, Phase, Scope, Trouble, classify
from relay.policy.retry import Patience
from relay.store.spool import Acceptance, Delivery, Entry, Message, Spool, SpoolError

_MOST_IN_HAND = 1000
_MOST_OF_ONE_COMPANY = 250
_MOST_IN_LANE = 300
_LEASED_AT_ONCE = 100
_LOOK_AGAIN = 1.0
# A lane that is full gives deliveries back for a while, so that the others have room.
_LANE_FULL = 15.0
_RECORD_AGAIN = (0.5, 1.0, 2.0, 5.0, 10.0)
# After an account was refused, mail for it is held without another try: repeated failures lock accounts.
_BREAKER = 60.0

log = structlog.get_logger("relay.delivery")


@dataclass(frozen=True, slots=True)
class Sending:
    """What the sending side of one worker works with."""

    active: Callable[[], Active]
    spool: Spool
    resolver: Resolver
    clock: Clock
    events: EventSink


class Dispatcher:
    """Delivers for one worker; keeps `intake.Outbox`."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._facts = Facts(sending.active, sending.resolver, sending.clock)
        self.planner = Planner(sending.active, self._facts)
        self._world = World(sending.active, sending.spool, sending.resolver, sending.clock)
        self._tasks: set[asyncio.Future[None]] = set()
        self._lanes: Lanes[Batch] = Lanes(self._width, self._carrier, self._spawn)
        self._in_hand: Counter[str] = Counter()
        self._refused_accounts: dict[str, tuple[float, Outcome]] = {}
        self._due = asyncio.Event()
        self._more_waits = False
        self._stopping = False

    def has_room(self, company: str) -> bool:
        """See Outbox.has_room."""
        room = self._in_hand.total() < _MOST_IN_HAND and self._in_hand[company] < _MOST_OF_ONE_COMPANY
        self._more_waits = self._more_waits or not room
        return room and not self._stopping

    def take(self, entry: Entry) -> None:
        """See Outbox.take."""
        self._in_hand.update(delivery.company for delivery in entry.deliveries)
        self._spawn(self._dispatch(entry))

    @property
    def in_hand(self) -> int:
        """How many deliveries this worker has in its hands."""
        return self._in_hand.total()

    def look(self) -> None:
        """Look for due deliveries now instead of in a moment."""
        self._due.set()

    async def run(self) -> None:
        """Lease what falls due, until cancelled."""
        while True:
            try:
                leased = await self._lease()
            except SpoolError as error:
                log.warning("cannot lease", error=str(error))
                leased = 0
            if leased < _LEASED_AT_ONCE:
                self._due.clear()
                try:
                    async with asyncio.timeout(_LOOK_AGAIN):
                        await self._due.wait()
                except TimeoutError:
                    pass

    async def drain(self, patience: float) -> None:
        """Finish what has begun, for at most `patience` seconds; the rest keeps its place in the spool."""
        self._stopping = True
        self._lanes.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def release_held(self) -> None:
        """Let held mail go whose reason is gone: a repaired record, a changed password, a company that is back."""
        snapshot = self._sending.active().snapshot
        for key, slug in await self._sending.spool.held():
            company = snapshot.company(slug)
            choice = await self.planner.choose_for(company, slug)
            blocked = isinstance(choice, Hold) and choice.key == key
            if isinstance(choice, Decision):
                blocked = self._account_key(choice) == key
            if not blocked and await self._sending.spool.release(key, now=self._sending.clock.now()):
                self._due.set()

    async def _lease(self) -> int:
        room = min(_LEASED_AT_ONCE, _MOST_IN_HAND - self._in_hand.total())
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
            plan = await self.planner.plan(entry)
        except Exception as error:
            log.exception("planning failed unexpectedly", queue_id=entry.message.queue_id)
            trouble = Trouble(Fault.UNEXPECTED, f"internal fault: {type(error).__name__}")
            await self._defer(entry, [(delivery, trouble) for delivery in entry.deliveries])
            return
        for batch in plan.batches:
            if self._lanes.waiting(batch.lane) < _MOST_IN_LANE:
                self._lanes.add(batch)
            else:
                await self._give_back(batch)
        now = self._sending.clock.now()
        if plan.holds:
            await self._record(
                entry.message, [hold(entry.message, delivery, wish, now) for delivery, wish in plan.holds]
            )
        if plan.waits:
            await self._defer(entry, [(delivery, Trouble(Fault.DNS, wait.reason)) for delivery, wait in plan.waits])

    async def _give_back(self, batch: Batch) -> None:
        self._let_go(batch.deliveries)
        keys = [(batch.message.queue_id, delivery.number) for delivery in batch.deliveries]
        await self._sending.spool.give_back(keys, next_attempt=self._sending.clock.now() + _LANE_FULL)

    def _let_go(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._in_hand[delivery.company] -= 1
            if not self._in_hand[delivery.company]:
                del self._in_hand[delivery.company]
        if self._more_waits and self._in_hand.total() <= _MOST_OF_ONE_COMPANY // 2:
            self._due.set()

    async def _defer(self, entry: Entry, troubles: list[tuple[Delivery, Trouble]]) -> None:
        circumstances = self._circumstances({})
        settlements = [
            settle(entry.message, delivery, classify(trouble, Phase.RESOLVE, account=False), circumstances)
            for delivery, trouble in troubles
        ]
        await self._record(entry.message, settlements)

    def _carrier(self) -> "_Carrier":
        return _Carrier(self, Attempts(self._world))

    def refused_account(self, batch: Batch) -> AttemptResult | None:
        """The refusal of a moment ago, when this batch's account was refused then."""
        until, outcome = self._refused_accounts.get(batch.route.key, (0.0, None))
        if outcome is None or self._sending.clock.now() >= until:
            return None
        return AttemptResult([outcome] * len(batch.deliveries))

    def settle_batch(self, batch: Batch, result: AttemptResult) -> None:
        """Write down what an attempt came to, while its carrier goes on."""
        data = _describe(batch, result)
        circumstances = self._circumstances(
            data,
            account_key=self._account_key(batch.decision),
            dsn_passed_on=result.dsn_passed_on,
            remote_host=result.target.host if result.target else "",
        )
        for outcome in result.outcomes:
            if outcome.action is Action.HOLD and outcome.scope is Scope.ACCOUNT:
                until = self._sending.clock.now() + _BREAKER
                self._refused_accounts[batch.route.key] = (until, outcome)
        settlements = [
            settle(batch.message, delivery, outcome, circumstances)
            for delivery, outcome in zip(batch.deliveries, result.outcomes, strict=True)
        ]
        self._spawn(self._record(batch.message, settlements))

    def _circumstances(self, data: dict[str, Json], **more: str | bool) -> Circumstances:
        return Circumstances(
            self._sending.clock.now(),
            random.random(),  # noqa: S311 -- spreads retries, keeps no secret
            self._patience(),
            data=data,
            **more,  # type: ignore[arg-type]
        )

    async def _record(self, message: Message, settlements: list[Settlement]) -> None:
        """Write outcomes down; a store in trouble is asked again until it takes them."""
        changes = [settlement.change for settlement in settlements]
        events = [event for settlement in settlements for event in settlement.events]
        for pause in chain(_RECORD_AGAIN, repeat(_RECORD_AGAIN[-1])):
            try:
                reports = self._reports(message, settlements)
                await self._sending.spool.record(changes, events, reports)
                break
            except SpoolError as error:
                log.warning("an outcome cannot be recorded yet", queue_id=message.queue_id, error=str(error))
                await asyncio.sleep(pause)
        self._let_go([settlement.delivery for settlement in settlements])
        for event in events:
            self._sending.events.emit(event)
        if reports:
            self._due.set()

    def _reports(self, message: Message, settlements: list[Settlement]) -> list[Acceptance]:
        notices = [settlement.notice for settlement in settlements if settlement.notice is not None]
        if not notices:
            return []
        settings = self._sending.active().snapshot.settings
        reporter = Reporter(self._sending.spool, hostname=settings.hostname, domain=settings.domain)
        now, patience = self._sending.clock.now(), self._patience()
        reports = []
        for action in dict.fromkeys(notice.action for notice in notices):
            same = [notice for notice in notices if notice.action is action]
            report = reporter.report(message, same, now=now, patience=patience)
            if report is not None:
                reports.append(report)
        return reports

    def _account_key(self, decision: Decision) -> str:
        """Names a server's settings including its password: what mail waits for when the server refuses us."""
        server = decision.server
        if server is None:
            return ""
        return self._facts.account_key(server)

    def _patience(self) -> Patience:
        delivery = self._sending.active().snapshot.settings.delivery
        return Patience(delivery.retry, delivery.expire, delivery.delay_notice)

    def _width(self) -> Width:
        delivery = self._sending.active().snapshot.settings.delivery
        return Width(delivery.per_destination, delivery.per_company, delivery.connections_idle)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Carrier:
    """Carries the batches of one lane."""

    def __init__(self, dispatcher: Dispatcher, attempts: Attempts) -> None:
        self._dispatcher = dispatcher
        self._attempts = attempts

    async def carry(self, job: Batch) -> None:
        """See lanes.Carrier.carry."""
        result = self._dispatcher.refused_account(job)
        if result is None:
            result = await self._attempts.attempt(job)
        self._dispatcher.settle_batch(job, result)

    def close(self) -> None:
        """See lanes.Carrier.close."""
        self._attempts.close()


def _describe(batch: Batch, result: AttemptResult) -> dict[str, Json]:
    decision = batch.decision
    data: dict[str, Json] = {
        "company": batch.company,
        "identity": decision.name,
        "reasons": list(decision.reasons),
        "reverse_path": result.reverse_path,
    }
    if decision.author is not None:
        data["author"] = str(decision.author)
    if decision.recipient is not None:
        data["forwarded_to"] = str(decision.recipient)
    if result.target is not None:
        data["host"] = result.target.host
        data["ip"] = result.target.ip
        data["tls"] = result.tls
    return data
