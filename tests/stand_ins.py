"""What tests put in the place of time and of the journal."""

from relay.events import Event, EventType

NOW = 1_800_000_000.0


class StandingClock:
    """A clock that only goes on when told."""

    def __init__(self, at: float = NOW) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


class Sink:
    """Remembers events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: EventType) -> list[Event]:
        return [event for event in self.events if event.type is kind]
