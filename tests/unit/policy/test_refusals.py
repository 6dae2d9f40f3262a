"""The catalogue of refusals, against answers as Microsoft, Google, Apple and others give them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.reply import Reply, parse_reply
from relay.policy.outcome import Action, Phase, Scope, classify
from relay.policy.refusals import Cause, known_error, known_refusal

LOGIN = [
    (("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit "
     "https://aka.ms/smtp_auth_disabled for more information."), Cause.DISABLED),
    ("535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.", Cause.CREDENTIALS),
    ("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", Cause.DISABLED),
    (("535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated "
     "successfully. Contact your administrator."), Cause.DISABLED),
    ("535 5.7.3 Authentication unsuccessful", Cause.CREDENTIALS),
    ("535 5.7.8 Username and Password not accepted. For more information, go to support.google.com", Cause.CREDENTIALS),
    ("534 5.7.9 Application-specific password required.", Cause.DISABLED),
    ("534 5.7.14 Please log in with your web browser and then try again.", Cause.DISABLED),
    ("535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6", Cause.CREDENTIALS),
    ("535 Incorrect authentication data, use an app password", Cause.DISABLED),
    ("550 5.7.30 Basic authentication is not supported for Client Submission.", Cause.DISABLED),
]  # fmt: skip
LATER = [
    ("530 5.7.57 Client not authenticated to send mail.", Cause.DISABLED),
    ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", Cause.SEND_AS),
    ("554 5.2.252 SendAsDenied; info@bakery.example not allowed to send as bills@bakery.example", Cause.SEND_AS),
    ("554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied", Cause.SEND_AS),
    ("550 5.7.0 From address is not one of your addresses.", Cause.SEND_AS),
    ("553 5.7.1 <a@b.example>: Sender address rejected: not owned by user info@bakery.example", Cause.SEND_AS),
    ("550 5.1.8 Access denied, bad outbound sender", Cause.BLOCKED),
    ("550 5.7.26 Unauthenticated email from bakery.example is not accepted.", Cause.BLOCKED),
    ("530 5.7.0 Must issue a STARTTLS command first", Cause.CREDENTIALS),
]  # fmt: skip
RATES = [
    "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
    "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
    "550 5.7.232 Your message can't be sent because your tenant exceeded its daily limit for external recipients",
    "550 5.4.5 Daily user sending limit exceeded.",
    "550 5.7.0 You have reached your daily message limit",
    "421 4.7.28 Gmail has detected an unusual rate of mail",
    "421 4.7.0 Try again later, closing connection.",
    "454 4.7.0 Too many login attempts, please try again later.",
    "450 4.7.1 Error: too many mails, try again later",
    "452 4.5.3 Your account sends too many messages",
]


def reply(text: str) -> Reply:
    return parse_reply(int(text[:3]), text[4:])


@pytest.mark.parametrize(("text", "cause"), LOGIN)
def test_a_refused_login_is_held_and_its_cause_is_known(text, cause):
    refusal = known_refusal(reply(text))
    assert refusal is not None
    assert refusal.cause is cause
    outcome = classify(reply(text), Phase.LOGIN, account=True)
    assert (outcome.action, outcome.scope, outcome.refusal) == (Action.HOLD, Scope.ACCOUNT, refusal)


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.FINAL])
@pytest.mark.parametrize(("text", "cause"), LATER)
def test_a_permission_is_held_whenever_it_is_refused(text, cause, phase):
    outcome = classify(reply(text), phase, account=True)
    assert (outcome.action, outcome.scope) == (Action.HOLD, Scope.ACCOUNT)
    assert outcome.refusal is not None
    assert outcome.refusal.cause is cause


@pytest.mark.parametrize("phase", [Phase.GREETING, Phase.LOGIN, Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.FINAL])
@pytest.mark.parametrize("text", RATES)
def test_a_limit_defers_and_never_bounces(text, phase):
    outcome = classify(reply(text), phase, account=True)
    assert (outcome.action, outcome.scope) == (Action.DEFER, Scope.ACCOUNT)
    assert outcome.status.startswith("4")
    assert outcome.refusal is not None
    assert outcome.refusal.cause is Cause.RATE
    assert outcome.refusal.pause >= 60


@pytest.mark.parametrize("text", [text for text, _ in LATER] + RATES)
def test_hosts_without_an_account_are_not_looked_up(text):
    assert classify(reply(text), Phase.FINAL, account=False).refusal is None


@pytest.mark.parametrize(
    "text",
    [
        "550 5.1.1 The email account that you tried to reach does not exist",
        "552 5.3.4 Your message exceeded size limits",
        "552 5.2.2 Mailbox full, over quota",
        "554 5.7.1 Message rejected as spam",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound",
        "451 4.7.1 Greylisted",
    ],
)
def test_verdicts_on_mail_and_recipients_are_none_on_the_account(text):
    assert known_refusal(reply(text)) is None


def test_what_is_no_refusal_has_no_entry():
    assert known_refusal(Reply(250, "2.0.0", "sending limit")) is None


@pytest.mark.parametrize(
    ("error", "description", "cause"),
    [
        ("invalid_grant", "Token has been expired or revoked.", Cause.CONSENT),
        ("invalid_grant", "AADSTS700082: The refresh token has expired due to inactivity.", Cause.CONSENT),
        ("invalid_grant", "AADSTS50173: The provided grant has expired due to it being revoked", Cause.CONSENT),
        ("invalid_grant", "AADSTS65001: The user or administrator has not consented", Cause.CONSENT),
        ("invalid_grant", "AADSTS50076: you must use multi-factor authentication", Cause.CONSENT),
        ("invalid_grant", "AADSTS53003: Access has been blocked by Conditional Access policies.", Cause.DISABLED),
        ("invalid_grant", "AADSTS50057: The user account is disabled.", Cause.DISABLED),
        ("invalid_client", "AADSTS7000222: The provided client secret keys are expired.", Cause.CREDENTIALS),
        ("invalid_client", "AADSTS7000215: Invalid client secret provided.", Cause.CREDENTIALS),
        ("unauthorized_client", "AADSTS700016: Application was not found in the directory", Cause.CREDENTIALS),
        ("unauthorized_client", "Client is unauthorized to retrieve access tokens", Cause.DISABLED),
        ("invalid_scope", "", Cause.DISABLED),
        ("admin_policy_enforced", "", Cause.DISABLED),
    ],
)
def test_errors_of_issuers_have_causes(error, description, cause):
    refusal = known_error(error, description)
    assert refusal is not None
    assert refusal.cause is cause
    assert refusal.advice


def test_an_issuer_in_trouble_says_nothing_about_the_account():
    assert known_error("temporarily_unavailable", "") is None
    assert known_error("server_error", "AADSTS90033: transient") is None


@given(st.integers(400, 599), st.text())
def test_every_answer_can_be_looked_up(code, text):
    refusal = known_refusal(parse_reply(code, text))
    assert refusal is None or refusal.plain
    assert known_error(text, text) is None or text
