"""Looks at what a company's domain publishes about us: its proof, SPF, our DKIM keys, a return path, and DMARC.

In charge of the questions and of saying in plain words what was found. What follows from it is decided by
`relay.policy.prediction` and `relay.policy.standing`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from relay.authn.dmarc import find_dmarc, find_organization
from relay.authn.spf import Verdict, evaluate_all
from relay.dns import Answer, Resolver, Status
from relay.mail.challenge import challenge_name
from relay.mail.dkim_record import publishes
from relay.policy.evidence import Evidence, Finding, bounce_domain


@dataclass(frozen=True, slots=True)
class Ours:
    """What a company's domain has to allow: our sending addresses, our mail hosts, our keys.

    `domain` is our alias domain, whose mail hosts are ours. `keys` are DKIM records by selector, best first.
    """

    domain: str
    hostname: str
    addresses: tuple[str, ...]
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen, and until when that holds (seconds since the epoch)."""

    evidence: Evidence
    expires: float


IsProof: TypeAlias = Callable[[Sequence[str]], bool]


async def look_at(domain: str, is_proof: IsProof | None, ours: Ours, resolver: Resolver) -> Look:
    """Ask about `domain` (ASCII labels). Never raises; what cannot be looked up now is left open.

    `is_proof` says whether the TXT records at the challenge's name prove that the domain is the company's; None: the
    operator vouches for that.
    """
    proof, spf, keys, bounce, dmarc = await asyncio.gather(
        _look_for_proof(domain, is_proof, resolver),
        _look_at_spf(domain, ours, resolver),
        _look_for_keys(domain, ours, resolver),
        _look_at_bounce(bounce_domain(domain), ours, resolver),
        find_dmarc(domain, resolver),
    )
    evidence = Evidence(
        domain,
        proof=proof.finding,
        spf=spf.finding,
        keys=keys.finding,
        selectors=keys.selectors,
        bounce=bounce.finding,
        bounce_organization=bounce.organization,
        dmarc=dmarc.dmarc,
        dmarc_reason=dmarc.reason,
    )
    return Look(evidence, min(proof.expires, spf.expires, keys.expires, bounce.expires, dmarc.expires))


@dataclass(frozen=True, slots=True)
class _Seen:
    """One finding as it was seen, until when that holds, and what goes with it."""

    holds: bool | None
    reason: str
    expires: float = float("inf")
    selectors: tuple[str, ...] = ()
    organization: str = ""

    @property
    def finding(self) -> Finding:
        return Finding(self.holds, self.reason)


def _open(what: str, answer: Answer[Any]) -> _Seen:
    return _Seen(None, f"{what} cannot be looked up now: {answer.reason}", answer.expires)


async def _look_for_proof(domain: str, is_proof: IsProof | None, resolver: Resolver) -> _Seen:
    if is_proof is None:
        return _Seen(holds=True, reason="the operator vouches that the domain is the company's")
    name = challenge_name(domain)
    answer = await resolver.lookup_txt(name)
    if answer.status is Status.TEMPORARY:
        return _open(f"the proof at {name}", answer)
    if is_proof(_texts(answer)):
        return _Seen(holds=True, reason=f"{name} proves that the domain is the company's", expires=answer.expires)
    said = "says something else" if answer.records else "is missing"
    reason = f"nothing proves that {domain} is the company's: the record at {name} {said}"
    return _Seen(holds=False, reason=reason, expires=answer.expires)


async def _look_at_spf(domain: str, ours: Ours, resolver: Resolver) -> _Seen:
    results = await evaluate_all(ours.addresses, domain, resolver)
    expires = min(result.expires for result in results.values())
    for address, result in results.items():
        if result.verdict is Verdict.TEMPERROR:
            return _Seen(None, f"the SPF record of {domain} cannot be looked up now: {result.reason}", expires)
        if result.verdict is not Verdict.PASS:
            said = f"SPF of {domain} says {result.verdict} for our address {address}: {result.reason}"
            return _Seen(holds=False, reason=said, expires=expires)
    return _Seen(holds=True, reason=f"SPF of {domain} passes for all our sending addresses", expires=expires)


async def _look_for_keys(domain: str, ours: Ours, resolver: Resolver) -> _Seen:
    """One key of each kind will do: of several, the best that can be seen."""
    names = {selector: f"{selector}._domainkey.{domain}" for selector in ours.keys}
    answers = await asyncio.gather(*(resolver.lookup_txt(name) for name in names.values()))
    expires = min((answer.expires for answer in answers), default=float("inf"))
    seen: dict[str, str] = {}
    trouble: _Seen | None = None
    for (selector, record), answer in zip(ours.keys.items(), answers, strict=True):
        if answer.status is Status.TEMPORARY:
            trouble = _open(f"the DKIM key at {names[selector]}", answer)
        elif publishes(_texts(answer), record):
            kind = record.partition("p=")[0]
            seen.setdefault(kind, selector)
    if seen:
        selectors = tuple(seen.values())
        reason = f"DKIM signatures of {domain} pass ({', '.join(selectors)})"
        return _Seen(holds=True, reason=reason, expires=expires, selectors=selectors)
    if trouble is not None:
        return replace(trouble, expires=expires)
    return _Seen(holds=False, reason=f"no DKIM key of ours is published for {domain}", expires=expires)


async def _look_at_bounce(name: str, ours: Ours, resolver: Resolver) -> _Seen:
    theirs = await resolver.lookup_mx(name)
    if theirs.status is Status.TEMPORARY:
        return _open(f"the mail hosts of {name}", theirs)
    if theirs.status is not Status.OK:
        return _Seen(holds=False, reason=f"{name} is not set up", expires=theirs.expires)
    mine = await resolver.lookup_mx(ours.domain)
    hosts = {ours.hostname, *(mx.host for mx in mine.records)}
    expires = min(theirs.expires, mine.expires)
    if not {mx.host for mx in theirs.records} <= hosts:
        if mine.status is Status.TEMPORARY:
            return _open("our own mail hosts", mine)
        return _Seen(holds=False, reason=f"mail for {name} does not come to us", expires=expires)
    seen = await _look_whether_it_counts(name, ours, resolver)
    return replace(seen, expires=min(expires, seen.expires))


async def _look_whether_it_counts(name: str, ours: Ours, resolver: Resolver) -> _Seen:
    spf, (organization, until) = await asyncio.gather(
        _look_at_spf(name, ours, resolver), find_organization(name, resolver)
    )
    expires = min(spf.expires, until)
    if not spf.holds:
        return replace(spf, expires=expires)
    if not organization:
        return _Seen(None, f"what {name} belongs to cannot be looked up now", expires)
    return _Seen(holds=True, reason=f"bounces come to us by {name}", expires=expires, organization=organization)


def _texts(answer: Answer[bytes]) -> list[str]:
    return [record.decode("utf-8", "replace") for record in answer.records]
