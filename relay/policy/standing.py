"""Whether a company's domain may be used, over time: good news counts at once, bad news has to last. Pure.

A failure of the DNS changes nothing. A record that is gone first puts the domain at risk: mail waits, so that nothing
goes out that would not be believed, and nothing falls back for a slip that is repaired within minutes. Only what is
seen failing again after that time demotes the domain.
"""

from dataclasses import dataclass
from enum import StrEnum

from relay.policy.evidence import Evidence, merge
from relay.policy.prediction import Verdict, predict_own_domain


class State(StrEnum):
    """Where a domain stands."""

    UNKNOWN = "unknown"
    PASSES = "passes"
    AT_RISK = "at-risk"
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Standing:
    """A domain's state, since when (seconds since the epoch), and the evidence as far as it is known."""

    state: State
    since: float
    evidence: Evidence


def advance(before: Standing | None, seen: Evidence, *, domain: str, now: float, patience: float) -> Standing:
    """The standing after a look that found `seen`; `domain` is ours.

    `patience`: seconds that a failure has to last. What was known about another domain counts for nothing.
    """
    if before is not None and before.evidence.domain != seen.domain:
        before = None
    evidence = merge(before.evidence if before else None, seen)
    state = State.UNKNOWN if before is None else before.state
    if predict_own_domain(evidence, domain=domain).verdict is Verdict.PASSES:
        after = State.PASSES
    else:
        # What was known before may complete good news, but only what is seen now is bad news.
        is_seen_failing = predict_own_domain(seen, domain=domain).verdict is Verdict.FAILS
        lasted = 0.0 if before is None or state is not State.AT_RISK else now - before.since
        after = _after_bad_news(state, is_seen_failing=is_seen_failing, has_lasted=lasted >= patience)
    since = before.since if before is not None and after is state else now
    return Standing(after, since, evidence)


def _after_bad_news(state: State, *, is_seen_failing: bool, has_lasted: bool) -> State:
    if state in (State.PASSES, State.AT_RISK):
        return State.FAILS if is_seen_failing and has_lasted else State.AT_RISK
    return State.FAILS if is_seen_failing else state
