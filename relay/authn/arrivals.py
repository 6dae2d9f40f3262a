"""What a mail from another server can prove: SPF, DKIM, ARC and DMARC, asked of the DNS together.

In charge of the order of questions and of their bounds: nothing a stranger puts into a mail or into the DNS makes this
ask more than a fixed number of questions or take longer than its time. What is not known by then is a temporary error,
each piece by itself: whoever makes his own servers slow must not be able to hide what others' servers say of him.
RFC 7208, 6376, 8617, 9989.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from relay.authn.arc import judge_chain, key_names, vouching_sealer
from relay.authn.claimed import MOST_AUTHORS, Claimed
from relay.authn.dkim import Bodies, Keys, ask_key, judge_all
from relay.authn.dmarc import DmarcAnswer, find_dmarc, find_organization
from relay.authn.remembered import Verdicts
from relay.authn.settled import Question, settled
from relay.authn.spf import evaluate
from relay.dns import Resolver
from relay.mail.address import Address
from relay.mail.dkim_signature import Signature, SignedText
from relay.mail.message import Header
from relay.policy.authentication import (
    ArcFinding,
    Authentication,
    DkimFinding,
    DmarcFinding,
    Result,
    SpfFinding,
)
from relay.policy.dmarc_result import NO_AUTHOR, Vouchers, may_align, worst
from relay.policy.dmarc_result import evaluate as evaluate_dmarc

# Seconds: for what is asked at once, and for what follows from it.
TIME_LIMIT = 10.0
TIME_LIMIT_AFTERWARDS = 5.0
# Octets of header, times signatures, that are worked through without a thread: well under two milliseconds.
MOST_INLINE = 48 * 1024


@dataclass(frozen=True, slots=True)
class Claims:
    """What is to be checked: who sends (`peer`, `helo`, `reverse_path`), the header, and the hashes of the body.

    `claimed` is what the header claims, `now` in seconds since the epoch.
    """

    peer: IPv4Address | IPv6Address
    helo: str
    reverse_path: Address | None
    header: Header
    claimed: Claimed
    bodies: Bodies
    now: float


async def authenticate(
    claims: Claims, resolver: Resolver, *, verdicts: Verdicts, trusted: Collection[str] = ()
) -> Authentication:
    """All that can be found out in time.

    `verdicts` are those of earlier mails, and are added to. `trusted` are domains whose ARC seals are believed.
    """
    lookup = _Lookup(resolver, verdicts, claims.now)
    named = claims.claimed.authors
    authors = named and named[:MOST_AUTHORS]
    names = _key_names(claims.claimed)
    # Answers of several kinds, in this order: all are asked for together.
    questions: list[Question[Any]] = [
        *_spf_questions(claims, lookup),
        *(ask_key(name, resolver, time_limit=TIME_LIMIT) for name in names),
        *(lookup.dmarc(author) for author in authors or ()),
    ]
    spf, helo, *others = await settled(questions)
    dkim, arc = await _judge_signatures(claims, dict(zip(names, others, strict=False)))
    dmarc = NO_AUTHOR
    if authors is not None:
        records = dict(zip(authors, others[len(names) :], strict=True))
        dmarc = await _check_dmarc(records, spf, dkim, lookup)
    if named != authors:
        # A forged author must not fare better for standing among many.
        dmarc = worst((dmarc, NO_AUTHOR))
    if arc.result is Result.PASS and len(named or ()) == 1:
        arc = replace(arc, vouched_by=vouching_sealer(claims.claimed.sets, dmarc.author, trusted))
    return Authentication(spf, helo, dkim, arc, dmarc)


class _Lookup:
    """Verdicts about domains: remembered ones, or questions that remember what they find."""

    def __init__(self, resolver: Resolver, verdicts: Verdicts, now: float) -> None:
        self._resolver = resolver
        self._verdicts = verdicts
        self._now = now

    def spf(self, peer: str, sender: str, helo: str) -> Question[SpfFinding]:
        """Of the sender's domain, or of HELO where there is no sender."""
        if not sender and not _is_name(helo):
            return SpfFinding(reason="the peer gave no name of its own")
        key = peer, sender.rpartition("@")[2] or helo
        return self._verdicts.spf.get(key, self._now) or self._find_spf(key, sender, helo)

    def dmarc(self, author: str) -> Question[DmarcAnswer]:
        """What applies to authors in a domain."""
        return self._verdicts.dmarc.get(author, self._now) or self._find_dmarc(author)

    def organization(self, domain: str) -> Question[str]:
        """The organizational domain, empty when it cannot be known now."""
        return self._verdicts.organizations.get(domain, self._now) or self._find_organization(domain)

    async def _find_spf(self, key: tuple[str, str], sender: str, helo: str) -> SpfFinding:
        found = await evaluate(key[0], sender, helo, self._resolver, time_limit=TIME_LIMIT)
        finding = SpfFinding(Result(found.verdict.value), found.domain.lower(), found.reason)
        if found.is_general:
            self._verdicts.spf.keep(key, finding, found.expires)
        return finding

    async def _find_dmarc(self, author: str) -> DmarcAnswer:
        try:
            async with asyncio.timeout(TIME_LIMIT):
                answer = await find_dmarc(author, self._resolver)
        except TimeoutError:
            return DmarcAnswer(None, None, f"the DMARC record of {author} cannot be looked up in time", 0.0)
        if answer.dmarc is not None:
            self._verdicts.dmarc.keep(author, answer, answer.expires)
        return answer

    async def _find_organization(self, domain: str) -> str:
        try:
            async with asyncio.timeout(TIME_LIMIT_AFTERWARDS):
                organization, expires = await find_organization(domain, self._resolver)
        except TimeoutError:
            return ""
        if organization:
            self._verdicts.organizations.keep(domain, organization, expires)
        return organization


def _spf_questions(claims: Claims, lookup: _Lookup) -> tuple[Question[SpfFinding], Question[SpfFinding]]:
    """For the reverse path and for HELO; the null reverse path is judged by HELO (RFC 7208 2.4)."""
    peer = str(claims.peer)
    helo = lookup.spf(peer, "", claims.helo)
    if claims.reverse_path is None:
        return helo, helo  # asked once: gathering knows that it is the same
    return lookup.spf(peer, f"{claims.reverse_path.local}@{claims.reverse_path.domain}", claims.helo), helo


def _is_name(helo: str) -> bool:
    return "." in helo and not helo.startswith("[") and not helo.rstrip(".").rpartition(".")[2].isdigit()


def _key_names(claimed: Claimed) -> list[str]:
    """Where the keys of all signatures are, each once."""
    own = [each.key_name for each in claimed.signatures if isinstance(each, Signature)]
    return list(dict.fromkeys(own + key_names(claimed.sets)))


async def _judge_signatures(claims: Claims, keys: Keys) -> tuple[tuple[DkimFinding, ...], ArcFinding]:
    claimed = claims.claimed

    def judge() -> tuple[tuple[DkimFinding, ...], ArcFinding]:
        text = SignedText(claims.header)
        found = judge_all(claimed.signatures, text, claims.bodies, keys, claims.now)
        if claimed.broken:
            return found, ArcFinding(Result.FAIL, reason=claimed.broken)
        return found, judge_chain(claimed.sets, text, claims.bodies, keys)

    size = sum(len(field.raw) for field in claims.header.fields)
    is_small = size * (1 + len(claimed.signatures) + 2 * len(claimed.sets)) <= MOST_INLINE
    return judge() if is_small else await asyncio.to_thread(judge)


async def _check_dmarc(
    records: Mapping[str, DmarcAnswer], spf: SpfFinding, dkim: Sequence[DkimFinding], lookup: _Lookup
) -> DmarcFinding:
    signers = [each.domain for each in dkim if each.result is Result.PASS]
    open_ones = [each.domain for each in dkim if each.result is Result.TEMPERROR]
    if spf.result is Result.TEMPERROR:
        open_ones.append(spf.domain)
    hosts = [spf.domain] if spf.result is Result.PASS else []
    organizations = {author: answer.dmarc.organization for author, answer in records.items() if answer.dmarc}
    known = set(organizations.values())
    # Only what is below an author's organization can belong to it, so only that is asked about.
    asked = [
        domain
        for domain in dict.fromkeys(signers + hosts)
        if domain not in organizations and any(may_align(domain, organization) for organization in known)
    ]
    found = await settled(lookup.organization(domain) for domain in asked)
    for domain, organization in zip(asked, found, strict=True):
        if organization:
            organizations[domain] = organization
        else:
            open_ones.append(domain)
    vouchers = Vouchers(tuple(signers), tuple(hosts), tuple(open_ones), organizations)
    return worst(
        evaluate_dmarc(author, answer.dmarc, vouchers, reason=answer.reason) for author, answer in records.items()
    )
