"""Writers whose mail cannot reach the company come again for a time, and are then told."""

import pytest

from relay.mail.address import Address
from relay.mail.reply import Reply
from relay.policy.company import Company
from relay.policy.home import Cause, answer_writer, home_key, is_home_lost, pass_on
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


ALIAS = Address("bakery", "my.relay.example")


@pytest.mark.parametrize(
    ("trouble", "phase", "told"),
    [
        (
            Reply(550, "5.1.1", "<Info@Bakery.example> is unknown"),
            Phase.RCPT,
            "550 5.1.1 The company's mail host says: <bakery@my.relay.example> is unknown",
        ),
        (Reply(554, "5.7.1", "Spåm"), Phase.FINAL, "554 5.7.1 The company's mail host says: Sp?m"),
        (Reply(552, "", "full"), Phase.DATA, "552 5.0.0 The company's mail host says: full"),
        (Reply(550, "5.6.0", "x" * 999), Phase.CONTENT, "550 5.6.0 The company's mail host says: " + "x" * 300),
        # What is said of us, by nobody, or not for good, is not for the writer.
        (Reply(554, "5.7.1", "your address is blocked"), Phase.GREETING, None),
        (Reply(550, "5.7.1", "your return path"), Phase.MAIL, None),
        (Reply(451, "4.7.1", "come again"), Phase.RCPT, None),
        (Reply(250, "2.0.0", "taken"), Phase.FINAL, None),
        (Trouble(Fault.NO_EIGHT_BIT, "8BITMIME"), Phase.CHECK, None),
    ],
)
def test_a_writer_hears_what_the_host_says_of_his_mail(trouble, phase, told):
    said = pass_on(classify(trouble, phase, account=False), COMPANY, ALIAS)
    assert (str(said) if said else None) == told
