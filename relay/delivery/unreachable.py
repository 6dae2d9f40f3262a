"""Remembers which addresses did not answer just now, so that mail for them does not queue up to find out again.

Without that, a few dead hosts can keep a worker's hands full: every mail for them would wait for its own time-out.
"""

from relay.clock import Clock
from relay.delivery.route import Target
from relay.policy.outcome import Fault, Trouble

# Seconds: long enough to empty a lane, short enough for a person who has just repaired a host and says "retry".
_REMEMBERED = 15.0
_MOST = 10_000


class Unreachable:
    """The addresses of one worker that no connection could be made to."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[tuple[str, int], float] = {}

    def add(self, target: Target) -> None:
        """No connection could be made to `target` now."""
        if len(self._until) >= _MOST:
            self._until.clear()
        self._until[target.ip, target.port] = self._clock.now() + _REMEMBERED

    def trouble(self, target: Target) -> Trouble | None:
        """Why `target` is not worth a try now, None when it is."""
        key = (target.ip, target.port)
        until = self._until.get(key)
        if until is None:
            return None
        if self._clock.now() < until:
            return Trouble(Fault.REFUSED, f"{target.ip} did not answer a moment ago")
        del self._until[key]
        return None
