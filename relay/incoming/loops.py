"""Breaks loops: a mail that we have forwarded before, and robots that answer each other.

A person's mail is never refused here, unless it carries our own mark. What is refused with 450 comes again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from relay.config.snapshot import Snapshot
from relay.facts.troubles import Details, Trouble, Troubles
from relay.incoming.answers import Answer
from relay.incoming.arrival import Arrival
from relay.incoming.kind import writer_of
from relay.mail.reply import Reply
from relay.policy.brake import WINDOW, Counted, count_answer
from relay.policy.kind import Judgement, Kind
from relay.store.facts import Fact, FactStore
from relay.store.spool import SpoolError

IN_A_LOOP = Reply(550, "5.4.6", "This message has been forwarded to that address before: it is in a loop")
TOO_MANY_ANSWERS = Reply(450, "4.7.1", "Too many automatic answers from this address, try again later")
KIND = "automatic-answers"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Brakes:
    """What loops are broken with."""

    snapshot: Snapshot
    facts: FactStore
    troubles: Troubles


async def break_loop(arrival: Arrival, judged: Judgement, brakes: Brakes) -> Reply | None:
    """Refuse what comes round, and tell the companies whose address sends it back to us."""
    if judged.kind is not Kind.LOOP:
        return None
    for slug in dict.fromkeys(arrival.companies):
        company = brakes.snapshot.company(slug)
        if company is not None:
            alias = f"{company.alias}@{brakes.snapshot.settings.domain}"
            await brakes.troubles.tell(slug, Trouble.FORWARDING_LOOP, Details(about=str(company.address), cause=alias))
    return IN_A_LOOP


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


async def _may_answer(key: str, now: float, facts: FactStore) -> bool:
    for _ in range(_TRIES):
        fact = await facts.get(KIND, key) or Fact(KIND, key, {})
        counted = count_answer(_read(fact.value), now)
        if counted is None:
            return False
        value = {"since": counted.since, "count": counted.count}
        if await facts.put(replace(fact, value=value, due=counted.since + WINDOW)) is not None:
            return True
    raise SpoolError("automatic answers come too fast")


def _read(value: Mapping[str, Any]) -> Counted:
    return Counted(float(value.get("since", 0.0)), int(value.get("count", 0)))
