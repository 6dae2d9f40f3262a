"""Where mail for our own addresses goes. Pure."""

from relay.mail.address import Address
from relay.policy.company import Company
from relay.policy.decision import Decision, Name, ReversePath


def forward_to_company(company: Company, *, null: bool) -> Decision:
    """Mail from outside for a company's alias; `null`: it came with the null reverse path, and keeps it."""
    return Decision(
        Name.FORWARD,
        author=None,
        reverse_path=ReversePath.NULL if null else ReversePath.SRS,
        recipient=company.address,
        reasons=(f"mail for the alias goes to the company's address {company.address}",),
    )


def forward_to_postmaster(postmaster: Address, *, null: bool) -> Decision:
    """Mail for the relay itself, and bounces that concern no company we know."""
    return Decision(
        Name.FORWARD,
        author=None,
        reverse_path=ReversePath.NULL if null else ReversePath.SRS,
        recipient=postmaster,
        reasons=(f"mail for the relay itself goes to {postmaster}",),
    )


def send_report(recipient: Address, *, domain: str) -> Decision:
    """A report that the relay wrote itself, for `recipient`."""
    return Decision(
        Name.RELAY,
        author=None,
        reverse_path=ReversePath.NULL,
        recipient=recipient,
        sign_for=(domain,),
        reasons=("a report of the relay itself",),
    )


def send_notice(*, domain: str) -> Decision:
    """A notice that the relay wrote itself, to the address it was written for."""
    return Decision(
        Name.RELAY,
        author=None,
        reverse_path=ReversePath.NULL,
        sign_for=(domain,),
        reasons=("a notice of the relay itself",),
    )
