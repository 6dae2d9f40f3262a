"""The closed list of things that happen here.

Log, metrics and the stored timeline of a mail speak with these names, so a line in the log, a counter and a row of
`relay trace` can be laid side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


class EventType(StrEnum):
    """Every type of event there is. The value is the name everywhere outside the code."""

    STARTED = "started"
    STOPPED = "stopped"
    RELOADED = "reloaded"
    RELOAD_FAILED = "reload-failed"
    TAKEN_OVER = "taken-over"
    LOGIN = "login"
    LOGIN_FAILED = "login-failed"
    LOGIN_LOCKED = "login-locked"
    REFUSED = "refused"
    RECEIVED = "received"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    EXPIRED = "expired"
    DELAYED = "delayed"
    REPORTED = "reported"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    NOTIFIED = "notified"
    REPLIED = "replied"
    SUSPICIOUS = "suspicious"
    HELD = "held"
    RELEASED = "released"
    RETRIED = "retried"
    DROPPED = "dropped"
    DOMAIN_PASSES = "domain-passes"
    DOMAIN_AT_RISK = "domain-at-risk"
    DOMAIN_LOST = "domain-lost"
    DMARC_FAILED = "dmarc-failed"
    ACCOUNT_REFUSED = "account-refused"
    ACCOUNT_BACK = "account-back"
    WEBHOOK_FAILING = "webhook-failing"
    WEBHOOK_BACK = "webhook-back"
    WEBHOOK_GONE = "webhook-gone"
    ADDRESS_CONFIRMED = "address-confirmed"
    ADDRESS_REFUSED = "address-refused"
    ADDRESS_BACK = "address-back"
    UPLOADED = "uploaded"
    SKIPPED = "skipped"
    PARKED = "parked"
    MAILBOX_FAILED = "mailbox-failed"
    MAILBOX_BACK = "mailbox-back"
    FAULT = "fault"
    WORKER_DIED = "worker-died"
    WORKER_SILENT = "worker-silent"


# What happens to mail, and is told to the app that submitted it.
MAIL_EVENTS = (
    *(EventType.RECEIVED, EventType.DELIVERED, EventType.DEFERRED, EventType.FAILED, EventType.EXPIRED),
    *(EventType.DELAYED, EventType.REPORTED, EventType.BOUNCED, EventType.COMPLAINED, EventType.NOTIFIED),
    EventType.REPLIED,
    *(EventType.HELD, EventType.RELEASED, EventType.RETRIED, EventType.DROPPED),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    `at` is in seconds since the epoch; `number` is the delivery's place among the recipients of `queue_id`,
    None when the event concerns the whole message or no message at all. `data` never holds secrets or content.
    """

    type: EventType
    at: float
    queue_id: str = ""
    number: int | None = None
    data: Mapping[str, Json] = field(default_factory=dict)


class EventSink(Protocol):
    """Whoever wants to hear of events: the log and the metrics."""

    def emit(self, event: Event) -> None:
        """Take note of `event`; must be quick and must not raise."""
        ...
