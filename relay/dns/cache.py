"""Answers, remembered as long as they hold, in so much memory and no more."""

from collections import OrderedDict
from typing import Any

from relay.clock import Clock
from relay.dns.answers import MAX_TTL, Answer, Mx

# What an answer and each of its records take beside their text.
_ROOM, _ROOM_OF_RECORD = 500, 60


class Cache:
    """Answers by name, in whatever case, and type; those that nobody asked for lately go first."""

    def __init__(self, clock: Clock, most_octets: int) -> None:
        self._clock = clock
        self._most_octets = most_octets
        self._octets = 0
        self._answers: OrderedDict[tuple[str, str], Answer[Any]] = OrderedDict()

    def get(self, name: str, rdtype: str) -> Answer[Any] | None:
        """The remembered answer, while it holds."""
        key = (name.lower(), rdtype)
        known = self._answers.get(key)
        now = self._clock.now()
        # An expiry too far away means that the clock was set back since.
        if known is None or not now < known.expires <= now + MAX_TTL:
            return None
        self._answers.move_to_end(key)
        return known

    def put(self, name: str, rdtype: str, answer: Answer[Any]) -> None:
        """Remember it in the place of an earlier one."""
        key = (name.lower(), rdtype)
        before = self._answers.pop(key, None)
        self._octets += _room_of(answer) - (0 if before is None else _room_of(before))
        self._answers[key] = answer
        while self._octets > self._most_octets:
            _, gone = self._answers.popitem(last=False)
            self._octets -= _room_of(gone)

    def clear(self) -> None:
        """Forget all of them."""
        self._answers.clear()
        self._octets = 0


def _room_of(answer: Answer[Any]) -> int:
    """About how many octets of memory an answer takes."""
    sizes = (len(record.host if isinstance(record, Mx) else record) for record in answer.records)
    return _ROOM + sum(_ROOM_OF_RECORD + size for size in sizes)
