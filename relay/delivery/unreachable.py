"""Remembers which addresses did not answer, so that mail for them does not queue up to find out again.

Without that, a few dead hosts can keep a worker's hands full: every mail for them would wait for its own time-out.
"""

from relay.delivery.route import Target
from relay.policy.outcome import Fault, Trouble

_MOST = 10_000


class Unreachable:
    """The addresses of one worker that did not answer when they were last tried.

    Such an address is tried by one mail at a time. A mail that comes alone is always tried, so whoever has repaired a
    host and says "retry" is taken at his word.
    """

    def __init__(self) -> None:
        self._being_tried: dict[tuple[str, int], bool] = {}

    def begin(self, target: Target) -> Trouble | None:
        """Whether to try `target` now: None means yes, and that `answered` or `silent` will follow."""
        key = (target.ip, target.port)
        if self._being_tried.get(key):
            return Trouble(Fault.REFUSED, f"{target.ip} did not answer, and is being tried for another mail")
        if key in self._being_tried:
            self._being_tried[key] = True
        return None

    def answered(self, target: Target) -> None:
        """`target` is there, whatever it said."""
        self._being_tried.pop((target.ip, target.port), None)

    def silent(self, target: Target) -> None:
        """`target` could not be connected to, or said nothing."""
        if len(self._being_tried) >= _MOST:
            self._being_tried.clear()
        self._being_tried[target.ip, target.port] = False
