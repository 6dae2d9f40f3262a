"""A mail that is complete but not yet taken, and what is kept of a look at it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from relay.events import Event, Json
from relay.mail.body_forms import BodyForm, BodySeen
from relay.mail.envelope import Envelope
from relay.mail.message import Header
from relay.store.spool import Content


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail between its last octet and the answer.

    `helo` is what the peer called itself; `header` is as it was received. `companies` names for each recipient of the
    envelope whose mail it is, "" for the relay's own; a step that learns more fills it in. `content` begins with our
    Received field and is read with `read(start, length)`, which raises SpoolError; it is on no stable storage yet.
    `bodies` are the hashes of the body that its signatures ask for.
    """

    queue_id: str
    at: float
    peer: IPv4Address | IPv6Address
    helo: str
    envelope: Envelope
    companies: list[str]
    header: Header
    content: Content
    read: Callable[[int, int], bytes]
    bodies: Mapping[BodyForm, BodySeen] = field(default_factory=dict)


@dataclass(slots=True)
class Examined:
    """What goes into the store along with the mail.

    `findings` has a section for each step that found something, and comes back with the mail whenever it is delivered.
    `events` are recorded together with it: all or none. `taken` is the mail without the recipients that get no copy of
    it, None when all of them get one.
    """

    findings: dict[str, Json] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    taken: Arrival | None = None
