"""What a mail from another server can prove: SPF, DKIM, ARC and DMARC, asked of the DNS together.

In charge of the order of questions and of their bounds: nothing a stranger puts into a mail or into the DNS makes this
ask more than a fixed number of questions or take longer than its time. What is not known by then is a temporary error,
each piece by itself: whoever makes his own servers slow must not be able to hide what others' servers say of him.
RFC 7208, 6376, 8617, 9989.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from relay.authn.arc import judge_chain, key_names, vouching_sealer
from relay.authn.dkim import Bodies, find_keys, judge_all
from relay.authn.dmarc import DmarcAnswer, find_dmarc, find_organization
from relay.authn.spf import evaluate
from relay.dns import Resolver
from relay.mail.address import Address, AddressError
from relay.mail.arc_chain import ArcSet, ChainError, read_chain
from relay.mail.author import AuthorError, parse_authors
from relay.mail.dkim_signature import Signature, SignedText, choose
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
MOST_AUTHORS = 4  # domains that are looked at; with more of them nothing passes
# Octets of header, times signatures, that are worked through without a thread: well under two milliseconds.
MOST_INLINE = 48 * 1024


@dataclass(frozen=True, slots=True)
class Claims:
    """What is to be checked: who sends (`peer`, `helo`, `reverse_path`), the header, and the hashes of the body."""

    peer: IPv4Address | IPv6Address
    helo: str
    reverse_path: Address | None
    header: Header
    bodies: Bodies
    now: float


async def authenticate(claims: Claims, resolver: Resolver, *, trusted: Collection[str] = ()) -> Authentication:
    """All that can be found out in time. `trusted` are domains whose ARC seals are believed."""
    named = author_domains(claims.header)
    authors = named and named[:MOST_AUTHORS]
    (spf, helo), (dkim, arc, sets), records = await asyncio.gather(
        _check_spf(claims, resolver),
        _check_signatures(claims, authors or (), resolver),
        asyncio.gather(*(_find_dmarc(author, resolver) for author in authors or ())),
    )
    dmarc = NO_AUTHOR
    if authors is not None:
        dmarc = await _check_dmarc(dict(zip(authors, records, strict=True)), spf, dkim, resolver)
    if named != authors:
        # A forged author must not fare better for standing among many.
        dmarc = worst((dmarc, NO_AUTHOR))
    if arc.result is Result.PASS and len(named or ()) == 1:
        arc = replace(arc, vouched_by=vouching_sealer(sets, dmarc.author, trusted))
    return Authentication(spf, helo, dkim, arc, dmarc)


def author_domains(header: Header) -> tuple[str, ...] | None:
    """The domains of all authors, in ASCII labels; None where From names nobody clearly."""
    domains: dict[str, None] = {}
    try:
        for field in header.all("from"):
            for author in parse_authors(field.value):
                domains[author.address.ascii_domain.lower()] = None
    except (AuthorError, AddressError):
        return None
    return tuple(domains) or None


async def _check_spf(claims: Claims, resolver: Resolver) -> tuple[SpfFinding, SpfFinding]:
    """For the reverse path and for HELO; the null reverse path is judged by HELO (RFC 7208 2.4)."""
    peer = str(claims.peer)
    if claims.reverse_path is None:
        helo = await _ask_spf(peer, "", claims.helo, resolver)
        return helo, helo
    sender = f"{claims.reverse_path.local}@{claims.reverse_path.domain}"
    spf, helo = await asyncio.gather(
        _ask_spf(peer, sender, claims.helo, resolver), _ask_spf(peer, "", claims.helo, resolver)
    )
    return spf, helo


async def _ask_spf(peer: str, sender: str, helo: str, resolver: Resolver) -> SpfFinding:
    if not sender and not _is_name(helo):
        return SpfFinding(reason="the peer gave no name of its own")
    found = await evaluate(peer, sender, helo, resolver, time_limit=TIME_LIMIT)
    return SpfFinding(Result(found.verdict.value), found.domain.lower(), found.reason)


def _is_name(helo: str) -> bool:
    return "." in helo and not helo.startswith("[") and not helo.rstrip(".").rpartition(".")[2].isdigit()


async def _check_signatures(
    claims: Claims, authors: Sequence[str], resolver: Resolver
) -> tuple[tuple[DkimFinding, ...], ArcFinding, tuple[ArcSet, ...]]:
    chosen = choose(claims.header, authors)
    sets: tuple[ArcSet, ...] = ()
    broken: ArcFinding | None = None
    try:
        sets = read_chain(claims.header)
    except ChainError as error:
        broken = ArcFinding(Result.FAIL, reason=str(error))
    keys = await find_keys(
        [each.key_name for each in chosen if isinstance(each, Signature)] + key_names(sets),
        resolver,
        time_limit=TIME_LIMIT,
    )

    def judge() -> tuple[tuple[DkimFinding, ...], ArcFinding]:
        text = SignedText(claims.header)
        found = judge_all(chosen, text, claims.bodies, keys, claims.now)
        return found, broken or judge_chain(sets, text, claims.bodies, keys)

    size = sum(len(field.raw) for field in claims.header.fields)
    is_small = size * (1 + len(chosen) + 2 * len(sets)) <= MOST_INLINE
    dkim, arc = judge() if is_small else await asyncio.to_thread(judge)
    return dkim, arc, sets


async def _find_dmarc(author: str, resolver: Resolver) -> DmarcAnswer:
    try:
        async with asyncio.timeout(TIME_LIMIT):
            return await find_dmarc(author, resolver)
    except TimeoutError:
        return DmarcAnswer(None, None, f"the DMARC record of {author} cannot be looked up in time", 0.0)


async def _find_organization(domain: str, resolver: Resolver) -> str:
    try:
        async with asyncio.timeout(TIME_LIMIT_AFTERWARDS):
            return (await find_organization(domain, resolver))[0]
    except TimeoutError:
        return ""


async def _check_dmarc(
    records: dict[str, DmarcAnswer], spf: SpfFinding, dkim: Sequence[DkimFinding], resolver: Resolver
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
    found = await asyncio.gather(*(_find_organization(domain, resolver) for domain in asked))
    for domain, organization in zip(asked, found, strict=True):
        if organization:
            organizations[domain] = organization
        else:
            open_ones.append(domain)
    vouchers = Vouchers(tuple(signers), tuple(hosts), tuple(open_ones), organizations)
    return worst(
        evaluate_dmarc(author, answer.dmarc, vouchers, reason=answer.reason) for author, answer in records.items()
    )
