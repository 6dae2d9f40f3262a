"""Says what a mail is, and keeps that with it."""

from collections.abc import Mapping, Sequence

from relay.events import Json
from relay.incoming.arrival import Arrival, Examined
from relay.mail.address import Address
from relay.mail.author import AuthorError, parse_authors
from relay.mail.loop import was_forwarded
from relay.mail.message import Header
from relay.mail.verp import is_bounce_local, is_srs_local
from relay.policy.kind import Judgement, Kind, Way, judge_kind

SECTION = "kind"


def note_kind(arrival: Arrival, examined: Examined, *, domain: str, secrets: Sequence[bytes]) -> Judgement:
    """Judge the mail; `domain` and `secrets` are ours, and tell our own marks.

    Later steps and the delivery read the judgement with `kind_in`.
    """
    locals_ = [recipient.address.local for recipient in arrival.envelope.recipients]
    way = Way(
        null=arrival.envelope.reverse_path is None,
        returned=any(is_bounce_local(local) or is_srs_local(local) for local in locals_),
        looped=all(
            was_forwarded(arrival.header, company, domain=domain, secrets=secrets) for company in set(arrival.companies)
        ),
    )
    judged = judge_kind(arrival.header, way)
    examined.findings[SECTION] = {"kind": judged.kind.value, "reason": judged.reason, "sure": judged.sure}
    return judged


def kind_in(findings: Mapping[str, Json]) -> Judgement | None:
    """What was found out about a mail's kind; None when nobody looked."""
    section = findings.get(SECTION)
    if not isinstance(section, dict):
        return None
    return Judgement(Kind(str(section["kind"])), str(section["reason"]), sure=bool(section["sure"]))


def writer_of(header: Header) -> Address | None:
    """The (first) address in From; None when nobody can read it."""
    field = header.first("from")
    try:
        return None if field is None else parse_authors(field.value)[0].address
    except AuthorError:
        return None
