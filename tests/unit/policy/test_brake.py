"""Robots that answer each other are slowed down."""

from relay.policy.brake import MOST, WINDOW, Counted, count_answer


def test_so_many_an_hour_and_then_none_until_it_is_over():
    counted = Counted()
    for number in range(MOST):
        counted = count_answer(counted, 1000.0 + number)
        assert counted == Counted(1000.0, number + 1)
    assert count_answer(counted, 1000.0 + WINDOW - 1) is None
    assert count_answer(counted, 1000.0 + WINDOW) == Counted(1000.0 + WINDOW, 1)


def test_a_clock_that_was_set_back_begins_anew():
    assert count_answer(Counted(5000.0, MOST), 1000.0) == Counted(1000.0, 1)
