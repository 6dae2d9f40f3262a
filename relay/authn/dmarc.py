"""Looks up what a domain asks of receivers (DMARC), along the walk up the tree of names.

In charge of the questions; what the answers mean is `relay.policy.dmarc`. RFC 9989 4.10.
"""

from dataclasses import dataclass

from relay.dns import Resolver, Status
from relay.policy.dmarc import Dmarc, DmarcRecord, apply_dmarc, ends_walk, organization, pick_record, walk


@dataclass(frozen=True, slots=True)
class DmarcAnswer:
    """What applies to authors in a domain; `dmarc` is None when it cannot be found out now.

    `record` is the one that applies, `reason` says why nothing is known, `expires` is in seconds since the epoch.
    """

    dmarc: Dmarc | None
    record: DmarcRecord | None
    reason: str
    expires: float


async def find_dmarc(domain: str, resolver: Resolver) -> DmarcAnswer:
    """What receivers will find for authors in `domain`, which has ASCII labels. Never raises."""
    found, expires, trouble = await _walk(domain, resolver)
    if trouble:
        return DmarcAnswer(None, None, trouble, expires)
    exists = True
    if found and domain not in found:
        # Only an inherited policy has one of its own for names that do not exist.
        hosts, addresses = await resolver.lookup_mx(domain), await resolver.lookup_addresses(domain)
        expires = min(expires, hosts.expires, addresses.expires)
        for answer in (hosts, addresses):
            if answer.status is Status.TEMPORARY:
                return DmarcAnswer(None, None, answer.reason, expires)
        exists = Status.OK in (hosts.status, addresses.status)
    dmarc = apply_dmarc(domain, found, exists=exists)
    return DmarcAnswer(dmarc, found.get(dmarc.found_at), "", expires)


async def find_organization(domain: str, resolver: Resolver) -> tuple[str, float]:
    """The organizational domain of a domain that vouches, and until when that holds; empty when not known now."""
    found, expires, trouble = await _walk(domain, resolver)
    return ("" if trouble else organization(domain, found)), expires


async def _walk(domain: str, resolver: Resolver) -> tuple[dict[str, DmarcRecord], float, str]:
    """The records on the way, until when all that holds, and why not everything is known."""
    found: dict[str, DmarcRecord] = {}
    expires = float("inf")
    for name in walk(domain):
        answer = await resolver.lookup_txt(f"_dmarc.{name}")
        expires = min(expires, answer.expires)
        if answer.status is Status.TEMPORARY:
            return found, expires, f"the DMARC record of {name} cannot be looked up now: {answer.reason}"
        record = pick_record(text.decode("utf-8", "replace") for text in answer.records)
        if record is not None:
            found[name] = record
            if ends_walk(record):
                break
    return found, expires, ""
