"""Chooses in whose name a company's mail goes out. Pure: a function of the company and of facts looked up before."""

from dataclasses import replace

from relay.mail.address import Address
from relay.policy.company import Company, IdentityKind, Otherwise
from relay.policy.decision import Choice, Decision, Hold, Name, ReversePath, Wait
from relay.policy.prediction import predict_own_domain
from relay.policy.standing import Standing, State


def needs_standing(company: Company) -> bool:
    """Whether `choose_identity` wants to know where the company's domain stands."""
    return IdentityKind.OWN_DOMAIN in company.wishes


def choose_identity(company: Company, *, domain: str, standing: Standing | None) -> Choice:
    """Choose for mail that `company` sends; `domain` is the relay's alias domain.

    The company's wishes are tried in their order, then what it wants otherwise. `standing` is that of the domain of
    the company's author and must be given when `needs_standing` says so. A fallback always says why; it never happens
    because something could not be looked up now.
    """
    wanted = Name(company.identity)
    doubts: tuple[str, ...] = ()
    for wish in company.wishes:
        choice = _as_wished(wish, company, domain, standing)
        if isinstance(choice, Wait):
            return choice
        if isinstance(choice, Decision):
            return replace(choice, wanted=wanted, reasons=(*doubts, *choice.reasons))
        doubts += (choice.reason,)
    if company.otherwise is Otherwise.HOLD:
        return Hold(_key(company), f"{'; '.join(doubts)}; the company wants mail to wait", wanted)
    alias = _as_alias(company, domain, "the company's alias is used instead")
    return replace(alias, wanted=wanted, reasons=(*doubts, *alias.reasons))


def _as_wished(wish: IdentityKind, company: Company, domain: str, standing: Standing | None) -> Choice:
    if wish is IdentityKind.OWN_DOMAIN:
        return _as_own_domain(company, domain, standing)
    if wish is IdentityKind.OWN_SERVER:
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


def _as_own_domain(company: Company, domain: str, standing: Standing | None) -> Choice:
    author = company.own_author
    key = _key(company)
    if standing is None:
        return Wait(key, f"nothing is known about {author.domain}")
    prediction = predict_own_domain(standing.evidence, domain=domain)
    reason = "; ".join(prediction.reasons)
    if standing.state is State.UNKNOWN:
        return Wait(key, reason)
    if standing.state is State.AT_RISK:
        return Wait(key, f"{reason}; this was in order before, so mail waits to see whether it lasts")
    if standing.state is State.FAILS:
        return Hold(key, reason)
    return Decision(
        Name.OWN_DOMAIN,
        author=author,
        reverse_path=prediction.reverse_path,
        sign_for=(domain,),
        selectors=prediction.selectors,
        reasons=prediction.reasons,
    )


def _key(company: Company) -> str:
    return f"domain:{company.slug}:{company.own_author.domain}"
