"""Finds the mail that a mail from outside answers, and tells the app that submitted it.

In charge of the tie: by our tag in the recipient's address, by our return address, by a Message-ID of ours, or by the
Message-ID that the app gave. Only mail that an app submitted for the same company counts. A tie is no proof that the
writer is who he says: that stands in the evidence.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from relay.events import Event, EventType, Json
from relay.incoming.arrival import Arrival, Examined
from relay.incoming.kind import writer_of
from relay.mail.address import Address
from relay.mail.thread import TokenError, answered_ids, parse_tag, queue_id_in, split_tag
from relay.mail.verp import is_bounce_local, parse_bounce
from relay.policy.evidence_words import evidence_in_short
from relay.policy.forward import read_evidence
from relay.policy.kind import Judgement, Kind
from relay.store.spool import Entry, Origin, Spool

SECTION = "answers"
# Reports about a mail are no answers to it.
_ANSWERING = (Kind.PERSON, Kind.AUTO_REPLY, Kind.AUTO_GENERATED, Kind.RECEIPT)


@dataclass(frozen=True, slots=True)
class Answer:
    """A tie: the mail that is answered, which of its recipients answers if that is known, and by what we know.

    `domains` are those of that mail's recipients.
    """

    queue_id: str
    number: int | None
    company: str
    tie: str
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Threads:
    """Where mail that was sent is found again: the store, and what our own names of it are made with."""

    spool: Spool
    domain: str
    secrets: Sequence[bytes]


async def find_answers(arrival: Arrival, examined: Examined, judged: Judgement, threads: Threads) -> list[Answer]:
    """The mails that this one answers, at most one a recipient; kept among the findings. Raises SpoolError."""
    if judged.kind not in _ANSWERING:
        return []
    writers = {each for each in (writer_of(arrival.header), arrival.envelope.reverse_path) if each is not None}
    found: dict[str, Answer] = {}
    for recipient, company in zip(arrival.envelope.recipients, arrival.companies, strict=True):
        if company and (answer := await _answered(arrival, recipient.address, company, writers, threads)):
            found.setdefault(answer.queue_id, answer)
    if found:
        examined.findings[SECTION] = [_written(answer) for answer in found.values()]
    return list(found.values())


def tell_answers(
    arrival: Arrival,
    examined: Examined,
    judged: Judgement,
    answers: Sequence[Answer],
    warnings: Mapping[str, list[str]],
) -> None:
    """Note each answer in the timeline of the mail that it answers, with the signs of fraud found for its company."""
    writer = writer_of(arrival.header)
    for answer in answers:
        data: dict[str, Json] = {
            "by": arrival.queue_id,
            "writer": str(writer or arrival.envelope.reverse_path or ""),
            "kind": judged.kind.value,
            "tie": answer.tie,
        }
        if (found := read_evidence(examined.findings)) is not None:
            data["evidence"] = dict(evidence_in_short(found))
        if signs := warnings.get(answer.company):
            data["warnings"] = list(signs)
        examined.events.append(Event(EventType.REPLIED, arrival.at, answer.queue_id, answer.number, data))


async def _answered(
    arrival: Arrival, recipient: Address, company: str, writers: set[Address], threads: Threads
) -> Answer | None:
    async for key, number, tie in _candidates(arrival, recipient, threads):
        for entry in await threads.spool.find(key):
            if key in (entry.message.queue_id, entry.message.message_id) and _is_sent_for(entry, company):
                known = number if number is not None else _number_of(entry, writers)
                domains = dict.fromkeys(each.recipient.address.domain for each in entry.deliveries)
                return Answer(entry.message.queue_id, known, company, tie, tuple(domains))
    return None


async def _candidates(
    arrival: Arrival, recipient: Address, threads: Threads
) -> AsyncIterator[tuple[str, int | None, str]]:
    """Names under which the store may know the mail that is answered, the surest first."""
    try:
        if is_bounce_local(recipient.local):
            queue_id, number = parse_bounce(recipient.local, secrets=threads.secrets)
            yield queue_id.lower(), number, "return-address"
        else:
            yield parse_tag(split_tag(recipient.local)[1], secrets=threads.secrets), None, "tag"
    except TokenError:
        pass
    for message_id in answered_ids(arrival.header):
        ours = queue_id_in(message_id, domain=threads.domain, secrets=threads.secrets)
        yield ours or message_id, None, "message-id"


def _is_sent_for(entry: Entry, company: str) -> bool:
    sent = entry.message.origin is Origin.SUBMISSION
    return sent and any(delivery.company == company for delivery in entry.deliveries)


def _number_of(entry: Entry, writers: set[Address]) -> int | None:
    """Which recipient it is that answers, if it is one of them."""
    known = {str(writer).lower() for writer in writers}
    numbers = [each.number for each in entry.deliveries if str(each.recipient.address).lower() in known]
    return numbers[0] if numbers else None


def _written(answer: Answer) -> Json:
    return {
        "queue_id": answer.queue_id,
        "number": answer.number,
        "company": answer.company,
        "tie": answer.tie,
    }
