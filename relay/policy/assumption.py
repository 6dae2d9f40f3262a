"""What would be chosen if the facts were such and such: for questions that are asked before anything is looked up."""

from enum import StrEnum

from relay.policy.company import Company
from relay.policy.decision import Choice
from relay.policy.evidence import Evidence, Finding
from relay.policy.identity import choose_identity, needs_standing
from relay.policy.standing import Standing, State


class Assumed(StrEnum):
    """How the company's own domain might stand when mail goes out."""

    PASSES = "passes"
    FAILS = "fails"
    UNKNOWN = "unknown"


_HOLDS = {Assumed.PASSES: True, Assumed.FAILS: False, Assumed.UNKNOWN: None}


def assumptions(company: Company) -> tuple[Assumed, ...]:
    """All that may make a difference to this company's mail; empty when its domain decides nothing."""
    return tuple(Assumed) if needs_standing(company) else ()


def choose_assuming(company: Company, *, domain: str, assumed: Assumed | None) -> Choice:
    """As `choose_identity`, with an assumption instead of facts; it must be given when `assumptions` names some."""
    if assumed is None:
        return choose_identity(company, domain=domain, standing=None)
    said = {
        Assumed.PASSES: "receivers believe mail of",
        Assumed.FAILS: "receivers do not believe mail of",
        Assumed.UNKNOWN: "it cannot be found out whether receivers believe mail of",
    }[assumed]
    reason = f"{said} {company.own_author.domain}, it is assumed"
    evidence = _everything(company.own_author.ascii_domain, Finding(_HOLDS[assumed], reason))
    return choose_identity(company, domain=domain, standing=Standing(State(assumed.value), 0.0, evidence))


def _everything(domain: str, said: Finding) -> Evidence:
    """Evidence that all says the same. What keys there would be is not known."""
    return Evidence(domain, said, said, keys=said, selectors=(), bounce=said, bounce_organization=domain, dmarc=None)
