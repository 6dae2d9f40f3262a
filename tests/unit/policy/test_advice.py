import pytest

from relay.mail.reply import Reply
from relay.policy.advice import advise
from relay.policy.outcome import Fault, Phase, Trouble
from relay.policy.refusals import Cause, Refusal


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_something_to_do_about_it(fault):
    plain, advice = advise(Trouble(fault, "plain words"), Phase.CONNECT)
    assert plain == "plain words"
    assert advice.endswith(".")


def test_a_known_refusal_is_explained():
    plain, advice = advise(Reply(535, "5.7.139", "SmtpClientAuthentication is disabled for the Tenant."), Phase.LOGIN)
    assert "switched off" in plain
    assert "535 5.7.139" in plain
    assert "administrator" in advice
    known = Refusal(Cause.CONSENT, "plain", "Consent.")
    assert advise(Trouble(Fault.CONSENT, "plain", known), Phase.LOGIN) == ("plain", "Consent.")


def test_an_unknown_answer_is_shown_as_it_is():
    assert "permission" in advise(Reply(550, "5.1.0", "No"), Phase.MAIL)[1]
    assert advise(Reply(554, "", "No"), Phase.GREETING) == (
        "The server said: 554 No",
        "Ask whoever looks after the server.",
    )
