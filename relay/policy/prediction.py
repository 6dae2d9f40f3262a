"""What a receiver will compute for a mail that we have not sent yet: SPF, DKIM, alignment, and DMARC's verdict. Pure.

For the company's own domain the best way of sending is predicted: the return path that brings bounces home where that
is possible, and the signatures that receivers can check.
"""

from dataclasses import dataclass
from enum import StrEnum

from relay.policy.decision import Name, ReversePath
from relay.policy.dmarc import Policy, is_aligned
from relay.policy.evidence import Evidence, bounce_domain


class Verdict(StrEnum):
    """Whether receivers will believe the author."""

    PASSES = "passes"
    FAILS = "fails"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """What SPF or DKIM will come to: who vouches, whether that holds (None: not known), whether it counts."""

    domain: str
    passes: bool | None
    aligned: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a receiver computes for mail in one name.

    `policy` is what the author's domain asks for, None while that is not known; `policy_at` the domain whose record
    says so. `selectors` are the keys to sign with for the author's domain. `reasons` are sentences for people.
    """

    name: Name
    verdict: Verdict
    reverse_path: ReversePath
    spf: Check
    dkim: Check
    policy: Policy | None = None
    policy_at: str = ""
    selectors: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def predict_own_domain(evidence: Evidence, *, domain: str) -> Prediction:
    """For the company's own domain, sent by our hosts; `domain` is ours."""
    path, spf = _return_path(evidence, domain)
    dkim = Check(evidence.domain, evidence.keys.holds, aligned=True, reason=evidence.keys.reason)
    verdict, reasons = _judge(evidence, path, spf)
    policy, found_at = _policy(evidence)
    return Prediction(
        Name.OWN_DOMAIN, verdict, path, spf, dkim, policy, found_at, evidence.selectors, tuple(filter(None, reasons))
    )


def predict_alias(evidence: Evidence) -> Prediction:
    """For an alias: the evidence is about our own domain, which needs no proof."""
    spf = Check(evidence.domain, evidence.spf.holds, aligned=True, reason=evidence.spf.reason)
    dkim = Check(evidence.domain, evidence.keys.holds, aligned=True, reason=evidence.keys.reason)
    verdict = Verdict.FAILS
    if spf.passes or dkim.passes:
        verdict = Verdict.PASSES
    elif None in (spf.passes, dkim.passes):
        verdict = Verdict.UNKNOWN
    policy, found_at = _policy(evidence)
    reasons = (evidence.spf.reason, evidence.keys.reason)
    return Prediction(Name.ALIAS, verdict, ReversePath.BOUNCE, spf, dkim, policy, found_at, evidence.selectors, reasons)


def predict_own_server(evidence: Evidence, host: str) -> Prediction:
    """For the company's own server: what is published about us does not matter, and what it sends with is not known."""
    author = evidence.domain
    spf = Check(author, passes=None, aligned=True, reason=f"{host} sends from addresses that it alone knows")
    dkim = Check(author, passes=None, aligned=True, reason=f"{host} signs, or it does not")
    policy, found_at = _policy(evidence)
    reasons = (f"what receivers compute is up to {host}",)
    return Prediction(
        Name.OWN_SERVER, Verdict.UNKNOWN, ReversePath.AUTHOR, spf, dkim, policy, found_at, reasons=reasons
    )


def _return_path(evidence: Evidence, domain: str) -> tuple[ReversePath, Check]:
    """The best reverse path, and what SPF says for it."""
    author = evidence.domain
    bounce = bounce_domain(author)
    is_strict = evidence.dmarc is not None and evidence.dmarc.strict_spf
    organizations = {bounce: evidence.bounce_organization}
    if evidence.dmarc is not None:
        organizations[author] = evidence.dmarc.organization
    counts = is_aligned(bounce, author, strict=is_strict, organizations=organizations)
    if evidence.bounce.holds and (counts or evidence.keys.holds):
        return ReversePath.COMPANY_BOUNCE, Check(bounce, passes=True, aligned=counts, reason=evidence.bounce.reason)
    if evidence.keys.holds:
        reason = f"mail is sent with a return address of {domain}, which allows it"
        return ReversePath.BOUNCE, Check(domain, passes=True, aligned=False, reason=reason)
    return ReversePath.AUTHOR, Check(author, evidence.spf.holds, aligned=True, reason=evidence.spf.reason)


def _judge(evidence: Evidence, path: ReversePath, spf: Check) -> tuple[Verdict, tuple[str, ...]]:
    if not evidence.proof.holds:
        verdict = Verdict.FAILS if evidence.proof.holds is False else Verdict.UNKNOWN
        return verdict, (evidence.proof.reason,)
    if evidence.keys.holds:
        return Verdict.PASSES, (evidence.keys.reason,)
    if spf.passes:
        return _judge_spf_alone(evidence, path, spf)
    open_questions = [each for each in (evidence.spf, evidence.keys, evidence.bounce) if each.holds is None]
    if open_questions:
        return Verdict.UNKNOWN, tuple(each.reason for each in open_questions)
    return Verdict.FAILS, (spf.reason, evidence.keys.reason)


def _judge_spf_alone(evidence: Evidence, path: ReversePath, spf: Check) -> tuple[Verdict, tuple[str, ...]]:
    """No key of ours is known to be published: SPF has to carry it."""
    dmarc = evidence.dmarc
    if dmarc is None:
        return Verdict.UNKNOWN, (evidence.dmarc_reason,)
    if dmarc.policy is Policy.REJECT:
        if evidence.keys.holds is None:
            return Verdict.UNKNOWN, (evidence.keys.reason,)
        # RFC 9989 7.4: whoever asks to reject must not rely on SPF alone, which no forwarded copy survives.
        said = f"DMARC of {dmarc.found_at} asks to reject, and no DKIM key of ours is published there"
        return Verdict.FAILS, (f"{said}: with SPF alone, forwarded mail would be rejected", evidence.keys.reason)
    flag = "only SPF vouches for it: copies that are forwarded lose that"
    if dmarc.policy is Policy.QUARANTINE:
        flag += f", and {dmarc.found_at} asks to put such mail into quarantine"
    told = ("bounces go to the company, not to us",) if path is ReversePath.AUTHOR else ()
    return Verdict.PASSES, (spf.reason, flag, *told)


def _policy(evidence: Evidence) -> tuple[Policy | None, str]:
    """What the domain asks for, and the domain whose record says so."""
    return (None, "") if evidence.dmarc is None else (evidence.dmarc.policy, evidence.dmarc.found_at)
