"""The look at a mail from another server, step by step."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from relay.clock import Clock
from relay.config.keyring import Active
from relay.dns import Resolver
from relay.events import Event, EventType
from relay.facts import account_numbers, dead_addresses
from relay.facts.account_numbers import AccountNumbers
from relay.facts.dead_addresses import DeadAddresses
from relay.facts.troubles import Troubles
from relay.incoming import loops
from relay.incoming.answers import Threads, find_answers, tell_answers
from relay.incoming.arrival import Arrival, Examined
from relay.incoming.bounced import note_dead, take_bounces
from relay.incoming.evidence import SECTION, find_evidence
from relay.incoming.kind import note_kind
from relay.incoming.loops import Brakes, break_loop, slow_down
from relay.incoming.warnings import PLACES, Watch, warn
from relay.mail.reply import Reply
from relay.policy.authentication import unknown
from relay.store.spool import Spool, SpoolError

# Kinds of facts that are counted here, and are of no use after their time.
FADING = (dead_addresses.KIND, loops.KIND, account_numbers.KIND, PLACES)
T = TypeVar("T")

log = structlog.get_logger("relay.incoming")


class Examiner:
    """Looks at mail from other servers, for one worker."""

    def __init__(self, active: Callable[[], Active], spool: Spool, clock: Clock, resolver: Resolver) -> None:
        self._active = active
        self._resolver = resolver
        self._spool = spool
        self._clock = clock
        self._troubles: Troubles | None = None

    async def examine(self, arrival: Arrival) -> Examined | Reply:
        """What is to be kept with the mail, or why it is refused; raises SpoolError."""
        examined = Examined()
        active = self._active()
        look = find_evidence(arrival, examined, resolver=self._resolver, snapshot=active.snapshot)
        refusal = await _careful(look, arrival, examined, otherwise=None)
        if refusal is not None:
            return refusal
        examined.findings.setdefault(SECTION, unknown("the look at it failed").to_json())
        secrets, domain = active.keyring.signing, active.snapshot.settings.domain
        brakes = Brakes(active.snapshot, self._spool.facts, self._known_troubles())
        judged = note_kind(arrival, examined, domain=domain, secrets=secrets)
        refusal = await _careful(break_loop(arrival, judged, brakes), arrival, examined, otherwise=None)
        if refusal is not None:
            return refusal
        bounces = take_bounces(arrival, examined, judged, spool=self._spool, secrets=secrets)
        tied = await _careful(bounces, arrival, examined, otherwise=[])
        dead = DeadAddresses(lambda: self._spool.facts, self._clock)
        await _careful(note_dead(tied, examined, dead), arrival, examined, otherwise=None)
        threads = Threads(self._spool, domain, secrets)
        answers = await _careful(find_answers(arrival, examined, judged, threads), arrival, examined, otherwise=[])
        refusal = await _careful(slow_down(arrival, judged, answers, brakes), arrival, examined, otherwise=None)
        if refusal is not None:
            return refusal
        watch = Watch(active.snapshot, self._spool.facts, AccountNumbers(self._spool.facts, secrets))
        warnings = await _careful(warn(arrival, examined, judged, answers, watch), arrival, examined, otherwise={})
        tell_answers(arrival, examined, judged, answers, warnings)
        return examined

    def _known_troubles(self) -> Troubles:
        """Kept, because it remembers what was just told; made late, because the store has to be open."""
        if self._troubles is None:
            self._troubles = Troubles(self._spool.facts, self._clock)
        return self._troubles


async def _careful(step: Awaitable[T], arrival: Arrival, examined: Examined, *, otherwise: T) -> T:
    """What a step finds; `otherwise` when it fails as nobody expected, which is no reason to refuse a mail."""
    try:
        return await step
    except SpoolError:
        raise
    except Exception as error:
        log.exception("a look at a mail failed unexpectedly", queue_id=arrival.queue_id)
        fault = Event(EventType.FAULT, arrival.at, arrival.queue_id, None, {"error": type(error).__name__})
        examined.events.append(fault)
        return otherwise
