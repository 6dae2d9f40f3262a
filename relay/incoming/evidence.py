"""Finds out what a mail from another server can prove, and keeps that with it; refuses what nobody wants."""

from contextlib import suppress

from relay.authn.arrivals import MOST_AUTHORS, Claims, authenticate, author_domains
from relay.config.snapshot import Snapshot
from relay.dns import Resolver
from relay.incoming.arrival import Arrival, Examined
from relay.mail.address import Address
from relay.mail.arc_chain import ChainError, read_chain
from relay.mail.body_forms import BodyHashes
from relay.mail.dkim_signature import Signature, choose
from relay.mail.message import Header
from relay.mail.reply import Reply
from relay.mail.verp import is_bounce_local, is_srs_local
from relay.policy.company import Company
from relay.policy.spoof import Spoofed, refuse_spoofed

SECTION = "evidence"


def bodies_for(header: Header) -> BodyHashes:
    """The hashes of the body that the signatures in `header` ask for, to be computed while it streams in."""
    chosen = choose(header, (author_domains(header) or ())[:MOST_AUTHORS])
    forms = [each.body_form for each in chosen if isinstance(each, Signature)]
    # A chain that is none fails whatever the body is.
    with suppress(ChainError):
        forms += [each.message.body_form for each in reversed(read_chain(header))]
    return BodyHashes(forms)


async def find_evidence(
    arrival: Arrival, examined: Examined, *, resolver: Resolver, snapshot: Snapshot
) -> Reply | None:
    """Note what was found; the answer when everybody the mail is for refuses such mail."""
    claims = Claims(
        peer=arrival.peer,
        helo=arrival.helo,
        reverse_path=arrival.envelope.reverse_path,
        header=arrival.header,
        bodies=arrival.bodies,
        now=arrival.at,
    )
    found = await authenticate(claims, resolver, trusted=snapshot.settings.authentication.trusted_sealers)
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
