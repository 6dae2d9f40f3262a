"""Where mail for our own addresses goes, and in whose name. Pure.

Mail that we hand on passes no SPF of its author's domain any more. A host that minds DMARC believes it by a signature
of the author's domain, which survives as long as we change nothing it covers; without one, and with a domain that
wants such mail refused, it has to go out in our name.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from relay.mail.address import Address
from relay.policy.authentication import Authentication, Result, from_json
from relay.policy.company import Company
from relay.policy.decision import Decision, Name, ReversePath
from relay.policy.dmarc import Policy


@dataclass(frozen=True, slots=True)
class Writer:
    """What forwarding asks of a mail: `null`, it came with the null reverse path, and keeps it; and its evidence.

    `evidence` is None only for mail that an earlier version took without a look: every look leaves some, a failed one
    too. Nothing is known of it, so it goes out in our name.
    """

    null: bool
    evidence: Authentication | None = None


def forward_to_company(company: Company, writer: Writer, *, domain: str) -> Decision:
    """Mail from outside for a company's alias at `domain`."""
    if company.into_mailbox and company.mailbox is not None:
        # Nobody on the way has to believe it: it stays as it is.
        return Decision(
            Name.FORWARD,
            author=None,
            reverse_path=ReversePath.NULL,
            recipient=company.address,
            into=company.mailbox,
            reasons=("mail for the alias is laid into the company's own mailbox",),
        )
    goes = f"mail for the alias goes to the company's address {company.address}"
    return _forward(writer, Address(company.alias, domain), company.address, company.name, goes)


def forward_to_postmaster(postmaster: Address, writer: Writer, *, domain: str) -> Decision:
    """Mail for the relay itself, and bounces that concern no company we know."""
    goes = f"mail for the relay itself goes to {postmaster}"
    return _forward(writer, Address("postmaster", domain), postmaster, domain, goes)


def read_evidence(findings: Mapping[str, object]) -> Authentication | None:
    """The evidence among what was found out about a mail, None where nobody looked."""
    stored = findings.get("evidence")
    return None if stored is None else from_json(stored)


def _forward(writer: Writer, ours: Address, recipient: Address, via: str, goes: str) -> Decision:
    """Octet for octet where it will be believed in its author's name; else in ours, with the author's name in it.

    When in doubt it goes in ours: that arrives in any case, and answers find the author.
    """
    believed, why = _is_believed(writer.evidence)
    if believed:
        return Decision(
            Name.FORWARD,
            author=None,
            reverse_path=ReversePath.NULL if writer.null else ReversePath.SRS,
            recipient=recipient,
            reasons=(goes, f"it goes unchanged: {why}"),
        )
    return Decision(
        Name.FORWARD,
        author=ours,
        reverse_path=ReversePath.NULL if writer.null else ReversePath.SRS,
        recipient=recipient,
        sign_for=(ours.domain,),
        via=via,
        reasons=(goes, f"From becomes {ours}, with the author's name: {why}"),
    )


def _is_believed(evidence: Authentication | None) -> tuple[bool, str]:
    """Whether a receiver that minds DMARC takes the mail from us as it is, and why."""
    if evidence is None:
        return False, "it was taken before there was a look at what its author can prove"
    dmarc = evidence.dmarc
    if evidence.passes_by_dkim:
        return True, f"the signature of {dmarc.aligned_by.removeprefix('dkim:')} proves its author and stays whole"
    if not dmarc.author:
        return False, "its author cannot be told"
    if dmarc.result in (Result.TEMPERROR, Result.PERMERROR):
        return False, f"what {dmarc.author} wants done with its mail could not be found out"
    if dmarc.policy is Policy.NONE:
        return True, f"{dmarc.author} asks nobody to refuse it"
    wish = f"{dmarc.found_at} asks for p={dmarc.policy}"
    return False, f"{wish}, and no signature of {dmarc.author} would prove it to the next host"


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


def send_document(recipient: Address, *, domain: str) -> Decision:
    """A mail with a document for Fast input. Whoever knows `recipient` can put invoices there."""
    return Decision(
        Name.RELAY,
        author=None,
        reverse_path=ReversePath.BOUNCE,
        recipient=recipient,
        sign_for=(domain,),
        reasons=("a document out of the company's mailbox, for Fast input",),
        secret=True,
    )
