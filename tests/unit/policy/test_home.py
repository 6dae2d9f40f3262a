"""Writers whose mail cannot reach the company come again for a time, and are then told."""

import pytest

from relay.mail.address import Address
from relay.mail.reply import Reply
from relay.policy.company import Company
from relay.policy.home import Cause, answer_writer, home_key, is_home_lost
from relay.policy.outcome import Fault, Phase, Trouble, classify

COMPANY = Company("bakery", "Bakery", Address("info", "bakery.example"), "bakery")
DAY = 86400.0


@pytest.mark.parametrize("cause", Cause)
def test_a_writer_comes_again_and_is_told_in_the_end(cause):
    def answer(now: float) -> Reply:
        return answer_writer(cause, since=DAY, now=now, put_off=5 * DAY)

    assert (answer(DAY).code, answer(6 * DAY - 1).code) == (450, 450)
    final = answer(6 * DAY)
    assert (final.code, final.enhanced) == (550, "5.2.1")
    assert "reach" in final.text


def test_the_key_names_company_and_address():
    assert home_key(COMPANY) == "home:bakery:info@bakery.example"


@pytest.mark.parametrize(
    ("trouble", "phase", "lost"),
    [
        (Reply(550, "5.1.1", "no such user"), Phase.RCPT, True),
        (Reply(550, "", "unknown"), Phase.RCPT, True),
        (Reply(552, "5.2.2", "full"), Phase.RCPT, True),
        (Trouble(Fault.NO_DOMAIN, "no such domain"), Phase.RESOLVE, True),
        (Trouble(Fault.NULL_MX, "takes no mail"), Phase.RESOLVE, True),
        (Reply(550, "5.7.1", "blocked"), Phase.RCPT, False),
        (Reply(550, "5.1.8", "your domain"), Phase.RCPT, False),
        (Reply(450, "4.2.1", "later"), Phase.RCPT, False),
        (Reply(550, "5.7.1", "spam"), Phase.FINAL, False),
        (Reply(550, "5.1.1", "no such user"), Phase.FINAL, False),
        (Trouble(Fault.TIMEOUT, "silent"), Phase.RCPT, False),
    ],
)
def test_only_a_verdict_on_the_address_itself_counts(trouble, phase, lost):
    assert is_home_lost(classify(trouble, phase, account=False)) is lost
