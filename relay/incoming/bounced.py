"""Ties bounces and complaints to the mail they are about, and notes in its timeline what they say.

A bounce is believed for its address: our seal names the delivery. Hosts that write to the author instead are tied by
the seal in the header that came back, or by its Message-ID and recipient, when both are ours. Whatever comes of it, a
bounce causes no mail to anybody outside.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from relay.events import Event, EventType, Json
from relay.facts.dead_addresses import DeadAddresses
from relay.incoming.arrival import Arrival, Examined
from relay.incoming.reading import read_bounce
from relay.mail.address import Address, AddressError, parse_address
from relay.mail.bounce import Bounce, Bounced
from relay.mail.parts import MOST_OCTETS, kind_of
from relay.mail.report import Action
from relay.mail.srs import srs_reverse
from relay.mail.verp import TokenError, is_bounce_local, is_srs_local, parse_bounce
from relay.policy.bounce_class import BounceClass, classify_bounce, is_dead
from relay.policy.bounce_words import COMPLAINT
from relay.policy.kind import Judgement, Kind
from relay.store.spool import Delivery, Entry, Origin, Spool

_DAY = 86400
_NOTHING = Bounced(Action.FAILED)
_ANSWERS = (Kind.AUTO_REPLY, Kind.RECEIPT, Kind.LOOP)


@dataclass(frozen=True, slots=True)
class Tied:
    """What a bounce says of one delivery of ours. `is_sealed`: it came by an address that only we could have made."""

    queue_id: str
    delivery: Delivery
    said: Bounced
    is_sealed: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """A mail that may be a bounce, and what was read in it."""

    bounce: Bounce | None
    at: float
    spool: Spool
    secrets: Sequence[bytes]


async def take_bounces(
    arrival: Arrival, examined: Examined, judged: Judgement, *, spool: Spool, secrets: Sequence[bytes]
) -> list[Tied]:
    """Note what the mail says about mail of ours, when it is a bounce or a complaint; raises SpoolError.

    What comes to a return address is given to the company whose mail came back. Robots answer there too (RFC 3834 4):
    in the words of an out-of-office message no bounce is looked for.
    """
    if not _may_be_bounce(arrival):
        return []
    guess = judged.kind not in _ANSWERS
    bounce = await asyncio.to_thread(read_bounce, arrival.read(0, MOST_OCTETS), guess=guess)
    case = _Case(bounce, arrival.at, spool, secrets)
    tied: dict[tuple[str, int], Tied] = {}
    for index, recipient in enumerate(arrival.envelope.recipients):
        for each in await _ties(recipient.address, arrival.companies[index], case):
            tied.setdefault((each.queue_id, each.delivery.number), each)
            if each.is_sealed and not arrival.companies[index] and is_bounce_local(recipient.address.local):
                arrival.companies[index] = each.delivery.company
    if bounce is None and judged.kind is not Kind.BOUNCE:
        return []
    found = list(tied.values())
    for each in found:
        event = event_about(each, bounce, by=arrival.queue_id, at=arrival.at)
        examined.events.append(event)
        examined.findings["bounce"] = {"of": each.queue_id, "number": each.delivery.number, "type": event.type.value}
    return found


async def note_dead(bounces: Sequence[Tied], events: Sequence[Event], dead: DeadAddresses) -> None:
    """Remember recipients who do not exist or complain; only what is sealed is believed. Raises SpoolError."""
    sealed = {(each.queue_id, each.delivery.number): each.delivery for each in bounces if each.is_sealed}
    for event in events:
        delivery = None if event.number is None else sealed.get((event.queue_id, event.number))
        if delivery is not None and _is_final(event):
            reason, status = str(event.data["class"]), str(event.data.get("status", ""))
            await dead.note(delivery.company, delivery.recipient.address, reason, status)


def _may_be_bounce(arrival: Arrival) -> bool:
    """Only what has nobody to answer to, is a report by its own account, or comes to an office of ours is read."""
    field = arrival.header.first("content-type")
    kind = "" if field is None else kind_of((("content-type", field.value.decode("utf-8", "replace")),))[0]
    return arrival.envelope.reverse_path is None or kind == "multipart/report" or "" in arrival.companies


async def _ties(address: Address, company: str, case: _Case) -> list[Tied]:
    bounce = case.bounce
    paths = [address.local] if is_bounce_local(address.local) else []
    paths += [path.partition("@")[0] for path in bounce.reverse_paths] if bounce is not None else []
    for path in paths:
        sealed = await _by_seal(path, case)
        if sealed is not None:
            return [sealed]
    if bounce is None or not bounce.message_id or is_bounce_local(address.local):
        return []
    entries = await case.spool.find(bounce.message_id)
    if is_srs_local(address.local):
        return list(_forwarded(address, bounce, entries, case))
    return list(_submitted(company, bounce, entries))


async def _by_seal(local: str, case: _Case) -> Tied | None:
    """The delivery that a bounce address names."""
    try:
        queue_id, number = parse_bounce(local, secrets=case.secrets)
    except TokenError:
        # Forged, or its secret went out of use since RCPT: what has been promised to be taken goes to the postmaster.
        return None
    queue_id = queue_id.lower()
    for entry in await case.spool.find(queue_id):
        for delivery in entry.deliveries:
            if entry.message.queue_id == queue_id and delivery.number == number:
                said = said_of(delivery.recipient.address, case.bounce) or first_failed(case.bounce)
                return Tied(queue_id, delivery, said, is_sealed=True)
    return None


def _submitted(company: str, bounce: Bounce, entries: Sequence[Entry]) -> Iterator[Tied]:
    """Mail of apps with that Message-ID, sent for that company to those recipients."""
    for entry in entries:
        for delivery in entry.deliveries:
            said = said_of(delivery.recipient.address, bounce)
            if (
                said is not None
                and entry.message.origin is Origin.SUBMISSION
                and entry.message.message_id == bounce.message_id
                and company in ("", delivery.company)
            ):
                yield Tied(entry.message.queue_id, delivery, said, is_sealed=False)


def _forwarded(address: Address, bounce: Bounce, entries: Sequence[Entry], case: _Case) -> Iterator[Tied]:
    """Mail that we forwarded in the name of the writer whom the address stands for."""
    try:
        writer = str(srs_reverse(address.local, secrets=case.secrets, day=int(case.at) // _DAY)).lower()
    except TokenError:
        return
    for entry in entries:
        message = entry.message
        if message.origin is Origin.MX and str(message.envelope.reverse_path or "").lower() == writer:
            for delivery in entry.deliveries:
                yield Tied(message.queue_id, delivery, first_failed(bounce), is_sealed=False)


def said_of(address: Address, bounce: Bounce | None) -> Bounced | None:
    """What is said of that recipient by name."""
    for each in bounce.recipients if bounce is not None else ():
        if address in (_parsed(each.original), _parsed(each.final)):
            return each
    return None


def first_failed(bounce: Bounce | None) -> Bounced:
    """A host may know the recipient by another name; a failure among others counts first."""
    recipients = bounce.recipients if bounce is not None else ()
    failed = (each for each in recipients if each.action is Action.FAILED)
    return next(failed, recipients[0] if recipients else _NOTHING)


def _parsed(text: str) -> Address | None:
    try:
        return parse_address(text)
    except AddressError:
        return None


def event_about(tied: Tied, bounce: Bounce | None, *, by: str, at: float) -> Event:
    """What is noted in the timeline of the mail that a bounce is about; `by` names the bounce."""
    said = tied.said
    data: dict[str, Json] = {"recipient": str(tied.delivery.recipient.address), "by": by}
    if bounce is not None and bounce.feedback:
        kind = EventType.COMPLAINED
        data |= {"class": COMPLAINT, "feedback": bounce.feedback}
    else:
        kind = EventType.BOUNCED if said.action is Action.FAILED else EventType.NOTIFIED
        told = {"action": said.action.value, "status": said.status, "host": said.host, "text": said.text}
        data |= {key: value for key, value in told.items() if value}
        if said.action in (Action.FAILED, Action.DELAYED):
            meant = classify_bounce(said.status, said.text)
            data |= {"class": meant, "permanent": _is_permanent(said, meant)}
    return Event(kind, at, tied.queue_id, tied.delivery.number, data)


def _is_final(event: Event) -> bool:
    """Whether more mail to that address would come to nothing, or is not wanted there."""
    if event.type is EventType.COMPLAINED:
        return True
    data = event.data
    return event.type is EventType.BOUNCED and data["class"] == BounceClass.ADDRESS_GONE and data["permanent"] is True


def _is_permanent(said: Bounced, meant: BounceClass) -> bool:
    """Whether another try would come to the same end, as far as is said."""
    return said.action is Action.FAILED and (said.status.startswith("5") or is_dead(said.status, meant))
