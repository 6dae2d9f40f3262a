"""What apps are told about their mail, the same by webhook and by HTTP.

In charge of choosing what goes out of an event and of its form; `app_events.schema.json` describes it for others, and
a test holds the two equal. What is not listed here is not told: never content, never a secret.
"""

from collections.abc import Mapping, Sequence

from relay.clock import timestamp
from relay.events import Json
from relay.policy.bounce_words import explain_bounce
from relay.store.spool import StoredEvent

# Of an event's data; whatever else is in there is for the relay's own people.
_STORED = (
    *("recipient", "recipients", "reverse_path", "size"),
    *("identity", "wanted", "fallback", "reasons", "reason", "author"),
    *("host", "tls", "trust", "reply", "text", "status", "phase", "unknown"),
    *("attempt", "next_attempt", "seconds"),
    *("class", "permanent", "action", "feedback"),
    *("writer", "kind", "tie", "warnings", "evidence"),
)
# What the class of a failure means, for people: made when it is told, so that better words serve old events too.
_WORDED = ("explanation", "advice")
DATA = (*_STORED, *_WORDED)
_TIMES = frozenset(("next_attempt",))


def told(stored: StoredEvent) -> dict[str, Json]:
    """One event as an app reads it."""
    event = stored.event
    return {
        "id": stored.id,
        "type": event.type.value,
        "at": timestamp(event.at),
        "queue_id": event.queue_id,
        "message_id": stored.message_id,
        "number": event.number,
        "company": stored.company,
        "data": _data(event.data),
    }


def told_together(events: Sequence[StoredEvent]) -> dict[str, Json]:
    """Several events in their order, as they are sent."""
    return {"events": [told(event) for event in events]}


def _data(data: Mapping[str, Json]) -> dict[str, Json]:
    chosen = {key: data[key] for key in _STORED if key in data}
    for key in _TIMES & chosen.keys():
        at = chosen[key]
        chosen[key] = timestamp(at) if isinstance(at, int | float) else None
    if "class" in data:
        words = explain_bounce(str(data["class"]))
        chosen["explanation"] = {language.value: said.explanation for language, said in words.items()}
        chosen["advice"] = {language.value: said.advice for language, said in words.items()}
    return chosen
