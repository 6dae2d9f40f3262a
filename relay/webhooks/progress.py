"""How far an app has got with its events, as it is remembered."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from relay.store.facts import Fact

KIND = "webhook"
_PAUSES = (1.0, 5.0, 30.0, 120.0, 300.0, 600.0)
_MOST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Progress:
    """`cursor`: the last event that was taken. `failures` in a row, the first of them `since`, and the last `error`.

    `told`: that it fails has been said. `gone`: names the endpoint that wants nothing more.
    """

    cursor: int
    failures: int = 0
    since: float = 0.0
    error: str = ""
    told: bool = False
    gone: str = ""

    @classmethod
    def of(cls, fact: Fact) -> "Progress":
        """What `put_into` has stored."""
        value: Any = dict(fact.value)
        return cls(**value)

    def put_into(self, fact: Fact, *, due: float) -> Fact:
        """The fact with this in it."""
        return replace(fact, value=asdict(self), due=due)

    @property
    def pause(self) -> float:
        """Seconds until the next try."""
        return _PAUSES[min(self.failures, len(_PAUSES)) - 1] if self.failures else 0.0

    def taken(self, cursor: int) -> "Progress":
        """After a success."""
        return Progress(cursor)

    def failed(self, error: str, now: float) -> "Progress":
        """After one more failure."""
        return replace(self, failures=self.failures + 1, since=self.since or now, error=error[:_MOST_ERROR])
