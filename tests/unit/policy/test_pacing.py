from hypothesis import given
from hypothesis import strategies as st

from relay.policy.pacing import Pace, Spent, give_back, take_slot

NOW = 1_700_000_000.0
NOTHING = Spent({}, {})


def test_without_limits_there_is_always_leave():
    assert not Pace().is_limited
    assert Pace(per_day=1).is_limited
    assert take_slot(Pace(), NOTHING, 5, NOW).wait == 0


def test_a_minute_holds_so_many_messages_and_then_waits():
    pace, spent = Pace(per_minute=3), NOTHING
    for _ in range(3):
        slot = take_slot(pace, spent, 1, NOW)
        assert slot.wait == 0
        spent = slot.spent
    slot = take_slot(pace, spent, 1, NOW)
    assert 60 <= slot.wait <= 65
    assert slot.step == 20
    assert take_slot(pace, spent, 1, NOW + slot.wait).wait == 0


def test_a_day_counts_recipients():
    pace = Pace(per_day=10)
    spent = take_slot(pace, NOTHING, 8, NOW).spent
    assert take_slot(pace, spent, 2, NOW).wait == 0
    slot = take_slot(pace, spent, 3, NOW)
    assert slot.wait > 82800
    assert take_slot(pace, spent, 3, NOW + slot.wait).wait == 0


def test_leave_that_was_not_used_is_given_back():
    for pace, most in ((Pace(per_day=10), 10), (Pace(per_minute=1), 50)):
        spent = take_slot(pace, NOTHING, 50, NOW).spent
        assert take_slot(pace, spent, 1, NOW).wait > 0
        assert sum(spent.day.values()) == most
        spent = give_back(pace, spent, 50, NOW)
        assert take_slot(pace, spent, 50, NOW).wait == 0
        assert set(give_back(pace, spent, 50, NOW).day.values()) == {0}


def test_a_message_beyond_the_days_limit_goes_alone():
    assert take_slot(Pace(per_day=10), NOTHING, 50, NOW).wait == 0
    assert take_slot(Pace(per_day=10), take_slot(Pace(per_day=10), NOTHING, 50, NOW).spent, 1, NOW).wait > 0


def test_what_a_clock_set_back_leaves_in_the_future_counts_for_nothing():
    spent = take_slot(Pace(per_minute=1), NOTHING, 1, NOW + 1000).spent
    assert take_slot(Pace(per_minute=1), spent, 1, NOW).wait == 0


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 5))
def test_no_minute_ever_holds_more(gaps, limit):
    now, spent, sent = NOW, NOTHING, []
    for gap in gaps:
        now += gap
        slot = take_slot(Pace(per_minute=limit), spent, 1, now)
        spent = slot.spent
        if not slot.wait:
            sent.append(now)
    for first in sent:
        assert sum(first <= at < first + 60 for at in sent) <= limit
