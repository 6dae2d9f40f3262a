"""What DMARC says of one mail (RFC 9989): whose word counts for its author, and what the author's domain asks for.

Pure: what the domains publish was looked up before. `relay.policy.dmarc` has the rules about records and alignment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from relay.policy.authentication import DmarcFinding, Result
from relay.policy.dmarc import Dmarc, Policy, is_aligned

_SEVERITY = {Policy.NONE: 0, Policy.QUARANTINE: 1, Policy.REJECT: 2}
_RANKS = (Result.FAIL, Result.PERMERROR, Result.TEMPERROR, Result.NONE, Result.PASS)


@dataclass(frozen=True, slots=True)
class Vouchers:
    """Domains whose word the mail has. `open` are those that could not be checked now: they might have had theirs.

    All in ASCII labels and lower case. `organizations` are the organizational domains of these and of the authors, as
    far as they matter.
    """

    dkim: tuple[str, ...] = ()
    spf: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    organizations: Mapping[str, str] = field(default_factory=dict)


def may_align(domain: str, organization: str) -> bool:
    """Whether `domain` can be of this organization at all, before anything more is asked: it is the name or below."""
    return bool(organization) and f".{domain}".endswith(f".{organization}")


def evaluate(author: str, dmarc: Dmarc | None, vouchers: Vouchers, *, reason: str = "") -> DmarcFinding:
    """The result for authors in one domain; `dmarc` is None, with the reason, when its record cannot be had now."""
    if dmarc is None:
        return DmarcFinding(Result.TEMPERROR, author, reason=reason)
    if not dmarc.found_at:
        return DmarcFinding(Result.NONE, author, reason=f"{author} publishes no policy")
    for method, domains, strict in (
        ("dkim", vouchers.dkim, dmarc.strict_dkim),
        ("spf", vouchers.spf, dmarc.strict_spf),
    ):
        for domain in domains:
            if is_aligned(domain, author, strict=strict, organizations=vouchers.organizations):
                aligned_by = f"{method}:{domain}"
                return DmarcFinding(Result.PASS, author, dmarc.policy, dmarc.found_at, aligned_by)
    for domain in vouchers.open:
        if domain == author or may_align(domain, dmarc.organization):
            why = f"whether {domain} vouches for the mail cannot be checked now"
            return DmarcFinding(Result.TEMPERROR, author, dmarc.policy, dmarc.found_at, reason=why)
    why = f"nobody vouches for {author}, which asks for {dmarc.policy}"
    return DmarcFinding(Result.FAIL, author, dmarc.policy, dmarc.found_at, reason=why)


def worst(findings: Iterable[DmarcFinding]) -> DmarcFinding:
    """The one that counts where there are several authors: what fails, and of that what asks for the most."""
    return min(findings, key=lambda each: (_RANKS.index(each.result), -_SEVERITY[each.policy]), default=NO_AUTHOR)


NO_AUTHOR = DmarcFinding(Result.PERMERROR, reason="From names nobody clearly")
