"""In whose name mail goes: the core table, row by row."""

from dataclasses import replace

import pytest

from relay.mail.address import Address
from relay.policy.company import Company, IdentityKind, Otherwise, SecretKind, SecretRef, Server
from relay.policy.decision import Decision, Hold, Name, ReversePath, Wait
from relay.policy.forward import send_document, send_notice, send_report
from relay.policy.identity import choose_identity, needs_standing
from relay.policy.standing import Standing, State

from .domains import evidence

DOMAIN = "my.relay.example"
INFO = Address("info", "studio.example")
BILLS = Address("bills", "studio.example")
ALIAS = Address("studio", DOMAIN)
SERVER = Server("smtp.studio.example", 587, "starttls", "info", SecretRef(SecretKind.FILE, "var/password"))
BY_SPF = Standing(State.PASSES, 0.0, evidence(spf=True))
BY_KEY = Standing(State.PASSES, 0.0, evidence(keys=True, policy="reject"))
BY_BOTH = Standing(State.PASSES, 0.0, evidence(keys=True, bounce=True))
FAILS = Standing(State.FAILS, 0.0, evidence())
AT_RISK = Standing(State.AT_RISK, 0.0, evidence())
UNKNOWN = Standing(State.UNKNOWN, 0.0, evidence(spf=None))

COMPANY = Company("studio", "Studio", INFO, "studio")
OWN_DOMAIN = replace(COMPANY, identity=IdentityKind.OWN_DOMAIN, author=BILLS)
OWN_SERVER = replace(COMPANY, identity=IdentityKind.OWN_SERVER, author=BILLS, server=SERVER)


AS_ALIAS = Decision(Name.ALIAS, ALIAS, ReversePath.BOUNCE, sign_for=(DOMAIN,))
AS_DOMAIN = Decision(Name.OWN_DOMAIN, BILLS, ReversePath.AUTHOR, sign_for=(DOMAIN,))
SIGNED = replace(AS_DOMAIN, reverse_path=ReversePath.BOUNCE, selectors=("s1",))
AS_SERVER = Decision(Name.OWN_SERVER, BILLS, ReversePath.AUTHOR, server=SERVER)


@pytest.mark.parametrize(
    ("company", "standing", "decision"),
    [
        (COMPANY, None, AS_ALIAS),
        (COMPANY, FAILS, AS_ALIAS),
        (OWN_DOMAIN, BY_SPF, AS_DOMAIN),
        (OWN_DOMAIN, BY_KEY, SIGNED),
        (OWN_DOMAIN, BY_BOTH, replace(SIGNED, reverse_path=ReversePath.COMPANY_BOUNCE)),
        (replace(OWN_DOMAIN, author=None), BY_SPF, replace(AS_DOMAIN, author=INFO)),
        (OWN_DOMAIN, FAILS, AS_ALIAS),
        (OWN_SERVER, None, AS_SERVER),
        (replace(OWN_SERVER, author=None), None, replace(AS_SERVER, author=INFO)),
    ],
)
def test_the_core_table(company, standing, decision):
    choice = choose_identity(company, domain=DOMAIN, standing=standing)
    assert isinstance(choice, Decision)
    assert choice.reasons
    assert choice.wanted == company.identity.value
    assert choice.is_fallback is (choice.name != company.identity.value)
    assert replace(choice, reasons=(), wanted=None) == decision


def test_a_fallback_says_why():
    choice = choose_identity(OWN_DOMAIN, domain=DOMAIN, standing=FAILS)
    assert isinstance(choice, Decision)
    assert choice.is_fallback
    assert "spf is missing" in choice.reasons[0]
    assert "alias is used instead" in choice.reasons[1]


def test_wishes_are_tried_in_their_order():
    company = replace(OWN_DOMAIN, then=(IdentityKind.OWN_SERVER,), server=SERVER)
    first = choose_identity(company, domain=DOMAIN, standing=BY_KEY)
    second = choose_identity(company, domain=DOMAIN, standing=FAILS)
    assert isinstance(first, Decision)
    assert isinstance(second, Decision)
    assert (first.name, first.is_fallback) == (Name.OWN_DOMAIN, False)
    assert (second.name, second.is_fallback) == (Name.OWN_SERVER, True)
    assert "spf is missing" in second.reasons[0]
    assert isinstance(choose_identity(company, domain=DOMAIN, standing=UNKNOWN), Wait)
    last = replace(OWN_DOMAIN, then=(IdentityKind.ALIAS,), otherwise=Otherwise.HOLD)
    assert choose_identity(last, domain=DOMAIN, standing=FAILS).name is Name.ALIAS


def test_mail_waits_where_the_company_wants_no_other_name():
    choice = choose_identity(replace(OWN_DOMAIN, otherwise=Otherwise.HOLD), domain=DOMAIN, standing=FAILS)
    assert isinstance(choice, Hold)
    assert choice.key == "domain:studio:studio.example"
    assert "spf is missing" in choice.reason
    assert choice.wanted is Name.OWN_DOMAIN


@pytest.mark.parametrize("otherwise", Otherwise)
@pytest.mark.parametrize(
    ("standing", "reason"),
    [(UNKNOWN, "spf cannot be looked up"), (AT_RISK, "waits to see whether it lasts"), (None, "nothing is known")],
)
def test_what_is_not_known_or_new_trouble_never_changes_the_name(otherwise, standing, reason):
    choice = choose_identity(replace(OWN_DOMAIN, otherwise=otherwise), domain=DOMAIN, standing=standing)
    assert isinstance(choice, Wait)
    assert choice.key == "domain:studio:studio.example"
    assert reason in choice.reason


def test_facts_are_asked_for_where_they_decide():
    assert needs_standing(OWN_DOMAIN)
    assert needs_standing(replace(OWN_SERVER, then=(IdentityKind.OWN_DOMAIN,)))
    assert not needs_standing(COMPANY)
    assert not needs_standing(OWN_SERVER)


def test_a_report_goes_out_in_our_own_name_and_is_never_answered():
    decision = send_report(INFO, domain=DOMAIN)
    assert (decision.name, decision.author, decision.reverse_path) == (Name.RELAY, None, ReversePath.NULL)
    assert (decision.recipient, decision.sign_for) == (INFO, (DOMAIN,))


def test_a_notice_goes_to_the_address_it_was_written_for():
    decision = send_document(INFO, domain=DOMAIN)
    assert (decision.recipient, decision.reverse_path, decision.secret) == (INFO, ReversePath.BOUNCE, True)
    assert not any(INFO.local in reason for reason in decision.reasons)
    decision = send_notice(domain=DOMAIN)
    assert decision.recipient is None
    assert decision.reverse_path is ReversePath.NULL
    assert decision.sign_for == (DOMAIN,)
