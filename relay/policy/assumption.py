"""What would be chosen if the facts were such and such: for questions that are asked before anything is looked up."""

from enum import StrEnum

from relay.policy.company import Company
from relay.policy.decision import Choice
from relay.policy.identity import DomainFact, Standing, choose_identity, needs_domain_fact


class Assumed(StrEnum):
    """How the company's own domain might stand when mail goes out."""

    PASSES = "passes"
    FAILS = "fails"
    UNKNOWN = "unknown"


def assumptions(company: Company) -> tuple[Assumed, ...]:
    """All that may make a difference to this company's mail; empty when its domain decides nothing."""
    return tuple(Assumed) if needs_domain_fact(company) else ()


def choose_assuming(company: Company, *, domain: str, assumed: Assumed | None) -> Choice:
    """As `choose_identity`, with an assumption instead of facts; it must be given when `assumptions` names some."""
    if assumed is None:
        return choose_identity(company, domain=domain, fact=None)
    said = {
        Assumed.PASSES: "receivers believe mail of",
        Assumed.FAILS: "receivers do not believe mail of",
        Assumed.UNKNOWN: "it cannot be found out whether receivers believe mail of",
    }[assumed]
    fact = DomainFact(Standing(assumed.value), f"{said} {company.own_author.domain}, it is assumed")
    return choose_identity(company, domain=domain, fact=fact)
