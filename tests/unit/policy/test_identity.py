"""In whose name mail goes: the core table, row by row."""

from dataclasses import replace

import pytest

from relay.mail.address import Address
from relay.policy.company import Company, IdentityKind, Otherwise, SecretKind, SecretRef, Server
from relay.policy.decision import Decision, Hold, Name, ReversePath, Wait
from relay.policy.forward import forward_to_company, forward_to_postmaster, send_notice, send_report
from relay.policy.identity import DomainFact, Standing, choose_identity, needs_domain_fact

DOMAIN = "my.relay.example"
INFO = Address("info", "studio.example")
BILLS = Address("bills", "studio.example")
ALIAS = Address("studio", DOMAIN)
SERVER = Server("smtp.studio.example", 587, "starttls", "info", SecretRef(SecretKind.FILE, "var/password"))
PASSES = DomainFact(Standing.PASSES, "SPF passes")
FAILS = DomainFact(Standing.FAILS, "SPF fails")
UNKNOWN = DomainFact(Standing.UNKNOWN, "DNS is silent")

COMPANY = Company("studio", "Studio", INFO, "studio")
OWN_DOMAIN = replace(COMPANY, identity=IdentityKind.OWN_DOMAIN, author=BILLS)
OWN_SERVER = replace(COMPANY, identity=IdentityKind.OWN_SERVER, author=BILLS, server=SERVER)


AS_ALIAS = Decision(Name.ALIAS, ALIAS, ReversePath.BOUNCE, sign_for=(DOMAIN,))
AS_DOMAIN = Decision(Name.OWN_DOMAIN, BILLS, ReversePath.AUTHOR, sign_for=("studio.example", DOMAIN))
AS_SERVER = Decision(Name.OWN_SERVER, BILLS, ReversePath.AUTHOR, server=SERVER)


@pytest.mark.parametrize(
    ("company", "fact", "decision"),
    [
        (COMPANY, None, AS_ALIAS),
        (COMPANY, FAILS, AS_ALIAS),
        (OWN_DOMAIN, PASSES, AS_DOMAIN),
        (replace(OWN_DOMAIN, author=None), PASSES, replace(AS_DOMAIN, author=INFO)),
        (OWN_DOMAIN, FAILS, AS_ALIAS),
        (OWN_SERVER, None, AS_SERVER),
        (replace(OWN_SERVER, author=None), None, replace(AS_SERVER, author=INFO)),
    ],
)
def test_the_core_table(company, fact, decision):
    choice = choose_identity(company, domain=DOMAIN, fact=fact)
    assert isinstance(choice, Decision)
    assert choice.reasons
    assert replace(choice, reasons=()) == decision


def test_a_fallback_says_why():
    choice = choose_identity(OWN_DOMAIN, domain=DOMAIN, fact=FAILS)
    assert isinstance(choice, Decision)
    assert "SPF fails" in choice.reasons[0]
    assert "alias is used instead" in choice.reasons[0]


def test_mail_waits_where_the_company_wants_no_other_name():
    choice = choose_identity(replace(OWN_DOMAIN, otherwise=Otherwise.HOLD), domain=DOMAIN, fact=FAILS)
    assert isinstance(choice, Hold)
    assert choice.key == "domain:studio:studio.example"
    assert "SPF fails" in choice.reason


@pytest.mark.parametrize("otherwise", Otherwise)
@pytest.mark.parametrize(("fact", "reason"), [(UNKNOWN, "DNS is silent"), (None, "nothing is known")])
def test_what_cannot_be_looked_up_now_never_changes_the_name(otherwise, fact, reason):
    choice = choose_identity(replace(OWN_DOMAIN, otherwise=otherwise), domain=DOMAIN, fact=fact)
    assert isinstance(choice, Wait)
    assert choice.key == "domain:studio:studio.example"
    assert reason in choice.reason


def test_facts_are_asked_for_where_they_decide():
    assert needs_domain_fact(OWN_DOMAIN)
    assert not needs_domain_fact(COMPANY)
    assert not needs_domain_fact(OWN_SERVER)


@pytest.mark.parametrize(("null", "path"), [(True, ReversePath.NULL), (False, ReversePath.SRS)])
def test_forwarded_mail_keeps_its_author_and_a_null_path(null, path):
    to_company = forward_to_company(COMPANY, null=null)
    to_postmaster = forward_to_postmaster(INFO, null=null)
    for decision in (to_company, to_postmaster):
        assert (decision.name, decision.author, decision.reverse_path) == (Name.FORWARD, None, path)
        assert (decision.recipient, decision.sign_for, decision.server) == (INFO, (), None)
        assert str(INFO) in decision.reasons[0]


def test_a_report_goes_out_in_our_own_name_and_is_never_answered():
    decision = send_report(INFO, domain=DOMAIN)
    assert (decision.name, decision.author, decision.reverse_path) == (Name.RELAY, None, ReversePath.NULL)
    assert (decision.recipient, decision.sign_for) == (INFO, (DOMAIN,))


def test_a_notice_goes_to_the_address_it_was_written_for():
    decision = send_notice(domain=DOMAIN)
    assert decision.recipient is None
    assert decision.reverse_path is ReversePath.NULL
    assert decision.sign_for == (DOMAIN,)
