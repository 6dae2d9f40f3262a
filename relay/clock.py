"""The time of day, as something that is passed in.

In charge of: one way to ask what time it is, so that tests and replays can answer.
Never does: timers. Waiting is the event loop's business and follows its own monotonic time.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Whatever can tell the time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since the epoch, as the operating system has them."""
        return time.time()


def timestamp(at: float) -> str:
    """`at`, seconds since the epoch, as machines read it: ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
