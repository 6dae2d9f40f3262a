"""When to try again: by example, and whatever the numbers are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.retry import Patience, Progress, Retry, Verdict, decide_retry

HOUR = 3600.0
PATIENCE = Patience((60, 300, 900), expire=10 * HOUR, delay_notice=4 * HOUR)
MIDDLE = 0.5  # of the spread: exactly the step


@pytest.mark.parametrize(("attempts", "step"), [(1, 60), (2, 300), (3, 900), (4, 900), (1000, 900)])
def test_the_steps_follow_each_other_and_the_last_one_repeats(attempts, step):
    retry = decide_retry(PATIENCE, Progress(1000.0, attempts, told=False), now=1100.0, chance=MIDDLE)
    assert retry == Retry(Verdict.WAIT, pytest.approx(1100.0 + step))


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.8), (0.999999, 1.2)])
def test_chance_spreads_what_failed_together(chance, factor):
    retry = decide_retry(PATIENCE, Progress(0.0, 1, told=False), now=0.0, chance=chance)
    assert retry.next_attempt == pytest.approx(60 * factor, rel=1e-4)


def test_lateness_is_told_once():
    late = 4 * HOUR
    assert decide_retry(PATIENCE, Progress(0.0, 9, told=False), now=late - 1, chance=0).verdict is Verdict.WAIT
    assert decide_retry(PATIENCE, Progress(0.0, 9, told=False), now=late, chance=0).verdict is Verdict.WAIT_AND_TELL
    assert decide_retry(PATIENCE, Progress(0.0, 9, told=True), now=late, chance=0).verdict is Verdict.WAIT


def test_the_last_attempt_falls_on_the_expiry_and_nothing_follows():
    progress = Progress(0.0, 9, told=True)
    last = decide_retry(PATIENCE, progress, now=10 * HOUR - 1, chance=0.9)
    assert last == Retry(Verdict.WAIT, 10 * HOUR)
    assert decide_retry(PATIENCE, progress, now=last.next_attempt, chance=0.9) == Retry(Verdict.EXPIRE)


def test_mail_that_was_held_beyond_its_expiry_is_tried_a_few_times_yet():
    late = 200 * HOUR
    waits = [Retry(Verdict.WAIT, pytest.approx(late + step)) for step in (60, 300, 900)]
    lives = [decide_retry(PATIENCE, Progress(0.0, n, told=True), now=late, chance=MIDDLE) for n in (1, 2, 3, 4)]
    assert lives == [*waits, Retry(Verdict.EXPIRE)]


def test_whoever_has_little_patience_is_not_given_more():
    short = Patience((HOUR,), expire=600, delay_notice=60)
    assert decide_retry(short, Progress(0.0, 2, told=True), now=600, chance=0) == Retry(Verdict.EXPIRE)


times = st.floats(0, 4e9)
spans = st.floats(1, 1e7)
chances = st.floats(0, 1, exclude_max=True)
patiences = st.builds(
    lambda steps, expire, notice: Patience(tuple(sorted(steps)), expire, notice),
    st.lists(spans, min_size=1, max_size=9),
    spans,
    spans,
)
progresses = st.builds(Progress, times, st.integers(1, 10_000), st.booleans())


@given(patience=patiences, progress=progresses, age=st.floats(-1e6, 1e7), chance=chances)
def test_never_before_now_and_never_after_the_expiry(patience, progress, age, chance):
    now = progress.received_at + age
    expiry = progress.received_at + patience.expire
    retry = decide_retry(patience, progress, now=now, chance=chance)
    if retry.verdict is Verdict.EXPIRE:
        assert now >= expiry
    else:
        assert now < retry.next_attempt
        assert retry.next_attempt <= expiry or now >= expiry


@given(patience=patiences, received_at=times, chance=chances)
def test_attempts_go_on_until_the_expiry_and_then_end(patience, received_at, chance):
    """Walk through a whole life: time only goes forward, lateness is told at most once, the end comes."""
    now, told = received_at, False
    for attempts in range(1, 40):
        retry = decide_retry(patience, Progress(received_at, attempts, told), now=now, chance=chance)
        if retry.verdict is Verdict.EXPIRE:
            break
        assert retry.next_attempt > now
        if retry.verdict is Verdict.WAIT_AND_TELL:
            assert not told
            told = True
        now = retry.next_attempt
    else:
        now = received_at + patience.expire
        retry = decide_retry(patience, Progress(received_at, 40, told), now=now, chance=chance)
        assert retry.verdict is Verdict.EXPIRE


@given(patience=patiences, progress=progresses, chance=chances, more=st.integers(0, 20))
def test_later_attempts_never_wait_less(patience, progress, chance, more):
    later = Progress(progress.received_at, progress.attempts + more, progress.told)
    now = progress.received_at
    first = decide_retry(patience, progress, now=now, chance=chance)
    second = decide_retry(patience, later, now=now, chance=chance)
    assert second.next_attempt >= first.next_attempt


@given(patience=patiences, progress=progresses, low=chances, high=chances)
def test_more_chance_never_means_sooner(patience, progress, low, high):
    low, high = sorted((low, high))
    now = progress.received_at
    first = decide_retry(patience, progress, now=now, chance=low)
    second = decide_retry(patience, progress, now=now, chance=high)
    assert second.next_attempt >= first.next_attempt
