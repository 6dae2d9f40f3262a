"""Finds out what a mail from another server can prove, and keeps that with it; refuses what nobody wants."""

from dataclasses import dataclass, field

from relay.authn.arrivals import Claims, authenticate
from relay.authn.claimed import Claimed
from relay.authn.remembered import Verdicts
from relay.config.snapshot import Snapshot
from relay.dns import Resolver
from relay.incoming.arrival import Arrival, Examined
from relay.mail.address import Address
from relay.mail.reply import Reply
from relay.mail.verp import is_bounce_local, is_srs_local
from relay.policy.company import Company
from relay.policy.spoof import Spoofed, refuse_spoofed

SECTION = "evidence"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where evidence is found: the DNS, and what is still true of what was found for earlier mails."""

    resolver: Resolver
    verdicts: Verdicts = field(default_factory=Verdicts)


async def find_evidence(
    arrival: Arrival, examined: Examined, claimed: Claimed, *, sources: Sources, snapshot: Snapshot
) -> Reply | None:
    """Note what was found; the answer when everybody the mail is for refuses such mail."""
    claims = Claims(
        peer=arrival.peer,
        helo=arrival.helo,
        reverse_path=arrival.envelope.reverse_path,
        header=arrival.header,
        claimed=claimed,
        bodies=arrival.bodies,
        now=arrival.at,
    )
    trusted = snapshot.settings.authentication.trusted_sealers
    found = await authenticate(claims, sources.resolver, verdicts=sources.verdicts, trusted=trusted)
    examined.findings[SECTION] = found.to_json()
    wishes = (
        wish_of(snapshot, snapshot.company(slug) if slug else None, recipient.address)
        for slug, recipient in zip(arrival.companies, arrival.envelope.recipients, strict=True)
    )
    return refuse_spoofed(found, wishes)


def wish_of(snapshot: Snapshot, company: Company | None, recipient: Address) -> Spoofed:
    """What is to become of mail in a false name for this company, or for the relay itself.

    Whoever writes to a return address with our seal has had mail of ours: that is a bounce, and many hosts write those
    in names that nothing proves. They are needed more than they can harm.
    """
    if is_bounce_local(recipient.local) or is_srs_local(recipient.local):
        return Spoofed.MARK
    own = company.spoofed if company is not None else None
    return own or snapshot.settings.authentication.spoofed
