"""Chooses in whose name a company's mail goes out. Pure: a function of the company and of facts looked up before."""

from dataclasses import dataclass
from enum import StrEnum

from relay.mail.address import Address
from relay.policy.company import Company, IdentityKind, Otherwise
from relay.policy.decision import Choice, Decision, Hold, Name, ReversePath, Wait


class Standing(StrEnum):
    """What the live SPF evaluation of a company's domain says about all our sending addresses."""

    PASSES = "passes"
    FAILS = "fails"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DomainFact:
    """A standing and the sentence that explains it."""

    standing: Standing
    reason: str


def needs_domain_fact(company: Company) -> bool:
    """Whether `choose_identity` wants to know about the company's domain."""
    return company.identity is IdentityKind.OWN_DOMAIN


def choose_identity(company: Company, *, domain: str, fact: DomainFact | None) -> Choice:
    """Choose for mail that `company` sends; `domain` is the relay's alias domain.

    `fact` is about the domain of the company's author and must be given when `needs_domain_fact` says so.
    A fallback always says why; it never happens because something could not be looked up now.
    """
    if company.identity is IdentityKind.OWN_DOMAIN:
        return _as_own_domain(company, domain, fact)
    if company.identity is IdentityKind.OWN_SERVER:
        return _by_own_server(company)
    return _as_alias(company, domain, "the company sends under its alias")


def _as_alias(company: Company, domain: str, reason: str) -> Decision:
    return Decision(
        Name.ALIAS,
        author=Address(company.alias, domain),
        reverse_path=ReversePath.BOUNCE,
        sign_for=(domain,),
        reasons=(reason,),
    )


def _by_own_server(company: Company) -> Decision:
    server = company.server
    assert server is not None  # noqa: S101 -- Company promises it
    return Decision(
        Name.OWN_SERVER,
        author=company.own_author,
        reverse_path=ReversePath.AUTHOR,
        server=server,
        reasons=(f"the company sends through its own server {server.host}",),
    )


def _as_own_domain(company: Company, domain: str, fact: DomainFact | None) -> Choice:
    author = company.own_author
    key = f"domain:{company.slug}:{author.domain}"
    if fact is None or fact.standing is Standing.UNKNOWN:
        return Wait(key, fact.reason if fact else f"nothing is known about {author.domain}")
    if fact.standing is Standing.PASSES:
        return Decision(
            Name.OWN_DOMAIN,
            author=author,
            # SPF counts for DMARC only when the envelope is in the author's domain.
            reverse_path=ReversePath.AUTHOR,
            sign_for=(author.ascii_domain, domain),
            reasons=(fact.reason,),
        )
    if company.otherwise is Otherwise.HOLD:
        return Hold(key, f"{fact.reason}; the company wants mail to wait")
    return _as_alias(company, domain, f"{fact.reason}; the company's alias is used instead")
