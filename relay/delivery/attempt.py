"""One attempt, in named steps: derive the mail, find the targets, open a session, transact, classify.

Keeps the session between attempts of one lane. Writes nothing: what an attempt comes to is an `AttemptResult`.
"""

import re
from dataclasses import dataclass, field, replace

import structlog

from relay.clock import Clock
from relay.config.keyring import Active
from relay.delivery.dialogue import Answers, transact
from relay.delivery.laying import Laying
from relay.delivery.outgoing import Context, Outgoing, make_outgoing
from relay.delivery.route import Route, Target, find_targets
from relay.delivery.session import Failed, Opening, OpenSession, open_session
from relay.delivery.trouble import AttemptError
from relay.delivery.trust import Trust
from relay.delivery.unreachable import Unreachable
from relay.dns import Resolver
from relay.facts.sts import Sts
from relay.facts.tokens import Tokens
from relay.mail.author import AuthorError
from relay.mail.reply import Reply
from relay.policy.decision import Decision
from relay.policy.outcome import Action, Fault, Outcome, Phase, Scope, Trouble, classify
from relay.policy.trust import Basis, Demand, TlsFailure
from relay.store.spool import Delivery, Message, Spool

# A session is not kept for ever: hosts rebalance, certificates and addresses change.
_MOST_TRANSACTIONS = 1000

log = structlog.get_logger("relay.delivery")


@dataclass(frozen=True, slots=True)
class Batch:
    """Deliveries of one message that share a decision, an envelope and a route: one transaction.

    `active` is the configuration that the decision was made with, and that it is carried out with.
    """

    message: Message
    deliveries: tuple[Delivery, ...]
    decision: Decision
    route: Route
    active: Active

    @property
    def lane(self) -> str:
        """See lanes.Job.lane."""
        return self.route.key

    @property
    def company(self) -> str:
        """See lanes.Job.company."""
        return self.deliveries[0].company


@dataclass(slots=True)
class AttemptResult:
    """What an attempt came to: an outcome for each delivery, in order, and where that happened."""

    outcomes: list[Outcome]
    target: Target | None = None
    tls: str | None = None
    trust: Basis = Basis.NONE
    dsn_passed_on: bool = False
    reverse_path: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """What attempts of one worker share."""

    spool: Spool
    resolver: Resolver
    clock: Clock
    unreachable: Unreachable
    tokens: Tokens
    trust: Trust
    laying: Laying


@dataclass(slots=True)
class Attempts:
    """Makes the attempts of one carrier, one after the other, over one session as long as that holds."""

    world: World
    _session: OpenSession | None = field(default=None)

    async def attempt(self, batch: Batch) -> AttemptResult:
        """Try to deliver `batch`; never raises: what nobody expected is an outcome too."""
        try:
            return await self._attempt(batch)
        except Exception as error:
            self.close()
            log.exception("attempt failed unexpectedly", queue_id=batch.message.queue_id)
            return _everyone(batch, Trouble(Fault.UNEXPECTED, f"internal fault: {type(error).__name__}"), Phase.CHECK)

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    async def _attempt(self, batch: Batch) -> AttemptResult:
        active = batch.active
        settings = active.snapshot.settings
        context = Context(settings.domain, settings.hostname, active.keyring, self.world.clock.now())
        try:
            outgoing = make_outgoing(
                batch.message, batch.deliveries, batch.decision, spool=self.world.spool, context=context
            )
        except AuthorError as error:
            return _everyone(batch, Reply(550, "5.6.0", f"The From field cannot be read: {error}"), Phase.DATA)
        if batch.route.mailbox is not None:
            said = await self.world.laying.lay(batch.route.mailbox, batch.deliveries[0], outgoing, active.keyring)
            # Where nobody knows how a try ended, the next one looks: nothing is unknown for long.
            return _everyone(batch, said, Phase.FINAL if isinstance(said, Reply) else Phase.LOGIN)
        result = await self._over_kept_session(batch, outgoing) or await self._over_new_sessions(batch, outgoing)
        result.reverse_path = str(outgoing.reverse_path or "")
        return result

    async def _over_kept_session(self, batch: Batch, outgoing: Outgoing) -> AttemptResult | None:
        """Try the session at hand; None when it turns out to be over, which says nothing about the mail."""
        session = self._session
        if session is None:
            return None
        # The route may be another one with the same key: TLS or a login that was configured since.
        if not session.is_alive or session.transactions >= _MOST_TRANSACTIONS or session.route != batch.route:
            self.close()
            return None
        result = await self._transact(session, batch, outgoing)
        ended = all(
            outcome.phase is Phase.MAIL
            and outcome.scope is Scope.TARGET
            and (outcome.reply is None or _says_421(outcome))
            for outcome in result.outcomes
        )
        if ended:
            self.close()
            return None
        return result

    async def _over_new_sessions(self, batch: Batch, outgoing: Outgoing) -> AttemptResult:
        """Try target after target until one has said something about the mail itself."""
        result: AttemptResult | None = None
        settings = batch.active.snapshot.settings
        secret = batch.active.keyring.secret
        opening = Opening(settings.hostname, settings.delivery.timeouts, secret, self.world.tokens)
        trust = self.world.trust
        try:
            said = await trust.of_route(batch.route)
            async for target in find_targets(batch.route, self.world.resolver):
                self.close()
                before = result
                try:
                    self._session = await self._prove_and_open(target, batch.route, opening, said)
                except AttemptError as error:
                    result = _everyone(batch, error.trouble, error.phase)
                    result.target = target
                else:
                    result = await self._transact(self._session, batch, outgoing)
                if not _is_worth_another_target(result):
                    break
                if before is not None and not _is_final(before) and _is_final(result):
                    # What one host can never do, another one may that was only away.
                    result = before
        except AttemptError as error:
            result = result or _everyone(batch, error.trouble, error.phase)
        return result or _everyone(batch, Trouble(Fault.NO_HOST, "no host to try"), Phase.RESOLVE)

    async def _prove_and_open(self, target: Target, route: Route, opening: Opening, said: Sts) -> OpenSession:
        """Open a session with what the target has to prove, and count how that went."""
        trust = self.world.trust
        demand: Demand | None = None
        failures: list[TlsFailure] = []
        try:
            demand = await trust.demand(route, target, said)
            session = await self._open(target, route, opening, demand, lambda error: failures.append(_failure(error)))
        except AttemptError as error:
            if error.phase is Phase.TLS:
                trust.note(route, target, said, demand, _failure(error))
            raise
        failure = demand.failure or said.failure or next(iter(failures), None)
        if failure is None and session.tls is None:
            failure = TlsFailure.NO_STARTTLS
        trust.note(route, target, said, demand, failure)
        return session

    async def _open(
        self, target: Target, route: Route, opening: Opening, demand: Demand, failed: Failed
    ) -> OpenSession:
        unreachable = self.world.unreachable
        trouble = unreachable.begin(target)
        if trouble is not None:
            raise AttemptError(trouble, Phase.CONNECT)
        try:
            session = await open_session(target, route, opening, demand, failed)
        except AttemptError as error:
            if error.phase in (Phase.CONNECT, Phase.GREETING) and isinstance(error.trouble, Trouble):
                unreachable.silent(target)
            else:
                unreachable.answered(target)
            raise
        except BaseException:
            unreachable.silent(target)
            raise
        unreachable.answered(target)
        return session

    async def _transact(self, session: OpenSession, batch: Batch, outgoing: Outgoing) -> AttemptResult:
        timeouts = batch.active.snapshot.settings.delivery.timeouts
        session.transactions += 1
        answers = await transact(session.stream, outgoing, session.extensions, timeouts)
        if not session.is_alive:
            self.close()
        return AttemptResult(
            _outcomes(batch, answers), session.target, session.tls, session.trust, "dsn" in session.extensions
        )


def _failure(error: AttemptError) -> TlsFailure:
    return error.failure or TlsFailure.OTHER


def _outcomes(batch: Batch, answers: Answers) -> list[Outcome]:
    return [_classify(batch, *answers.of[index]) for index in range(len(batch.deliveries))]


def _everyone(batch: Batch, trouble: Trouble | Reply, phase: Phase) -> AttemptResult:
    return AttemptResult([_classify(batch, trouble, phase)] * len(batch.deliveries))


def _classify(batch: Batch, trouble: Trouble | Reply, phase: Phase) -> Outcome:
    route = batch.route
    recipient = batch.decision.recipient
    if batch.decision.secret and recipient is not None:
        # Hosts like to repeat whom they refuse.
        secret = re.compile(re.escape(recipient.local), re.IGNORECASE)
        trouble = replace(trouble, text=secret.sub("***", trouble.text))
    return classify(trouble, phase, account=route.server is not None, smarthost=route.is_smarthost)


def _is_worth_another_target(result: AttemptResult) -> bool:
    return all(outcome.scope is Scope.TARGET and not outcome.unknown for outcome in result.outcomes)


def _is_final(result: AttemptResult) -> bool:
    return all(outcome.action is Action.FAIL for outcome in result.outcomes)


def _says_421(outcome: Outcome) -> bool:
    return outcome.reply is not None and outcome.reply.code == 421
