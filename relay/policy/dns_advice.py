"""Which records a company's domain needs so that receivers believe our mail, and what is still to do. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from relay.mail.challenge import challenge_name
from relay.policy.dmarc import Policy
from relay.policy.evidence import Evidence, Finding, bounce_domain
from relay.policy.spf_advice import SpfAdvice


class Need(StrEnum):
    """How a record stands: in order, to be published, worth publishing, or not known now."""

    OK = "ok"
    TO_DO = "to do"
    OPTIONAL = "optional"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class RecordAdvice:
    """One record. `publish` is its text, as strings of at most 255 octets for TXT; `remarks` are sentences."""

    name: str
    type: str
    need: Need
    publish: tuple[str, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key of ours that may sign for the domain: where its record is, and what stands at `selector` of the domain.

    `target` is the name to point to; empty when the domain publishes the key itself, as `record`.
    """

    selector: str
    target: str
    record: str
    finding: Finding


def advise_records(
    evidence: Evidence, *, challenge: str, spf: SpfAdvice, keys: Sequence[KeyWish], domain: str
) -> tuple[RecordAdvice, ...]:
    """Every record, in the order to publish them; `domain` is ours, `challenge` empty when no proof is needed."""
    advice: list[RecordAdvice] = []
    author = evidence.domain
    if challenge:
        need = _need(evidence.proof, is_needed=True)
        advice.append(RecordAdvice(challenge_name(author), "TXT", need, (challenge,), _reason(evidence.proof)))
    is_reject = evidence.dmarc is not None and evidence.dmarc.policy is Policy.REJECT
    for key in keys:
        # One key that is seen will do; the others make it possible to change keys.
        need = _need(key.finding, is_needed=is_reject and not evidence.keys.holds)
        kind, text = ("CNAME", f"{key.target}.") if key.target else ("TXT", key.record)
        name = f"{key.selector}._domainkey.{author}"
        strings = tuple(text[start : start + 255] for start in range(0, len(text), 255))
        advice.append(RecordAdvice(name, kind, need, strings, _reason(key.finding)))
    need = _need(evidence.spf, is_needed=not evidence.keys.holds)
    if need is Need.OK and not spf.is_right:
        need = Need.OPTIONAL
    advice.append(RecordAdvice(author, "TXT", need, spf.strings, (*_reason(evidence.spf), *spf.remarks)))
    need = _need(evidence.bounce, is_needed=False)
    advice.append(RecordAdvice(bounce_domain(author), "CNAME", need, (f"{domain}.",), _reason(evidence.bounce)))
    return tuple(advice)


def _need(finding: Finding, *, is_needed: bool) -> Need:
    if finding.holds is None:
        return Need.UNKNOWN
    if finding.holds:
        return Need.OK
    return Need.TO_DO if is_needed else Need.OPTIONAL


def _reason(finding: Finding) -> tuple[str, ...]:
    return () if finding.holds or not finding.reason else (finding.reason,)
