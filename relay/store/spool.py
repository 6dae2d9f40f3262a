"""The spool: every accepted message, one row a recipient, and who is working on what.

This is the protocol that all stores keep; `tests/store` holds one contract suite for them. Nothing here knows
SMTP, DNS or policy. A message is stored as it was given and never changed; only its deliveries change.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from relay.events import Event, Json
from relay.mail.envelope import Envelope, Recipient
from relay.store.facts import FactStore


class SpoolError(Exception):
    """The store could not do what it was asked; nothing was changed."""


class SpoolFull(SpoolError):  # noqa: N818 -- a state of the world, read as a sentence where it is caught
    """No room on the disk."""


class Origin(StrEnum):
    """How a message came in."""

    SUBMISSION = "submission"
    MX = "mx"
    REPORT = "report"
    NOTICE = "notice"
    DOCUMENT = "document"


class State(StrEnum):
    """Where a delivery stands. `queued` and `held` are live, all others are final."""

    QUEUED = "queued"
    HELD = "held"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Content:
    """Where a message's octets are, and what was learnt while they streamed in.

    `header_size` counts the octets up to and including the empty line; `body_hash` is the DKIM relaxed body hash
    in base64. `extents` are (offset, length) pairs within one segment.
    """

    segment: str
    extents: tuple[tuple[int, int], ...]
    size: int
    header_size: int
    body_hash: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was given. `app` and `peer` say who gave it; empty when that has no answer.

    `findings` is what was found out about mail from outside when it came in, in sections (see relay.incoming).
    """

    queue_id: str
    origin: Origin
    received_at: float
    app: str
    peer: str
    message_id: str
    envelope: Envelope
    content: Content
    findings: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One recipient's row: `company` is the tenant on whose behalf it goes, "" for the relay itself.

    `next_attempt` is in seconds since the epoch. `hold_key` tells what has to change before a held delivery goes
    on by itself; empty when only a person can release it.
    """

    number: int
    recipient: Recipient
    company: str
    state: State
    attempts: int = 0
    next_attempt: float = 0.0
    delay_noticed: bool = False
    last: str = ""
    hold_key: str = ""
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message with those of its deliveries that the question was about; its envelope names only their recipients."""

    message: Message
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A new message on its way into the spool; `leased` makes it born leased to the committing worker."""

    message: Message
    companies: tuple[str, ...]
    leased: bool
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What an attempt made of one delivery; the lease ends with it."""

    queue_id: str
    number: int
    state: State
    attempts: int
    next_attempt: float
    last: str
    delay_noticed: bool = False
    hold_key: str = ""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A live worker as the store knows it; `detail` is what it last said of itself."""

    worker: str
    pid: int
    started_at: float
    lease_until: float
    detail: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which deliveries a person means: all given conditions hold at once."""

    queue_ids: tuple[str, ...] = ()
    states: tuple[State, ...] = (State.QUEUED, State.HELD)
    company: str = ""
    recipient: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of a timeline with its id: ids grow in the order in which events become visible, none is given twice.

    `company` is that of the delivery, or of the message's first one; `message_id` as in `Message`.
    """

    id: int
    event: Event
    message_id: str
    company: str


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events in the order of their ids. `last` is where to read on, `more` whether there is something now."""

    events: tuple[StoredEvent, ...]
    last: int
    more: bool


class ContentWriter(Protocol):
    """Takes one message's octets into the spool, long before it is known whether they will be committed."""

    def write(self, block: bytes) -> None:
        """Append `block`; raises SpoolFull. Memory use does not grow with the message."""
        ...

    def finish(self, *, header_size: int, body_hash: str) -> Content:
        """End the message and say where it is; raises SpoolFull. Durable only once committed, and only here."""
        ...

    def read(self, start: int, length: int) -> bytes:
        """Octets of the finished message, at most `length` from `start`; raises SpoolError. Not to be asked sooner."""
        ...

    def abort(self) -> None:
        """Give the message up; harmless from the moment it is being committed. One of the two must follow."""
        ...


class Spool(Protocol):
    """One worker's hold on the store. Times are seconds since the epoch."""

    async def start(self) -> None:
        """Join as a live worker; the leases of dead ones become free."""
        ...

    async def stop(self) -> None:
        """Write what is pending, give up all leases and leave."""
        ...

    @property
    def facts(self) -> FactStore:
        """What the store knows beside mail."""
        ...

    def writer(self) -> ContentWriter:
        """A place for the octets of one message."""
        ...

    def read(self, content: Content, start: int, length: int) -> bytes:
        """`length` octets of the message from octet `start`, fewer at its end; raises SpoolError when they are gone."""
        ...

    async def commit(self, acceptance: Acceptance) -> None:
        """Put a message on stable storage; raises SpoolFull or SpoolError, and then nothing of it remains.

        When cancelled, the message may be there or not; if it is, it is leased to nobody.
        """
        ...

    async def lease(self, *, now: float, limit: int, busy: Collection[str] = ()) -> Sequence[Entry]:
        """Claim up to `limit` due deliveries for this worker, oldest first, leaving out companies in `busy`."""
        ...

    async def record(
        self, changes: Sequence[Change], events: Sequence[Event] = (), reports: Sequence[Acceptance] = ()
    ) -> None:
        """Write the outcome of attempts, their events and the reports they caused, all or nothing.

        Changes to deliveries that this worker has lost in the meantime are left out, and with all of them the
        reports: whoever has the deliveries now will see for itself. The events stay, for the attempt was made.
        After an error the contents of the reports are gone too.
        """
        ...

    async def give_back(self, deliveries: Sequence[tuple[str, int]], *, next_attempt: float) -> None:
        """End leases without an attempt having been made."""
        ...

    async def heartbeat(self, *, now: float, detail: Mapping[str, Json]) -> int:
        """Prolong this worker's leases, free those of dead workers; answers how many became free.

        A worker that has itself been silent for long only prolongs: whatever held it up may have held up all.
        """
        ...

    async def sweep(self, *, now: float, keep_history: float) -> int:
        """Reclaim the room of finished messages, forget those older than `keep_history` seconds; octets freed.

        Contents may move meanwhile, but for those of messages that somebody has leased: whoever reads a content later
        asks for the message again.
        """
        ...

    async def expire_held(self, origin: Origin, *, before: float, now: float, reason: str) -> Sequence[Event]:
        """Give up what came in that way before that time and is held; the events that were written, one a delivery."""
        ...

    async def held(self) -> Sequence[tuple[str, str]]:
        """The distinct (hold key, company) pairs of deliveries that wait for something to change."""
        ...

    async def release(self, hold_key: str, *, now: float, most: int | None = None) -> int:
        """Queue again what waits for `hold_key`, due now; how many that were. None, for an empty key.

        At most `most`, those first that came in first.
        Attempts are counted anew, here and when a person releases.
        """
        ...

    async def company_of(self, queue_id: str, number: int) -> str | None:
        """The company for which that delivery was made, None when it is not known (any more)."""
        ...

    async def note(self, events: Sequence[Event]) -> None:
        """Add to timelines something that changed no delivery; left out where the message is not known."""
        ...

    async def find(self, key: str) -> Sequence[Entry]:
        """Messages by queue id, Message-ID or recipient address, newest first, at most 20."""
        ...

    async def timeline(self, queue_id: str) -> Sequence[Event]:
        """All that happened to a message, in order."""
        ...

    async def app_events(self, app: str, *, after: int | None, limit: int) -> EventPage:
        """Events of messages that `app` submitted: those beyond the id `after`, at most `limit`, in order.

        None, or an id beyond all there are, stands for the end. A page may be empty although there is more.
        """
        ...

    async def select(self, selection: Selection) -> Sequence[Entry]:
        """Look at the queue."""
        ...

    async def order(self, order: "Order", selection: Selection, *, now: float, reason: str) -> int:
        """Carry out a person's wish on all deliveries selected, as far as their state allows; how many changed."""
        ...

    async def counts(self) -> Mapping[State, int]:
        """How many deliveries are in each live state."""
        ...

    async def workers(self, *, now: float) -> Sequence[WorkerStatus]:
        """The live workers."""
        ...


class Order(StrEnum):
    """What a person can ask of the queue."""

    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"
    DROP = "drop"
