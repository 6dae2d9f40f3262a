"""Good news counts at once, bad news has to last, and a DNS failure changes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.standing import Standing, State, advance

from .domains import evidence

OURS = "my.relay.example"
HOUR = 3600.0
GOOD, BAD = evidence(keys=True), evidence()
SILENT = evidence(proof=None, keys=None, spf=None, bounce=None, policy=None)
UNKNOWN, PASSES, AT_RISK, FAILS = State.UNKNOWN, State.PASSES, State.AT_RISK, State.FAILS


def follow(*looks, patience=HOUR):
    """The states after looks at (seconds, evidence)."""
    standing, states = None, []
    for now, seen in looks:
        standing = advance(standing, seen, domain=OURS, now=now, patience=patience)
        states.append(standing.state)
    return states


@pytest.mark.parametrize(("seen", "state"), [(GOOD, PASSES), (BAD, FAILS), (SILENT, UNKNOWN)])
def test_the_first_look_decides_at_once(seen, state) -> None:
    assert follow((0, seen)) == [state]


def test_a_repaired_record_counts_at_once() -> None:
    assert follow((0, BAD), (1, BAD), (2, SILENT), (3, GOOD)) == [FAILS, FAILS, FAILS, PASSES]
    assert follow((0, SILENT), (1, SILENT), (2, GOOD)) == [UNKNOWN, UNKNOWN, PASSES]
    assert follow((0, SILENT), (1, BAD)) == [UNKNOWN, FAILS]


def test_a_failure_demotes_only_when_it_lasts() -> None:
    looks = [(0, GOOD), (10, BAD), (10 + HOUR - 1, BAD), (10 + HOUR, BAD)]
    assert follow(*looks) == [PASSES, AT_RISK, AT_RISK, FAILS]


def test_a_failure_that_is_repaired_in_time_is_forgotten() -> None:
    looks = [(0, GOOD), (10, BAD), (20, GOOD), (30, BAD), (20 + HOUR, BAD)]
    assert follow(*looks) == [PASSES, AT_RISK, PASSES, AT_RISK, AT_RISK]


def test_silence_of_the_dns_never_demotes() -> None:
    assert follow((0, GOOD), (10, SILENT), (10 * HOUR, SILENT)) == [PASSES, PASSES, PASSES]
    assert follow((0, GOOD), (10, BAD), (10 * HOUR, SILENT)) == [PASSES, AT_RISK, AT_RISK]


def test_half_of_the_truth_never_demotes_but_nothing_goes_out_on_it() -> None:
    by_spf = evidence(spf=True)
    half = evidence(spf=False, keys=None)
    assert follow((0, by_spf), (10, half), (10 * HOUR, half)) == [PASSES, AT_RISK, AT_RISK]


def test_without_patience_the_switch_comes_at_once() -> None:
    assert follow((0, GOOD), (10, BAD), patience=0) == [PASSES, FAILS]


def test_another_domain_begins_anew() -> None:
    first = advance(None, GOOD, domain=OURS, now=0, patience=HOUR)
    assert advance(first, evidence(domain="other.example"), domain=OURS, now=10, patience=HOUR).state is FAILS


def test_since_tells_when_the_state_began() -> None:
    standing = None
    for now, seen, since in [(1, GOOD, 1), (2, GOOD, 1), (3, BAD, 3), (4, BAD, 3), (5, GOOD, 5)]:
        standing = advance(standing, seen, domain=OURS, now=now, patience=HOUR)
        assert standing.since == since


findings = st.sampled_from([True, False, None])
seen = st.builds(
    evidence,
    proof=findings,
    spf=findings,
    keys=findings,
    bounce=findings,
    policy=st.sampled_from(["none", "quarantine", "reject", None]),
)


@given(st.lists(st.tuples(st.floats(0, 2 * HOUR), seen), max_size=8))
def test_a_domain_that_passed_is_never_lost_without_being_at_risk_first(looks) -> None:
    standing: Standing | None = None
    now = 0.0
    for wait, found in looks:
        now += wait
        after = advance(standing, found, domain=OURS, now=now, patience=HOUR)
        if standing is not None and standing.state is PASSES:
            assert after.state in (PASSES, AT_RISK)
        if standing is not None and standing.state is AT_RISK and after.state is FAILS:
            assert now - standing.since >= HOUR
        standing = after
