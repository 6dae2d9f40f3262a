"""What failures mean: a table over every phase, every class of reply and both kinds of host, and every fault."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.reply import Reply
from relay.policy.outcome import Action, Fault, Outcome, Phase, Scope, Trouble, classify, is_before_mail, is_repairable

EARLY = (Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.HELLO, Phase.TLS, Phase.LOGIN)
LATE = (Phase.CHECK, Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.FINAL)

DELIVERED = (Action.DELIVERED, Scope.RECIPIENT)
DEFER_TARGET = (Action.DEFER, Scope.TARGET)
DEFER_MESSAGE = (Action.DEFER, Scope.MESSAGE)
DEFER_RECIPIENT = (Action.DEFER, Scope.RECIPIENT)
FAIL_MESSAGE = (Action.FAIL, Scope.MESSAGE)
FAIL_RECIPIENT = (Action.FAIL, Scope.RECIPIENT)
HOLD_ACCOUNT = (Action.HOLD, Scope.ACCOUNT)
HOLD_RECIPIENT = (Action.HOLD, Scope.RECIPIENT)


def expected(reply: Reply, phase: Phase, *, account: bool) -> tuple[Action, Scope]:
    """The table, written down a second time."""
    if reply.code < 400:
        return DELIVERED if phase is Phase.FINAL and reply.code < 300 else DEFER_TARGET
    if reply.code == 421 or (phase in EARLY and not (phase is Phase.LOGIN and reply.code >= 500)):
        return DEFER_TARGET
    if phase is Phase.LOGIN:
        return HOLD_ACCOUNT
    if reply.code < 500:
        return DEFER_RECIPIENT if phase is Phase.RCPT else DEFER_MESSAGE
    by_sender = phase is Phase.MAIL and reply.code != 552
    by_security = phase is Phase.RCPT and reply.enhanced.startswith("5.7.")
    permission = account and (reply.code in (530, 535) or by_sender)
    too_many = phase is Phase.RCPT and reply.code == 552 and not reply.enhanced
    refused = FAIL_RECIPIENT if phase is Phase.RCPT else FAIL_MESSAGE
    if permission or (account and by_security):
        return HOLD_ACCOUNT if permission else HOLD_RECIPIENT
    return DEFER_RECIPIENT if too_many else refused


REPLIES = [
    Reply(220, "", "hello"),
    Reply(250, "2.1.5", "fine"),
    Reply(250, "", "fine"),
    Reply(354, "", "go on"),
    Reply(421, "4.3.2", "closing"),
    Reply(450, "4.2.1", "busy"),
    Reply(451, "", "greylisted"),
    Reply(452, "4.5.3", "too many"),
    Reply(500, "", "what?"),
    Reply(530, "5.7.0", "log in"),
    Reply(535, "5.7.8", "wrong"),
    Reply(550, "5.1.1", "nobody"),
    Reply(552, "", "too many, or too large"),
    Reply(552, "5.2.2", "full"),
    Reply(553, "5.7.1", "not your address"),
    Reply(554, "", "no"),
]


@pytest.mark.parametrize(("reply", "phase", "account"), [*itertools.product(REPLIES, Phase, (False, True))])
def test_every_answer_in_every_phase(reply, phase, account):
    outcome = classify(reply, phase, account=account)
    assert (outcome.action, outcome.scope) == expected(reply, phase, account=account)
    assert outcome.reply is reply
    assert outcome.phase is phase
    assert outcome.unknown is (phase is Phase.FINAL and 300 <= reply.code < 400)


@given(
    code=st.integers(200, 599),
    phase=st.sampled_from(Phase),
    account=st.booleans(),
)
def test_an_answer_counts_by_its_first_digit(code, phase, account):
    outcome = classify(Reply(code, "", "words"), phase, account=account)
    if outcome.action is Action.DELIVERED:
        assert code < 300
        assert phase is Phase.FINAL
    if outcome.action is Action.FAIL:
        assert code >= 500
        assert phase in LATE
    if outcome.action is Action.HOLD:
        assert code >= 500
        assert account or phase is Phase.LOGIN
    assert_fits(outcome)


def assert_fits(outcome: Outcome) -> None:
    """The status of a report agrees with what it reports."""
    classes = {Action.DELIVERED: "2", Action.DEFER: "4", Action.FAIL: "5", Action.HOLD: "45"}[outcome.action]
    assert outcome.status[0] in classes


FAULTS = {
    Fault.FACTS: (Action.DEFER, Scope.ACCOUNT, "4.4.3"),
    Fault.NO_DOMAIN: (*FAIL_RECIPIENT, "5.1.2"),
    Fault.NULL_MX: (*FAIL_RECIPIENT, "5.1.10"),
    Fault.NO_HOST: (*FAIL_RECIPIENT, "5.4.4"),
    Fault.DNS: (*DEFER_TARGET, "4.4.3"),
    Fault.REFUSED: (*DEFER_TARGET, "4.4.1"),
    Fault.TIMEOUT: (*DEFER_TARGET, "4.4.2"),
    Fault.DISCONNECTED: (*DEFER_TARGET, "4.4.2"),
    Fault.PROTOCOL: (*DEFER_TARGET, "4.5.0"),
    Fault.TLS: (*DEFER_TARGET, "4.7.5"),
    Fault.CERTIFICATE: (*HOLD_ACCOUNT, "4.7.5"),
    Fault.NO_TLS: (*HOLD_ACCOUNT, "4.7.10"),
    Fault.UNTRUSTED: (*DEFER_TARGET, "4.7.5"),
    Fault.REQUIRE_TLS: (Action.FAIL, Scope.TARGET, "5.7.30"),
    Fault.NO_LOGIN: (*HOLD_ACCOUNT, "4.7.10"),
    Fault.SECRET: (*HOLD_ACCOUNT, "4.7.8"),
    Fault.CONSENT: (*HOLD_ACCOUNT, "4.7.8"),
    Fault.TOO_LARGE: (*FAIL_MESSAGE, "5.3.4"),
    Fault.NO_EIGHT_BIT: (*FAIL_MESSAGE, "5.6.3"),
    Fault.NO_SMTPUTF8: (*FAIL_MESSAGE, "5.6.7"),
    Fault.MAILBOX: (Action.DEFER, Scope.TARGET, "4.2.0"),
    Fault.UNEXPECTED: (*DEFER_MESSAGE, "4.3.0"),
}


@pytest.mark.parametrize(("fault", "phase"), [*itertools.product(Fault, Phase)])
def test_every_fault_in_every_phase(fault, phase):
    outcome = classify(Trouble(fault, "plain words"), phase, account=True)
    assert (outcome.action, outcome.scope, outcome.status) == FAULTS[fault]
    assert (outcome.text, outcome.phase, outcome.reply) == ("plain words", phase, None)
    assert outcome.unknown is (phase is Phase.FINAL and outcome.scope is Scope.TARGET)
    assert_fits(outcome)


@pytest.mark.parametrize("fault", Fault)
def test_without_an_account_nothing_is_held(fault):
    """Held mail waits for a repaired account; a smarthost or a mail host has none."""
    outcome = classify(Trouble(fault, "plain words"), Phase.TLS, account=False)
    action, scope, status = FAULTS[fault]
    assert (outcome.action, outcome.scope) == (DEFER_TARGET if action is Action.HOLD else (action, scope))
    assert outcome.status == status


def test_a_code_of_its_own_is_kept_and_a_missing_one_is_general():
    assert classify(Reply(250, "2.6.0", "x"), Phase.FINAL, account=False).status == "2.6.0"
    assert classify(Reply(250, "", "x"), Phase.FINAL, account=False).status == "2.0.0"
    assert classify(Reply(451, "4.7.1", "x"), Phase.MAIL, account=False).status == "4.7.1"
    assert classify(Reply(451, "", "x"), Phase.MAIL, account=False).status == "4.0.0"
    assert classify(Reply(550, "5.7.26", "x"), Phase.FINAL, account=False).status == "5.7.26"
    assert classify(Reply(550, "", "x"), Phase.FINAL, account=False).status == "5.0.0"
    assert classify(Reply(552, "", "x"), Phase.RCPT, account=False).status == "4.5.3"
    # A host that refuses everyone: the reply says 5, the consequence is temporary, and so is the status.
    assert classify(Reply(554, "5.7.1", "x"), Phase.GREETING, account=False).status == "4.7.1"


@pytest.mark.parametrize("status", ["5.7.60", "5.7.57", "5.2.252"])
def test_an_own_server_may_say_only_after_the_dot_that_its_account_may_not_send_so(status):
    reply = Reply(550, status, "client does not have permissions to send as this sender")
    held = classify(reply, Phase.FINAL, account=True)
    assert (held.action, held.scope) == (Action.HOLD, Scope.ACCOUNT)
    assert classify(reply, Phase.FINAL, account=False).action is Action.FAIL


def test_what_comes_before_mail_on_an_own_server_can_be_repaired():
    """A wrong host, port or kind of TLS looks like a host that is down."""
    down = Trouble(Fault.REFUSED, "no connection")
    assert is_repairable(classify(down, Phase.CONNECT, account=True))
    assert is_repairable(classify(Reply(535, "5.7.8", "no"), Phase.LOGIN, account=True))
    assert not is_repairable(classify(Reply(451, "", "later"), Phase.FINAL, account=True))


@pytest.mark.parametrize(
    ("reply", "phase"),
    [
        (Reply(550, "5.7.1", "Relaying denied"), Phase.RCPT),
        (Reply(554, "5.7.1", "Relay access denied"), Phase.RCPT),
        (Reply(550, "5.7.1", "Sender not allowed"), Phase.MAIL),
        (Reply(530, "", "Authentication required"), Phase.MAIL),
    ],
)
def test_a_smarthost_that_does_not_let_us_send_bounces_nothing(reply, phase):
    outcome = classify(reply, phase, account=False, smarthost=True)
    assert (outcome.action, outcome.scope) == (Action.DEFER, Scope.ACCOUNT)
    assert is_repairable(outcome)
    assert outcome.status[0] == "4"
    assert classify(reply, phase, account=False).action is Action.FAIL


@pytest.mark.parametrize(
    ("reply", "phase"),
    [
        (Reply(550, "5.1.1", "Nobody"), Phase.RCPT),
        (Reply(552, "5.3.4", "Too large"), Phase.MAIL),
        (Reply(550, "5.7.1", "Spam"), Phase.FINAL),
        (Reply(250, "2.0.0", "Taken"), Phase.FINAL),
        (Reply(451, "4.7.1", "Later"), Phase.RCPT),
    ],
)
def test_a_smarthosts_verdicts_are_those_of_any_host(reply, phase):
    assert classify(reply, phase, account=False, smarthost=True) == classify(reply, phase, account=False)


@pytest.mark.parametrize(("phase", "before"), [(Phase.CONNECT, True), (Phase.LOGIN, True), (Phase.MAIL, False)])
def test_what_ends_before_mail_was_never_heard_of(phase, before):
    assert is_before_mail(classify(Trouble(Fault.TIMEOUT, "silence"), phase, account=True)) is before
