"""Reports as messages of their own: what their envelope says of them."""

import pytest

from relay.delivery.reporting import Reporter
from relay.delivery.settle import Notice
from relay.mail.envelope import Body
from relay.mail.reply import Reply
from relay.mail.report import Action
from relay.policy.outcome import Phase, classify
from relay.policy.retry import Patience

from .house import ANNA, DOMAIN, MAIL, House


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
