"""Gives bounces to the company whose mail came back, and notes them in that mail's timeline."""

from collections.abc import Sequence

from relay.events import Event, EventType
from relay.incoming.arrival import Arrival, Examined
from relay.mail.verp import TokenError, is_bounce_local, parse_bounce
from relay.policy.kind import Judgement, Kind
from relay.store.spool import Spool


async def take_bounces(
    arrival: Arrival, examined: Examined, judged: Judgement, *, spool: Spool, secrets: Sequence[bytes]
) -> None:
    """For every recipient that is a return address of ours; raises SpoolError.

    Robots answer there too (RFC 3834 4): that is no bounce.
    """
    for index, recipient in enumerate(arrival.envelope.recipients):
        if arrival.companies[index] or not is_bounce_local(recipient.address.local):
            continue
        try:
            bounced, number = parse_bounce(recipient.address.local, secrets=secrets)
        except TokenError:
            # Its secret went out of use since RCPT: what has been promised to be taken goes to the postmaster.
            continue
        bounced = bounced.lower()
        company = await spool.company_of(bounced, number)
        if company is not None:
            arrival.companies[index] = company
            if judged.kind is not Kind.BOUNCE:
                continue
            examined.events.append(Event(EventType.BOUNCED, arrival.at, bounced, number, {"by": arrival.queue_id}))
