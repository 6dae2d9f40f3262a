"""From outcomes to what is written down: changes, events, and who has to be told. Pure: time and chance are passed in.

Who is told follows from who gave us the mail: failures of submitted mail are reported to the company's alias, so to
the company; what others gave us for our own addresses is held for a person, because telling strangers is backscatter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from relay.events import Event, EventType, Json
from relay.mail.envelope import Notify
from relay.mail.report import Action as ReportAction
from relay.policy.bounce_class import classify_bounce
from relay.policy.decision import Hold
from relay.policy.home import is_home_lost
from relay.policy.outcome import Action, Outcome, Scope, is_repairable
from relay.policy.retry import Patience, Progress, Verdict, decide_retry
from relay.store.spool import Change, Delivery, Message, Origin, State

_MOST_FAULTS = 3
_INTERNAL = "internal fault"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to report about one delivery."""

    delivery: Delivery
    outcome: Outcome
    action: ReportAction
    remote_host: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of one delivery."""

    delivery: Delivery
    change: Change
    events: tuple[Event, ...]
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How an attempt went beside its outcomes.

    `now` in seconds since the epoch, `chance` in [0, 1); `account_key` is what held mail waits for when a login or a
    permission is refused, by an own server or the smarthost, or a fact cannot be had; `home_key` when a company's own
    address takes no mail; `is_told`: the writer outside hears of a failure in his session; `data` goes along with every
    event.
    """

    now: float
    chance: float
    patience: Patience
    account_key: str = ""
    home_key: str = ""
    is_told: bool = False
    dsn_passed_on: bool = False
    remote_host: str = ""
    data: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Case:
    message: Message
    delivery: Delivery
    outcome: Outcome
    at: Circumstances

    @property
    def asked(self) -> frozenset[Notify]:
        return self.delivery.recipient.notify

    def event(self, kind: EventType, **data: Json) -> Event:
        recipient = str(self.delivery.recipient.address)
        return Event(kind, self.at.now, self.message.queue_id, self.delivery.number, {"recipient": recipient, **data})

    def attempt_event(self, kind: EventType, **data: Json) -> Event:
        outcome = self.outcome
        said: dict[str, Json] = {"reply": str(outcome.reply)} if outcome.reply is not None else {"text": outcome.text}
        if outcome.refusal is not None:
            said |= {"cause": outcome.refusal.plain, "advice": outcome.refusal.advice}
        told: dict[str, Json] = {
            **self.at.data,
            **said,
            "status": outcome.status,
            "phase": outcome.phase,
            "attempt": self.delivery.attempts + 1,
        }
        return self.event(kind, **(told | data))

    def notice(self, action: ReportAction) -> Notice:
        return Notice(self.delivery, self.outcome, action, self.at.remote_host)


def settle(message: Message, delivery: Delivery, outcome: Outcome, at: Circumstances) -> Settlement:
    """Decide what becomes of `delivery` after an attempt."""
    case = _Case(message, delivery, outcome, at)
    change = Change(
        queue_id=message.queue_id,
        number=delivery.number,
        state=State.DELIVERED,
        attempts=delivery.attempts + 1,
        next_attempt=0.0,
        last=str(outcome.reply) if outcome.reply is not None else outcome.text,
        delay_noticed=delivery.delay_noticed,
    )
    match outcome.action:
        case Action.DELIVERED:
            return _delivered(case, change)
        case Action.HOLD:
            return _held(case, change)
        case Action.FAIL:
            return _failed(case, replace(change, state=State.FAILED))
        case Action.DEFER:
            return _deferred(case, change)


def hold(message: Message, delivery: Delivery, wish: Hold, now: float) -> Settlement:
    """Hold `delivery` without an attempt, because policy says so."""
    change = Change(
        message.queue_id,
        delivery.number,
        State.HELD,
        delivery.attempts,
        0.0,
        wish.reason,
        delivery.delay_noticed,
        wish.key,
    )
    data: dict[str, Json] = {"recipient": str(delivery.recipient.address), "reason": wish.reason}
    if wish.status:
        data["status"] = wish.status
    if wish.wanted is not None:
        data |= {"company": delivery.company, "wanted": wish.wanted}
    return Settlement(delivery, change, (Event(EventType.HELD, now, message.queue_id, delivery.number, data),))


def wait_for_pace(message: Message, delivery: Delivery, now: float, wait: float) -> Settlement:
    """Let `delivery` wait because its account has sent all its provider takes for now. It was not tried."""
    text = "waits for the pace of its account: the provider takes no more for now"
    change = Change(
        message.queue_id,
        delivery.number,
        State.QUEUED,
        delivery.attempts,
        now + wait,
        text,
        delivery.delay_noticed,
    )
    data: dict[str, Json] = {
        "recipient": str(delivery.recipient.address),
        "text": text,
        "next_attempt": now + wait,
        "attempt": delivery.attempts,
    }
    return Settlement(delivery, change, (Event(EventType.DEFERRED, now, message.queue_id, delivery.number, data),))


def mail_key(account_key: str, queue_id: str, number: int) -> str:
    """What one delivery alone waits for: other settings of its account, or a person."""
    return f"{account_key}#{queue_id}.{number}"


def is_mail_key(key: str, account_key: str) -> bool:
    """Whether it is the key of one delivery by that account."""
    return key.startswith(f"{account_key}#")


def _delivered(case: _Case, change: Change) -> Settlement:
    # RFC 3461 5.2.2: success is ours to report when the next host cannot do it.
    ours = Notify.SUCCESS in case.asked and not case.at.dsn_passed_on and case.message.origin is Origin.SUBMISSION
    notice = case.notice(ReportAction.RELAYED) if ours else None
    delivered = case.attempt_event(EventType.DELIVERED, seconds=round(case.at.now - case.message.received_at, 3))
    return Settlement(case.delivery, change, (delivered,), notice)


def _held(case: _Case, change: Change) -> Settlement:
    key = case.at.account_key
    if key and case.outcome.scope is Scope.RECIPIENT:
        key = mail_key(key, case.message.queue_id, case.delivery.number)
    held = replace(change, state=State.HELD, hold_key=key)
    return Settlement(case.delivery, held, (case.attempt_event(EventType.HELD),))


def _failed(case: _Case, change: Change) -> Settlement:
    kind = EventType.EXPIRED if change.state is State.EXPIRED else EventType.FAILED
    meant = classify_bounce(case.outcome.status, case.outcome.text)
    data: dict[str, Json] = {"class": meant, "permanent": case.outcome.status.startswith("5")}
    if case.at.is_told:
        return Settlement(case.delivery, change, (case.attempt_event(kind, **data, told="the writer, in the session"),))
    event = case.attempt_event(kind, **data)
    if case.message.origin is not Origin.SUBMISSION:
        # Promise 7: a writer outside is not told; promise 1: and nothing is thrown away.
        held = case.event(EventType.HELD, reason="it cannot be delivered, and waits for a person")
        waits = replace(change, state=State.HELD, hold_key=case.at.home_key if is_home_lost(case.outcome) else "")
        return Settlement(case.delivery, waits, (event, held))
    # RFC 3461 4.1: without NOTIFY, failures are reported.
    told = not case.asked or Notify.FAILURE in case.asked
    return Settlement(case.delivery, change, (event,), case.notice(ReportAction.FAILED) if told else None)


def _deferred(case: _Case, change: Change) -> Settlement:
    if _is_poison(case):
        reason = f"{_INTERNAL} {_MOST_FAULTS} times in a row, see the log"
        return Settlement(
            case.delivery, replace(change, state=State.HELD), (case.attempt_event(EventType.HELD, reason=reason),)
        )
    progress = Progress(case.message.received_at, change.attempts, case.delivery.delay_noticed)
    retry = decide_retry(case.at.patience, progress, now=case.at.now, chance=case.at.chance)
    if retry.verdict is Verdict.EXPIRE and case.at.account_key and is_repairable(case.outcome):
        # Promise 4: what a person can repair never bounces mail.
        return _held(case, change)
    if retry.verdict is Verdict.EXPIRE:
        return _failed(case, replace(change, state=State.EXPIRED))
    unknown: dict[str, Json] = {"unknown": True} if case.outcome.unknown else {}
    deferred = case.attempt_event(EventType.DEFERRED, next_attempt=retry.next_attempt, **unknown)
    waits = replace(change, state=State.QUEUED, next_attempt=retry.next_attempt)
    if retry.verdict is Verdict.WAIT:
        return Settlement(case.delivery, waits, (deferred,))
    delayed = case.event(EventType.DELAYED, received_at=case.message.received_at)
    told = case.message.origin is Origin.SUBMISSION and (not case.asked or Notify.DELAY in case.asked)
    notice = case.notice(ReportAction.DELAYED) if told else None
    return Settlement(case.delivery, replace(waits, delay_noticed=True), (deferred, delayed), notice)


def _is_poison(case: _Case) -> bool:
    both = case.outcome.text.startswith(_INTERNAL) and case.delivery.last.startswith(_INTERNAL)
    return both and case.delivery.attempts + 1 >= _MOST_FAULTS
