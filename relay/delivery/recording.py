"""Writes down what attempts came to, with the reports they cause, however long the store takes to be able to."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, repeat

import structlog

from relay.clock import Clock
from relay.config.keyring import Active
from relay.delivery.learning import Learner
from relay.delivery.reporting import Reporter
from relay.delivery.settle import Settlement
from relay.dns import Resolver
from relay.events import EventSink, EventType
from relay.facts.addresses import Addresses
from relay.facts.dead_addresses import DeadAddresses
from relay.policy.bounce_class import BounceClass
from relay.policy.decision import Name
from relay.policy.retry import Patience
from relay.store.spool import Acceptance, Message, Origin, Spool, SpoolError, State

_AGAIN = (0.5, 1.0, 2.0, 5.0, 10.0)

log = structlog.get_logger("relay.delivery")


@dataclass(frozen=True, slots=True)
class Sending:
    """What the sending side of one worker works with."""

    active: Callable[[], Active]
    spool: Spool
    resolver: Resolver
    clock: Clock
    events: EventSink
    addresses: Addresses


class Recorder:
    """Records for one worker; `look` is called when a report waits to be sent."""

    def __init__(self, sending: Sending, look: Callable[[], None]) -> None:
        self._sending = sending
        self._look = look
        self._dead = DeadAddresses(lambda: sending.spool.facts, sending.clock)
        self._learner = Learner(sending.active, sending.spool, sending.clock)

    async def record(self, message: Message, settlements: list[Settlement]) -> None:
        """Write outcomes down, with the reports they cause; a store in trouble is asked until it takes them."""
        events = [event for settlement in settlements for event in settlement.events]
        # Before the mail is done: afterwards its content goes.
        done = [each.delivery.company for each in settlements if each.change.state is State.DELIVERED]
        await self._learner.learn(message, done)

        async def write() -> None:
            nonlocal settlements
            try:
                reports = self._reports(message, settlements)
            except SpoolError:
                raise
            except Exception:
                log.exception("a report cannot be written", queue_id=message.queue_id)
                settlements, reports = [_without_report(settlement) for settlement in settlements], []
            await self._sending.spool.record([settlement.change for settlement in settlements], events, reports)
            events.extend(event for report in reports for event in report.events)
            if reports:
                self._look()

        await self.insist(write, message)
        for event in events:
            self._sending.events.emit(event)
        if message.origin is Origin.SUBMISSION:
            await self._learn_who_is_dead(message, settlements)

    async def _learn_who_is_dead(self, message: Message, settlements: list[Settlement]) -> None:
        """Remember recipients that do not exist; who takes mail again is only looked up where an app wants to know."""
        apps = self._sending.active().snapshot.settings.apps.values()
        matters = any(app.dead_addresses != "deliver" for app in apps)
        try:
            for settlement in settlements:
                delivery = settlement.delivery
                for event in settlement.events:
                    said = event.data
                    if event.type is EventType.FAILED and said["class"] == BounceClass.ADDRESS_GONE:
                        reason, status = str(said["class"]), str(said["status"])
                        await self._dead.note(delivery.company, delivery.recipient.address, reason, status)
                    elif event.type is EventType.DELIVERED and matters and said.get("identity") != Name.OWN_SERVER:
                        # A company's own server takes mail for anybody; that says nothing about the recipient.
                        await self._dead.forget(delivery.company, str(delivery.recipient.address))
        except SpoolError as error:
            log.warning("a dead address cannot be noted", queue_id=message.queue_id, error=str(error))

    async def insist(self, work: Callable[[], Awaitable[None]], message: Message | None) -> None:
        """Do what must be done in the store, however long it takes until the store can."""
        for pause in chain(_AGAIN, repeat(_AGAIN[-1])):
            try:
                await work()
            except SpoolError as error:
                queue_id = message.queue_id if message is not None else ""
                log.warning("the store cannot be written yet", queue_id=queue_id, error=str(error))
                await asyncio.sleep(pause)
            else:
                return

    def _reports(self, message: Message, settlements: list[Settlement]) -> list[Acceptance]:
        notices = [settlement.notice for settlement in settlements if settlement.notice is not None]
        if not notices:
            return []
        settings = self._sending.active().snapshot.settings
        reporter = Reporter(self._sending.spool, hostname=settings.hostname, domain=settings.domain)
        now, patience = self._sending.clock.now(), patience_of(self._sending.active())
        reports = []
        for action in dict.fromkeys(notice.action for notice in notices):
            same = [notice for notice in notices if notice.action is action]
            report = reporter.report(message, same, now=now, patience=patience)
            if report is not None:
                reports.append(report)
        return reports


def _without_report(settlement: Settlement) -> Settlement:
    """As it is, or before a person where nobody else would hear that a mail did not arrive."""
    change = settlement.change
    if settlement.notice is not None and change.state in (State.FAILED, State.EXPIRED):
        last = f"internal fault: the report cannot be written, see the log. {change.last}"
        change = replace(change, state=State.HELD, last=last)
    return replace(settlement, change=change, notice=None)


@lru_cache(1)
def patience_of(active: Active) -> Patience:
    """How patient the configuration is."""
    delivery = active.snapshot.settings.delivery
    return Patience(delivery.retry, delivery.expire, delivery.delay_notice)
