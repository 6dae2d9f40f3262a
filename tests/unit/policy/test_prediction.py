"""What a receiver will compute, for everything that a company's domain may publish."""

import pytest

from relay.policy.decision import Name, ReversePath
from relay.policy.dmarc import Policy
from relay.policy.evidence import merge
from relay.policy.prediction import Check, Verdict, predict_alias, predict_own_domain, predict_own_server

from .domains import STUDIO, evidence

OURS = "my.relay.example"
PASSES, FAILS, UNKNOWN = Verdict.PASSES, Verdict.FAILS, Verdict.UNKNOWN
SIGNED, BELOW, AUTHOR = ReversePath.BOUNCE, ReversePath.COMPANY_BOUNCE, ReversePath.AUTHOR


def predict(**changes):
    return predict_own_domain(evidence(**changes), domain=OURS)


@pytest.mark.parametrize(
    ("published", "verdict", "path"),
    [
        ({"keys": True}, PASSES, SIGNED),
        ({"keys": True, "policy": "reject"}, PASSES, SIGNED),
        ({"keys": True, "policy": None}, PASSES, SIGNED),
        ({"keys": True, "spf": None}, PASSES, SIGNED),
        ({"keys": True, "bounce": True}, PASSES, BELOW),
        ({"keys": True, "bounce": True, "policy": "reject", "strict": True}, PASSES, BELOW),
        ({"keys": True, "bounce": None}, PASSES, SIGNED),
        ({"spf": True}, PASSES, AUTHOR),
        ({"spf": True, "bounce": True}, PASSES, BELOW),
        ({"spf": False, "bounce": True}, PASSES, BELOW),
        ({"spf": True, "bounce": True, "policy": "none", "strict": True}, PASSES, AUTHOR),
        ({"spf": False, "bounce": True, "policy": "none", "strict": True}, FAILS, AUTHOR),
        ({"spf": True, "policy": "quarantine"}, PASSES, AUTHOR),
        ({"spf": True, "policy": "reject"}, FAILS, AUTHOR),
        ({"spf": True, "policy": "reject", "keys": None}, UNKNOWN, AUTHOR),
        ({"spf": True, "policy": "none", "keys": None}, PASSES, AUTHOR),
        ({"spf": True, "policy": None}, UNKNOWN, AUTHOR),
        ({}, FAILS, AUTHOR),
        ({"spf": None}, UNKNOWN, AUTHOR),
        ({"keys": None}, UNKNOWN, AUTHOR),
        ({"bounce": None}, UNKNOWN, AUTHOR),
        ({"keys": True, "spf": True, "proof": False}, FAILS, SIGNED),
        ({"keys": True, "spf": True, "proof": None}, UNKNOWN, SIGNED),
    ],
)
def test_what_follows_from_what_is_published(published, verdict, path) -> None:
    prediction = predict(**published)

    assert (prediction.name, prediction.verdict, prediction.reverse_path) == (Name.OWN_DOMAIN, verdict, path)
    assert prediction.reasons
    assert all(prediction.reasons)


@pytest.mark.parametrize("keys", [True, False, None])
@pytest.mark.parametrize("spf", [True, False, None])
@pytest.mark.parametrize("bounce", [True, False, None])
@pytest.mark.parametrize("policy", ["none", "quarantine", "reject", None])
@pytest.mark.parametrize("strict", [True, False])
def test_whatever_is_used_passes_by_something_that_is_aligned(keys, spf, bounce, policy, strict) -> None:
    prediction = predict(keys=keys, spf=spf, bounce=bounce, policy=policy, strict=strict)
    checks = (prediction.spf, prediction.dkim)

    if prediction.verdict is PASSES:
        assert any(check.passes and check.aligned for check in checks)
        # With p=reject only a signature will do (RFC 9989 7.4), and SPF of the reverse path passes in any case.
        assert prediction.policy is not Policy.REJECT or prediction.dkim.passes
        assert prediction.spf.passes
    elif prediction.verdict is FAILS:
        assert not prediction.dkim.passes
        assert prediction.policy is Policy.REJECT or not prediction.spf.passes
    else:
        assert None in (keys, spf, bounce, policy)


def test_reject_without_a_signature_is_said_to_be_the_trouble() -> None:
    reasons = " ".join(predict(spf=True, policy="reject").reasons)

    assert "asks to reject" in reasons
    assert "keys is missing" in reasons


@pytest.mark.parametrize(("policy", "is_said"), [("none", False), ("quarantine", True)])
def test_spf_alone_is_said_to_be_alone(policy, is_said) -> None:
    reasons = predict(spf=True, policy=policy).reasons

    assert reasons[0] == "spf is there"
    assert "only SPF vouches" in reasons[1]
    assert ("into quarantine" in reasons[1]) is is_said
    assert reasons[2] == "bounces go to the company, not to us"
    assert len(predict(spf=True, bounce=True, policy=policy).reasons) == 2


def test_every_check_says_whose_word_it_is() -> None:
    prediction = predict(keys=True, policy="reject")

    assert prediction.spf == Check(OURS, passes=True, aligned=False, reason=prediction.spf.reason)
    assert prediction.dkim == Check(STUDIO, passes=True, aligned=True, reason="keys is there")
    assert (prediction.policy, prediction.policy_at, prediction.selectors) == (Policy.REJECT, STUDIO, ("s1",))
    unknown = predict(spf=True, policy=None)
    assert (unknown.policy, unknown.policy_at) == (None, "")


def test_a_return_path_in_another_organization_counts_for_nothing() -> None:
    prediction = predict(bounce=True, bounce_organization="bounce.studio.example")

    assert prediction.verdict is FAILS
    assert prediction.reverse_path is AUTHOR


@pytest.mark.parametrize(
    ("published", "verdict"),
    [
        ({"spf": True}, PASSES),
        ({"keys": True, "policy": "reject"}, PASSES),
        ({"spf": None, "keys": False}, UNKNOWN),
        ({}, FAILS),
    ],
)
def test_an_alias_stands_on_our_own_domain(published, verdict) -> None:
    prediction = predict_alias(evidence(**published))

    assert (prediction.name, prediction.verdict, prediction.reverse_path) == (Name.ALIAS, verdict, SIGNED)


def test_what_a_companys_own_server_sends_with_is_not_ours_to_know() -> None:
    prediction = predict_own_server(evidence(keys=True, policy="reject"), "smtp.studio.example")

    assert (prediction.name, prediction.verdict) == (Name.OWN_SERVER, UNKNOWN)
    assert (prediction.spf.passes, prediction.dkim.passes, prediction.policy) == (None, None, Policy.REJECT)
    assert "smtp.studio.example" in prediction.reasons[0]


def test_what_cannot_be_looked_up_is_as_it_was() -> None:
    before = evidence(keys=True, spf=True, bounce=True, policy="reject")
    lost = evidence(proof=None, keys=None, spf=None, bounce=None, policy=None)

    assert merge(before, lost) == before
    assert merge(before, evidence()) == evidence()
    assert merge(None, lost) == lost
    assert merge(evidence(domain="other.example", keys=True), lost) == lost
