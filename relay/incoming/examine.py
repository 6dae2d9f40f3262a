"""The look at a mail from another server, step by step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from relay.authn.claimed import Claimed
from relay.clock import Clock
from relay.config.keyring import Active
from relay.dns import Resolver
from relay.events import Event, EventType, Json
from relay.facts import account_numbers, dead_addresses
from relay.facts.account_numbers import AccountNumbers
from relay.facts.dead_addresses import DeadAddresses
from relay.facts.troubles import Troubles
from relay.incoming import loops
from relay.incoming.answers import Answer, Threads, find_answers, tell_answers
from relay.incoming.arrival import Arrival, Examined
from relay.incoming.bounced import Tied, note_dead, take_bounces
from relay.incoming.evidence import SECTION, Sources, find_evidence
from relay.incoming.kind import note_kind
from relay.incoming.loops import Brakes, break_loop, slow_down
from relay.incoming.warnings import PLACES, Watch, warn
from relay.mail.reply import Reply
from relay.policy.authentication import unknown
from relay.policy.kind import Judgement, Kind
from relay.store.spool import Spool, SpoolError

# Kinds of facts that are counted here, and are of no use after their time.
FADING = (dead_addresses.KIND, loops.KIND, account_numbers.KIND, PLACES)
# When the look at what a mail is failed: nobody is taken for a robot by our mistake.
_ANYTHING = Judgement(Kind.PERSON, "the look at it failed", sure=False)

log = structlog.get_logger("relay.incoming")


class Examiner:
    """Looks at mail from other servers, for one worker."""

    def __init__(self, active: Callable[[], Active], spool: Spool, clock: Clock, resolver: Resolver) -> None:
        self._active = active
        self._sources = Sources(resolver)
        self._spool = spool
        self._clock = clock
        self._troubles: Troubles | None = None

    async def examine(self, arrival: Arrival, claimed: Claimed) -> Examined | Reply:
        """What is to be kept with the mail, or why it is refused; raises SpoolError.

        `claimed` is what its header claims.

        A step that fails as nobody expected costs its own findings alone.
        """
        examined = Examined()
        refusal: Reply | None = None
        active = self._active()
        secrets, domain = active.keyring.signing, active.snapshot.settings.domain
        brakes = Brakes(active.snapshot, self._spool.facts, self._known_troubles())
        with _step("evidence", arrival, examined):
            refusal = await find_evidence(arrival, examined, claimed, sources=self._sources, snapshot=active.snapshot)
        if refusal is not None:
            return refusal
        examined.findings.setdefault(SECTION, unknown("the look at it failed").to_json())
        judged = _ANYTHING
        with _step("kind", arrival, examined):
            judged = note_kind(arrival, examined, domain=domain, secrets=secrets)
        with _step("loop", arrival, examined):
            rest = await break_loop(arrival, examined, brakes, secrets)
            if isinstance(rest, Reply):
                return rest
            arrival = rest
        tied: list[Tied] = []
        with _step("bounce", arrival, examined):
            tied = await take_bounces(arrival, examined, judged, spool=self._spool, secrets=secrets)
        with _step("dead-addresses", arrival, examined):
            await note_dead(tied, examined.events, DeadAddresses(lambda: self._spool.facts, self._clock))
        answers: list[Answer] = []
        with _step("answers", arrival, examined):
            answers = await find_answers(arrival, examined, judged, Threads(self._spool, domain, secrets))
        with _step("brake", arrival, examined):
            refusal = await slow_down(arrival, judged, answers, brakes)
        if refusal is not None:
            return refusal
        warnings: dict[str, list[str]] = {}
        with _step("warnings", arrival, examined):
            watch = Watch(active.snapshot, self._spool.facts, AccountNumbers(self._spool.facts, secrets))
            warnings = await warn(arrival, examined, judged, answers, watch)
        with _step("replied", arrival, examined):
            tell_answers(arrival, examined, judged, answers, warnings)
        return examined

    def _known_troubles(self) -> Troubles:
        """Kept, because it remembers what was just told; made late, because the store has to be open."""
        if self._troubles is None:
            self._troubles = Troubles(self._spool.facts, self._clock)
        return self._troubles


@contextmanager
def _step(name: str, arrival: Arrival, examined: Examined) -> Iterator[None]:
    """Forgive what nobody expected: our own fault is no reason to refuse a mail, nor to believe half of a look."""
    findings, events = dict(examined.findings), list(examined.events)
    try:
        yield
    except SpoolError:
        raise
    except Exception as error:
        log.exception("a look at a mail failed unexpectedly", queue_id=arrival.queue_id, step=name)
        data: dict[str, Json] = {"error": type(error).__name__, "step": name}
        fault = Event(EventType.FAULT, arrival.at, arrival.queue_id, None, data)
        examined.findings, examined.events = findings, [*events, fault]
