"""Mail for our addresses goes on unchanged where that will be believed, and in our name where it would not be."""

from dataclasses import replace

import pytest

from relay.mail.address import Address
from relay.policy.authentication import Authentication, DmarcFinding, Result, unknown
from relay.policy.company import Company, Mailbox, SecretKind, SecretRef
from relay.policy.decision import Name, ReversePath
from relay.policy.dmarc import Policy
from relay.policy.forward import Writer, forward_to_company, forward_to_postmaster, read_evidence

DOMAIN = "my.relay.example"
INFO = Address("info", "bakery.example")
COMPANY = Company("bakery", "Bakkerij", INFO, "bakery")
REJECT = DmarcFinding(Result.FAIL, "mail.x.example", Policy.REJECT, "x.example")
BY_DKIM = replace(REJECT, result=Result.PASS, aligned_by="dkim:x.example")
BY_SPF = replace(REJECT, result=Result.PASS, aligned_by="spf:x.example")


def decide(dmarc: DmarcFinding | None, *, null: bool = False):
    evidence = None if dmarc is None else Authentication(dmarc=dmarc)
    return forward_to_company(COMPANY, Writer(null, evidence), domain=DOMAIN)


@pytest.mark.parametrize("null", [True, False])
@pytest.mark.parametrize(
    ("dmarc", "why"),
    [
        (BY_DKIM, "the signature of x.example proves its author and stays whole"),
        (replace(REJECT, policy=Policy.NONE), "mail.x.example asks nobody to refuse it"),
        (replace(BY_SPF, policy=Policy.NONE), "mail.x.example asks nobody to refuse it"),
        (DmarcFinding(author="x.example"), "x.example asks nobody to refuse it"),
    ],
)
def test_what_will_be_believed_stays_as_it_is(dmarc, why, null):
    decision = decide(dmarc, null=null)
    assert (decision.name, decision.author, decision.via, decision.sign_for) == (Name.FORWARD, None, "", ())
    assert decision.recipient == INFO
    assert decision.reverse_path is (ReversePath.NULL if null else ReversePath.SRS)
    assert decision.reasons == (
        "mail for the alias goes to the company's address info@bakery.example",
        f"it goes unchanged: {why}",
    )


@pytest.mark.parametrize("null", [True, False])
@pytest.mark.parametrize(
    ("dmarc", "why"),
    [
        (REJECT, "x.example asks for p=reject, and no signature of mail.x.example would prove it to the next host"),
        (BY_SPF, "x.example asks for p=reject, and no signature of mail.x.example would prove it to the next host"),
        (replace(REJECT, policy=Policy.QUARANTINE), "x.example asks for p=quarantine, and no signature of mail"),
        (None, "it was taken before there was a look at what its author can prove"),
        (DmarcFinding(), "its author cannot be told"),
        (DmarcFinding(Result.PERMERROR), "its author cannot be told"),
        (DmarcFinding(Result.PERMERROR, "x.example"), "what x.example wants done with its mail could not be found out"),
        (DmarcFinding(Result.TEMPERROR, "x.example"), "what x.example wants done with its mail could not be found out"),
    ],
)
def test_what_would_not_be_believed_goes_out_in_our_name(dmarc, why, null):
    decision = decide(dmarc, null=null)
    assert (decision.name, decision.via, decision.sign_for) == (Name.FORWARD, "Bakkerij", (DOMAIN,))
    assert (decision.author, decision.recipient) == (Address("bakery", DOMAIN), INFO)
    assert decision.reverse_path is (ReversePath.NULL if null else ReversePath.SRS)
    assert decision.reasons[1].startswith(f"From becomes bakery@{DOMAIN}, with the author's name: {why}")


def test_a_look_that_failed_is_no_reason_to_lose_mail():
    decision = forward_to_company(COMPANY, Writer(null=False, evidence=unknown("no name server")), domain=DOMAIN)
    assert decision.author is not None


def test_evidence_is_read_where_there_is_some():
    assert read_evidence({}) is None
    assert read_evidence({"evidence": Authentication(dmarc=REJECT).to_json()}) == Authentication(dmarc=REJECT)


def test_mail_for_the_relay_itself_goes_to_its_postmaster():
    decision = forward_to_postmaster(INFO, Writer(null=False, evidence=unknown("no name server")), domain=DOMAIN)
    assert (decision.recipient, decision.author) == (INFO, Address("postmaster", DOMAIN))
    assert decision.via == DOMAIN
    assert decision.reasons[0] == "mail for the relay itself goes to info@bakery.example"


def test_what_is_laid_into_a_mailbox_stays_as_it_is():
    mailbox = Mailbox("imap.bakery.example", 993, "implicit", "info", SecretRef(SecretKind.ENV, "PASSWORD"))
    company = replace(COMPANY, mailbox=mailbox, into_mailbox=True)
    decision = forward_to_company(company, Writer(null=False, evidence=Authentication(dmarc=REJECT)), domain=DOMAIN)
    assert (decision.into, decision.author, decision.recipient) == (mailbox, None, INFO)
    assert (
        forward_to_company(replace(company, mailbox=None), Writer(null=False, evidence=None), domain=DOMAIN).into
        is None
    )
