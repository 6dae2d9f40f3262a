"""What is written down after an attempt, and who is told. Pure."""

import itertools
from dataclasses import replace

import pytest

from relay.delivery.settle import Circumstances, hold, settle
from relay.events import EventType
from relay.mail.address import Address
from relay.mail.envelope import Envelope, Notify, Recipient
from relay.mail.reply import Reply
from relay.mail.report import Action as ReportAction
from relay.policy.decision import Hold
from relay.policy.outcome import Fault, Phase, Trouble, classify
from relay.policy.retry import Patience
from relay.store.spool import Content, Delivery, Message, Origin, State

HOUR = 3600.0
PATIENCE = Patience((60.0,), expire=10 * HOUR, delay_notice=4 * HOUR)
RECIPIENT = Recipient(Address("anna", "customer.example"))
MESSAGE = Message(
    "id1",
    Origin.SUBMISSION,
    0.0,
    "web",
    "",
    "<1@x>",
    Envelope(Address("bakery", "my.relay.example"), (RECIPIENT,)),
    Content("s", ((0, 1),), 1, 1, ""),
)
DELIVERY = Delivery(0, RECIPIENT, "bakery", State.QUEUED, attempts=9)
TAKEN = classify(Reply(250, "2.0.0", "Taken"), Phase.FINAL, account=False)
NOBODY = classify(Reply(550, "5.1.1", "Nobody"), Phase.RCPT, account=False)
BUSY = classify(Reply(450, "4.2.1", "Busy"), Phase.RCPT, account=False)
LOST = classify(Trouble(Fault.DISCONNECTED, "lost"), Phase.FINAL, account=False)
WRONG = classify(Reply(535, "5.7.8", "Wrong"), Phase.LOGIN, account=True)
FACTS = classify(Trouble(Fault.FACTS, "the DNS is silent"), Phase.RESOLVE, account=False)
INTERNAL = classify(Trouble(Fault.UNEXPECTED, "internal fault: KeyError"), Phase.CHECK, account=False)


def at(now: float, **more) -> Circumstances:
    return Circumstances(now, 0.5, PATIENCE, **more)


def asked(*notify: Notify) -> Delivery:
    return replace(DELIVERY, recipient=replace(RECIPIENT, notify=frozenset(notify)))


NOTIFIES = [
    (),
    (Notify.NEVER,),
    (Notify.SUCCESS,),
    (Notify.FAILURE,),
    (Notify.DELAY,),
    (Notify.SUCCESS, Notify.FAILURE, Notify.DELAY),
]


@pytest.mark.parametrize(("notify", "origin"), [*itertools.product(NOTIFIES, Origin)])
def test_who_is_told_what(notify, origin):
    """Only who submitted a mail, and only what was asked for; asking for nothing means failures and lateness."""
    message, delivery = replace(MESSAGE, origin=origin), asked(*notify)
    ours = origin is Origin.SUBMISSION

    def told(outcome, now, **more) -> ReportAction | None:
        notice = settle(message, delivery, outcome, at(now, **more)).notice
        return notice.action if notice is not None else None

    success = ours and Notify.SUCCESS in notify
    failure = ours and (not notify or Notify.FAILURE in notify)
    delay = ours and (not notify or Notify.DELAY in notify)
    assert told(TAKEN, 0.0) is (ReportAction.RELAYED if success else None)
    assert told(TAKEN, 0.0, dsn_passed_on=True) is None
    assert told(NOBODY, 0.0) is (ReportAction.FAILED if failure else None)
    assert told(BUSY, 10 * HOUR) is (ReportAction.FAILED if failure else None)
    assert told(BUSY, 4 * HOUR) is (ReportAction.DELAYED if delay else None)
    assert told(BUSY, 4 * HOUR - 1) is None
    assert told(WRONG, 10 * HOUR) is None


def test_delivered():
    settlement = settle(MESSAGE, replace(DELIVERY, attempts=2), TAKEN, at(5.0, data={"host": "mx"}))
    assert (settlement.change.state, settlement.change.attempts) == (State.DELIVERED, 3)
    (event,) = settlement.events
    assert (event.type, event.at, event.queue_id, event.number) == (EventType.DELIVERED, 5.0, "id1", 0)
    assert event.data["reply"] == "250 2.0.0 Taken"
    assert (event.data["host"], event.data["attempt"]) == ("mx", 3)


def test_failed():
    settlement = settle(MESSAGE, DELIVERY, NOBODY, at(5.0))
    assert (settlement.change.state, settlement.change.last) == (State.FAILED, "550 5.1.1 Nobody")
    assert [event.type for event in settlement.events] == [EventType.FAILED]


@pytest.mark.parametrize("origin", [Origin.MX, Origin.REPORT])
@pytest.mark.parametrize(("outcome", "now", "kind"), [(NOBODY, 0.0, "failed"), (BUSY, 10 * HOUR, "expired")])
def test_what_others_gave_us_is_neither_bounced_nor_thrown_away(origin, outcome, now, kind):
    settlement = settle(replace(MESSAGE, origin=origin), DELIVERY, outcome, at(now))
    assert (settlement.change.state, settlement.change.hold_key) == (State.HELD, "")
    assert [event.type for event in settlement.events] == [kind, EventType.HELD]
    assert settlement.notice is None


def test_deferred():
    settlement = settle(MESSAGE, DELIVERY, BUSY, at(100.0))
    assert (settlement.change.state, settlement.change.next_attempt) == (State.QUEUED, 160.0)
    assert [event.type for event in settlement.events] == [EventType.DEFERRED]
    assert "unknown" not in settlement.events[0].data


def test_silence_after_the_dot_is_said_to_be_unknown():
    settlement = settle(MESSAGE, DELIVERY, LOST, at(100.0))
    assert settlement.change.state is State.QUEUED
    assert settlement.events[0].data["unknown"] is True
    assert settlement.events[0].data["text"] == "lost"


def test_lateness_is_told_once():
    first = settle(MESSAGE, DELIVERY, BUSY, at(4 * HOUR))
    assert first.change.delay_noticed
    assert [event.type for event in first.events] == [EventType.DEFERRED, EventType.DELAYED]
    again = settle(MESSAGE, replace(DELIVERY, delay_noticed=True), BUSY, at(5 * HOUR))
    assert again.notice is None
    assert again.change.delay_noticed
    assert [event.type for event in again.events] == [EventType.DEFERRED]


def test_expiry():
    settlement = settle(MESSAGE, DELIVERY, BUSY, at(10 * HOUR))
    assert settlement.change.state is State.EXPIRED
    assert [event.type for event in settlement.events] == [EventType.EXPIRED]


@pytest.mark.parametrize("origin", Origin)
def test_a_refused_login_holds(origin):
    settlement = settle(replace(MESSAGE, origin=origin), DELIVERY, WRONG, at(10 * HOUR, account_key="account:x"))
    assert (settlement.change.state, settlement.change.hold_key) == (State.HELD, "account:x")
    assert [event.type for event in settlement.events] == [EventType.HELD]


def test_facts_that_nobody_can_have_never_bounce_mail():
    early = settle(MESSAGE, DELIVERY, FACTS, at(0.0, account_key="domain:x"))
    assert early.change.state is State.QUEUED
    late = settle(MESSAGE, DELIVERY, FACTS, at(10 * HOUR, account_key="domain:x"))
    assert (late.change.state, late.change.hold_key, late.notice) == (State.HELD, "domain:x", None)


def test_what_fails_inside_three_times_waits_for_a_person():
    delivery = replace(DELIVERY, attempts=0)
    states = []
    for _ in range(3):
        change = settle(MESSAGE, delivery, INTERNAL, at(1.0)).change
        states.append(change.state)
        delivery = replace(delivery, attempts=change.attempts, last=change.last)
    assert states == [State.QUEUED, State.QUEUED, State.HELD]
    assert settle(MESSAGE, replace(delivery, last="450 4.2.1 Busy"), INTERNAL, at(1.0)).change.state is State.QUEUED


def test_a_wish_of_policy_is_no_attempt():
    settlement = hold(MESSAGE, replace(DELIVERY, attempts=2, delay_noticed=True), Hold("company:x", "gone"), 7.0)
    change = settlement.change
    assert (change.state, change.attempts, change.hold_key, change.last) == (State.HELD, 2, "company:x", "gone")
    assert change.delay_noticed
    assert settlement.events[0].data == {"recipient": "anna@customer.example", "reason": "gone"}


def test_an_own_server_that_never_answers_holds_mail_in_the_end():
    """Its host or port may be written wrong: nothing bounces for that."""
    down = classify(Trouble(Fault.REFUSED, "no connection"), Phase.CONNECT, account=True)
    settled = settle(MESSAGE, asked(), down, at(10 * HOUR, account_key="account:x"))
    assert (settled.change.state, settled.change.hold_key, settled.notice) == (State.HELD, "account:x", None)
    assert settle(MESSAGE, asked(), down, at(10 * HOUR)).change.state is State.EXPIRED
