"""How fast an account may send, so that its provider has no reason to complain. Pure: the time is passed in.

What was spent is counted in small spans: five seconds for the minute, an hour for the day. Any 60 seconds and any 24
hours hold at most what the pace allows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_MINUTE, _DAY = 60.0, 86400.0
_MINUTE_SPAN, _DAY_SPAN = 5.0, 3600.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The most an account may send: messages in a minute, recipients in a day; 0 is no limit."""

    per_minute: int = 0
    per_day: int = 0

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return bool(self.per_minute or self.per_day)


@dataclass(frozen=True, slots=True)
class Spent:
    """What an account has sent lately, by the number of the span."""

    minute: Mapping[int, int]
    day: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Slot:
    """Leave to send now, with what is spent then; or how many seconds to wait, and between one mail and the next."""

    spent: Spent
    wait: float = 0.0
    step: float = 0.0


def take_slot(pace: Pace, spent: Spent, recipients: int, now: float) -> Slot:
    """Leave for one message to so many recipients; a message that could never have it counts as a day's worth."""
    minute = _recent(spent.minute, now, _MINUTE, _MINUTE_SPAN)
    day = _recent(spent.day, now, _DAY, _DAY_SPAN)
    recent = Spent(minute, day)
    if pace.per_day:
        recipients = min(recipients, pace.per_day)
        wait = _wait(day, pace.per_day - recipients, now, _DAY, _DAY_SPAN)
        if wait:
            return Slot(recent, wait, _DAY / pace.per_day)
    if pace.per_minute:
        wait = _wait(minute, pace.per_minute - 1, now, _MINUTE, _MINUTE_SPAN)
        if wait:
            return Slot(recent, wait, _MINUTE / pace.per_minute)
    return Slot(Spent(_add(minute, now, _MINUTE_SPAN, 1), _add(day, now, _DAY_SPAN, recipients)))


def give_back(pace: Pace, spent: Spent, recipients: int, at: float) -> Spent:
    """What is spent without the leave that was taken at that time, and not used."""
    if pace.per_day:
        recipients = min(recipients, pace.per_day)
    return Spent(_add(spent.minute, at, _MINUTE_SPAN, -1), _add(spent.day, at, _DAY_SPAN, -recipients))


def _recent(spans: Mapping[int, int], now: float, window: float, span: float) -> dict[int, int]:
    # A span counts until its last moment is out of the window. Spans of the future come from a clock set back.
    last = int(now // span)
    return {number: count for number, count in spans.items() if now < (number + 1) * span + window and number <= last}


def _wait(spans: Mapping[int, int], most: int, now: float, window: float, span: float) -> float:
    """Seconds until no more than `most` is spent in the window; 0 when that is so now."""
    left = sum(spans.values())
    wait = 0.0
    for number in sorted(spans):
        if left <= most:
            break
        left -= spans[number]
        wait = (number + 1) * span + window - now
    return wait


def _add(spans: Mapping[int, int], now: float, span: float, count: int) -> dict[int, int]:
    number = int(now // span)
    return {**spans, number: max(spans.get(number, 0) + count, 0)}
