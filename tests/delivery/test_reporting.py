"""Reports as messages of their own: what their envelope says of them."""

import itertools

import pytest

from relay.delivery.reporting import Reporter
from relay.delivery.settle import Notice
from relay.mail.envelope import Body
from relay.mail.reply import Reply
from relay.mail.report import Action
from relay.policy.outcome import Phase, classify
from relay.policy.retry import Patience
from relay.sandbox.scripted_peer import Say, Script, ScriptedPeer
from relay.store.spool import Origin, Selection, State

from .house import ANNA, DAY, DOMAIN, MAIL, House

AUTOMATIC = MAIL.replace(b"Message-ID", b"Auto-Submitted: auto-generated\r\nMessage-ID")


@pytest.mark.parametrize(("octets", "body"), [(MAIL, None), (MAIL + "caf\u00e9\r\n".encode(), Body.EIGHT_BIT)])
async def test_a_report_that_returns_eight_bit_content_says_so(house: House, octets, body):
    """A host that knows no 8BITMIME must not get octets that nobody declared (RFC 6152)."""
    entry = await house.put(ANNA, octets=octets)
    outcome = classify(Reply(550, "5.1.1", "Nobody"), Phase.RCPT, account=False)
    notice = Notice(entry.deliveries[0], outcome, Action.FAILED, "mx.customer.example")
    reporter = Reporter(house.spool, hostname=f"mx1.{DOMAIN}", domain=DOMAIN)

    report = reporter.report(entry.message, [notice], now=house.clock.now(), patience=Patience((60.0,), 3600.0, 600.0))

    assert report is not None
    assert report.message.envelope.body is body
    await house.spool.commit(report)


# Submission takes no other senders than aliases.
@pytest.mark.parametrize(
    ("origin", "sender"),
    [
        *itertools.product(Origin, [f"bakery@{DOMAIN}", None]),
        *itertools.product([origin for origin in Origin if origin is not Origin.SUBMISSION], ["jan@outside.example"]),
    ],
)
@pytest.mark.parametrize("reply", ["550 5.1.1 Nobody", "450 4.2.1 Busy"])
async def test_reports_go_to_companies_and_never_to_strangers_robots_or_nobody(house: House, origin, sender, reply):
    """Whatever came in from outside, and whatever we wrote ourselves, causes no mail when it cannot be delivered."""
    async with ScriptedPeer(Script(rcpt=Say(reply))) as peer:
        house.configure(delivery={"port": peer.port, "connections_idle": "1ms", "retry": ["5d"]})
        queue_id = await house.deliver(ANNA, company="bakery", origin=origin, sender=sender, octets=AUTOMATIC)
        house.clock.at += 6 * DAY
        while (await house.delivery(queue_id)).state is State.QUEUED:
            await house.lease()
            house.clock.at += 6 * DAY
        told = {
            str(recipient.address)
            for entry in await house.spool.select(Selection(states=tuple(State), limit=100))
            if entry.message.queue_id != queue_id
            for recipient in entry.message.envelope.recipients
        }
    assert told <= {f"bakery@{DOMAIN}"}
    if origin is not Origin.SUBMISSION or sender is None:
        assert told == set()
