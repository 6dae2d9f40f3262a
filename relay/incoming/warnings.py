"""Warns of payment fraud: looks up what the rules need, and keeps the warnings with the mail.

A warning refuses nothing. It goes along with the mail in a field, stands in its timeline, and in what the app is told
of an answer.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from relay.config.snapshot import Snapshot
from relay.events import Event, EventType, Json
from relay.facts.account_numbers import AccountNumbers
from relay.incoming.answers import Answer
from relay.incoming.arrival import Arrival, Examined
from relay.mail.address import Address
from relay.mail.author import Author, AuthorError, parse_authors
from relay.mail.encoded import decoded
from relay.mail.iban import find_ibans
from relay.mail.message import Header, fold
from relay.mail.text import MOST_READ, readable_text
from relay.policy.company import Company
from relay.policy.fraud import Sight, Warn, place_of, warnings_about
from relay.policy.kind import Judgement, Kind
from relay.store.facts import Fact, FactStore

SECTION = "warnings"
PLACES = "answers-elsewhere"
_KEPT = 400 * 86400.0
# Sessions keep their latency: more octets, or more of what begins a tag or names a character, are read beside the loop.
_AT_ONCE = 128 * 1024
_MARKS_AT_ONCE = 500
_MOST_TEXT = 20_000
_KINDS = (Kind.PERSON, Kind.AUTO_REPLY, Kind.AUTO_GENERATED)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is looked up in: the configuration, and what the store remembers."""

    snapshot: Snapshot
    facts: FactStore
    numbers: AccountNumbers


async def warn(
    arrival: Arrival, examined: Examined, judged: Judgement, answers: Sequence[Answer], watch: Watch
) -> dict[str, list[str]]:
    """Look at the mail for each company that it is for; the signs of what was found, by company. Raises SpoolError.

    A warning may name whom the company writes to: no other company is told.
    """
    author = _one(arrival.header, "from")
    if author is None or judged.kind not in _KINDS:
        return {}
    text, numbers = await _read(arrival)
    known = Sight(
        author.address,
        display=decoded(author.display),
        reply_to=reply_to.address if (reply_to := _one(arrival.header, "reply-to")) else None,
        text=text,
        for_many=judged.kind is Kind.AUTO_GENERATED,
        proven=_proven(examined.findings),
    )
    found: dict[str, list[Warn]] = {}
    for slug in dict.fromkeys(each for each in arrival.companies if each):
        company = watch.snapshot.company(slug)
        if company is not None:
            theirs = [each for each in answers if each.company == slug]
            sight = await _seen_by(company, known, numbers, theirs, watch)
            if warnings := warnings_about(sight):
                # Each sign counts once: of two look-alikes, the last one.
                found[slug] = list({warning.sign: warning for warning in warnings}.values())
            await _remember(slug, sight, numbers, arrival.at, watch)
    if found:
        examined.findings[SECTION] = [
            {"code": each.sign.value, "text": each.text, "company": slug}
            for slug, all_ in found.items()
            for each in all_
        ]
        texts = {each.text: each.sign.value for all_ in found.values() for each in all_}
        data: dict[str, Json] = {"warnings": list(dict.fromkeys(texts.values())), "text": "; ".join(texts)}
        examined.events.append(Event(EventType.SUSPICIOUS, arrival.at, arrival.queue_id, None, data))
    return {slug: [each.sign.value for each in all_] for slug, all_ in found.items()}


def warning_fields(findings: Mapping[str, Json], company: str) -> bytes:
    """The fields that go on top of the mail when it is handed on to that company."""
    section = findings.get(SECTION)
    if not isinstance(section, list):
        return b""
    # Mail that an earlier version took has warnings that name no company.
    each = [one for one in section if isinstance(one, dict) and one.get("company", company) == company]
    return b"".join(fold(f"Relay-Warning: {one['code']}; {one['text']}".encode("ascii", "replace")) for one in each)


async def _seen_by(
    company: Company, known: Sight, numbers: Sequence[str], answers: Sequence[Answer], watch: Watch
) -> Sight:
    """What the mail looks like to one company."""
    domain = watch.snapshot.settings.domain
    own = dict.fromkeys((company.address.domain, company.own_author.domain, domain))
    thread = dict.fromkeys(each for answer in answers for each in answer.domains)
    sight = replace(known, company=company.name, own=tuple(own), thread=tuple(thread))
    if numbers:
        place = place_of(known.author)
        seen = await watch.numbers.look(company.slug, place, numbers, in_thread=bool(answers))
        sight = replace(sight, ibans=seen.strange, others_known=seen.others_known)
    if known.reply_to is not None and place_of(known.reply_to) != place_of(known.author):
        fact = await watch.facts.get(PLACES, _places(company.slug, known.author, known.reply_to))
        sight = replace(sight, elsewhere_before=fact is not None)
    return sight


async def _remember(slug: str, sight: Sight, numbers: Sequence[str], now: float, watch: Watch) -> None:
    """What was seen is known the next time, unless somebody else may have written it."""
    if sight.proven is False:
        return
    if numbers:
        # What was strange enough to warn about is not known yet for that.
        warned = bool(sight.ibans) and sight.others_known
        await watch.numbers.received(slug, place_of(sight.author), numbers, now, warned=warned)
    if sight.reply_to is not None and place_of(sight.reply_to) != place_of(sight.author) and not sight.elsewhere_before:
        await watch.facts.put(Fact(PLACES, _places(slug, sight.author, sight.reply_to), {}, due=now + _KEPT))


def _places(slug: str, author: Address, reply_to: Address) -> str:
    return f"{slug} {place_of(author)} {place_of(reply_to)}"


async def _read(arrival: Arrival) -> tuple[str, tuple[str, ...]]:
    """The text of the mail, and the account numbers in it."""

    def read() -> tuple[str, tuple[str, ...]]:
        text = readable_text(octets)
        return text[:_MOST_TEXT], find_ibans(text)

    octets = arrival.read(0, MOST_READ)
    return read() if _is_read_soon(octets) else await asyncio.to_thread(read)


def _is_read_soon(octets: bytes) -> bool:
    return len(octets) <= _AT_ONCE and octets.count(b"<") + octets.count(b"&") <= _MARKS_AT_ONCE


def _proven(findings: Mapping[str, Json]) -> bool | None:
    """What the evidence says of DMARC; None when it passes and fails nothing."""
    evidence = findings.get("evidence")
    dmarc = evidence.get("dmarc") if isinstance(evidence, dict) else None
    result = dmarc.get("result") if isinstance(dmarc, dict) else None
    return {"pass": True, "fail": False}.get(str(result))


def _one(header: Header, key: str) -> Author | None:
    field = header.first(key)
    try:
        return None if field is None else parse_authors(field.value)[0]
    except AuthorError:
        return None
