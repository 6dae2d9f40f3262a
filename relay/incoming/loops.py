"""Breaks loops: a mail that we have forwarded before, and robots that answer each other.

A person's mail is never refused here, unless it carries our own mark. What is refused with 450 comes again. An answer
to DATA is for all recipients (RFC 5321 4.1.1.4): where a mail comes round to some of them only, the others get it, and
its timeline says who got none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from relay.config.snapshot import Snapshot
from relay.events import Event, EventType
from relay.facts.troubles import Details, Trouble, Troubles
from relay.incoming.answers import Answer
from relay.incoming.arrival import Arrival, Examined
from relay.incoming.kind import writer_of
from relay.mail.loop import was_forwarded
from relay.mail.reply import Reply
from relay.policy.brake import WINDOW, Counted, count_answer
from relay.policy.kind import Judgement, Kind
from relay.store.facts import Fact, FactStore
from relay.store.update import update

IN_A_LOOP = Reply(550, "5.4.6", "This message has been forwarded to that address before: it is in a loop")
TOO_MANY_ANSWERS = Reply(450, "4.7.1", "Too many automatic answers from this address, try again later")
KIND = "automatic-answers"


@dataclass(frozen=True, slots=True)
class Brakes:
    """What loops are broken with."""

    snapshot: Snapshot
    facts: FactStore
    troubles: Troubles


async def break_loop(arrival: Arrival, examined: Examined, brakes: Brakes, secrets: Sequence[bytes]) -> Arrival | Reply:
    """Leave out those whom the mail comes round to, and tell the companies whose address sends it back to us.

    What is left of the mail, which is `examined.taken` then; or the refusal, when it comes round to all.
    """
    domain = brakes.snapshot.settings.domain
    companies = dict.fromkeys(arrival.companies)
    looped = [slug for slug in companies if was_forwarded(arrival.header, slug, domain=domain, secrets=secrets)]
    for slug in looped:
        company = brakes.snapshot.company(slug)
        if company is not None:
            cause = f"{company.alias}@{domain}"
            await brakes.troubles.tell(slug, Trouble.FORWARDING_LOOP, Details(about=str(company.address), cause=cause))
    if len(looped) == len(companies):
        return IN_A_LOOP
    if looped:
        examined.events.extend(_refused(arrival, looped))
        examined.taken = _without(arrival, looped)
    return examined.taken or arrival


async def slow_down(arrival: Arrival, judged: Judgement, answers: Sequence[Answer], brakes: Brakes) -> Reply | None:
    """Refuse, for now, a robot's answers when there are too many of them about one thing; raises SpoolError."""
    if judged.kind is not Kind.AUTO_REPLY or not judged.sure:
        return None
    writer = writer_of(arrival.header) or arrival.envelope.reverse_path
    about = answers[0].queue_id if answers else ""
    for slug in {slug for slug in arrival.companies if slug}:
        if not await _may_answer(f"{slug} {str(writer).lower()} {about}", arrival.at, brakes.facts):
            return TOO_MANY_ANSWERS
    return None


def _refused(arrival: Arrival, looped: Sequence[str]) -> Iterator[Event]:
    for recipient, slug in zip(arrival.envelope.recipients, arrival.companies, strict=True):
        if slug in looped:
            data = {"verb": "data", "reply": str(IN_A_LOOP), "recipient": str(recipient.address)}
            yield Event(EventType.REFUSED, arrival.at, arrival.queue_id, None, data)


def _without(arrival: Arrival, looped: Sequence[str]) -> Arrival:
    left = [number for number, slug in enumerate(arrival.companies) if slug not in looped]
    recipients = tuple(arrival.envelope.recipients[number] for number in left)
    companies = [arrival.companies[number] for number in left]
    return replace(arrival, envelope=replace(arrival.envelope, recipients=recipients), companies=companies)


async def _may_answer(key: str, now: float, facts: FactStore) -> bool:
    def counted(fact: Fact) -> Fact:
        count = count_answer(_read(fact.value), now)
        if count is None:
            return fact
        return replace(fact, value={"since": count.since, "count": count.count}, due=count.since + WINDOW)

    before, after = await update(facts, KIND, key, counted)
    return after is not before


def _read(value: Mapping[str, Any]) -> Counted:
    return Counted(float(value.get("since", 0.0)), int(value.get("count", 0)))
