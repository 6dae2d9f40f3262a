"""The breaker of accounts on companies' own servers: who was refused is left in peace, and who is repaired goes on.

In charge of one attempt at a time with an account that has not proved good, of not trying a refused one again at once,
of trying it now and then, and of saying once what is wrong. Workers share what they know through the store; a store in
trouble costs a try, not a mail. Decides nothing about mail: what an attempt came to is `relay.policy.outcome`'s.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from weakref import WeakValueDictionary

import structlog

from relay.clock import Clock
from relay.config.keyring import Active, Keyring
from relay.delivery.attempt import AttemptResult, Batch
from relay.events import Event, EventType, Json
from relay.facts.accounts import AccountState, AccountStates, account_key
from relay.facts.paces import Paces
from relay.facts.troubles import Details, Trouble, Troubles
from relay.policy.decision import Decision
from relay.policy.outcome import Action, Outcome, Phase, Scope, is_before_mail
from relay.policy.refusals import Cause, Refusal
from relay.store.spool import SpoolError

# After an account was refused, mail for it is held without another try: repeated failures lock accounts.
_BREAKER = 60.0
_PROBE = 900.0
# An account in order is looked up again after so long: somebody else may have found it refused.
_TRUSTED = 5.0

log = structlog.get_logger("relay.delivery")


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the breaker works with; `release` lets mail go that waits for an account."""

    states: AccountStates
    active: Callable[[], Active]
    troubles: Callable[[], Troubles]
    clock: Clock
    emit: Callable[[Event], None]
    release: Callable[[str], None]
    paces: Paces


class Accounts:
    """What one worker knows about accounts, by their keys."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knows = knowledge
        self._clock = knowledge.clock
        self._proven: dict[str, float] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, account: str) -> AbstractAsyncContextManager[object]:
        """One attempt at a time until an account has proved good: many refused logins at once would lock it."""
        if account in self._proven:
            return nullcontext()
        return self._turns.setdefault(account, asyncio.Lock())

    async def refused(self, account: str, batch: Batch) -> AttemptResult | None:
        """The refusal of a moment ago, when this very account was refused then, by whichever worker."""
        now = self._clock.now()
        if now < self._proven.get(account, 0.0):
            return None
        try:
            state = await self._knows.states.of(batch.company)
        except SpoolError as error:
            log.warning("the state of an account cannot be read", company=batch.company, error=str(error))
            return None
        if state is None or state.account != account:
            if account in self._proven:
                self._proven[account] = now + _TRUSTED
            return None
        self._proven.pop(account, None)
        if now >= state.until:
            return None
        return AttemptResult([_outcome_of(state)] * len(batch.deliveries))

    async def note(self, account: str, batch: Batch, result: AttemptResult) -> None:
        """Remember whether an attempt found the account in order; mail that waits for it goes on when it did."""
        try:
            for outcome in result.outcomes:
                if outcome.action is Action.DELIVERED:
                    await self._prove(account, batch)
                elif outcome.scope is Scope.ACCOUNT and (outcome.action is Action.HOLD or _pause_of(outcome)):
                    await self._refuse(account, batch, outcome)
        except SpoolError as error:
            log.warning("the state of an account cannot be kept", company=batch.company, error=str(error))

    async def wait(self, batch: Batch) -> float:
        """How many seconds the batch has to wait for its account's pace; 0 when it may go now."""
        server = batch.decision.server
        if server is None:
            return 0.0
        try:
            return await self._knows.paces.wait(server, len(batch.deliveries))
        except SpoolError as error:
            log.warning("the pace of an account is not known", company=batch.company, error=str(error))
            return 0.0

    async def give_back(self, batch: Batch, result: AttemptResult, at: float) -> None:
        """Take back what counts against the pace since then when the server never heard of the mail."""
        server = batch.decision.server
        if server is None or not all(map(is_before_mail, result.outcomes)):
            return
        try:
            await self._knows.paces.give_back(server, len(batch.deliveries), at)
        except SpoolError as error:
            log.warning("the pace of an account cannot be kept", company=batch.company, error=str(error))

    async def how_many(self, account: str, slug: str) -> int | None:
        """How many held mails may go although nothing of ours has changed; None for all.

        One now and then while the account is refused: a try locks nothing, and the others follow if it succeeds.
        """
        state = await self._knows.states.of(slug)
        if state is None or state.account != account:
            return None
        return int(await self._knows.states.claim_probe(slug, now=self._clock.now(), every=_PROBE))

    async def _prove(self, account: str, batch: Batch) -> None:
        if account in self._proven:
            return
        before = await self._knows.states.prove(batch.company)
        if before is not None:
            self._say(EventType.ACCOUNT_BACK, batch, {})
            self._knows.release(before.account)
        await self._knows.troubles().over(batch.company, Trouble.CONSENT_NEEDED, Trouble.ACCOUNT_REFUSED)
        self._proven[account] = self._clock.now() + _TRUSTED

    def _is_of_now(self, account: str, batch: Batch) -> bool:
        """Whether the account is still the company's: a login may take long, and its settings may change meanwhile."""
        active = self._knows.active()
        company = active.snapshot.company(batch.company)
        if company is None or company.server is None:
            return False
        return account_key(company.server, str(company.own_author), active.keyring) == account

    async def _refuse(self, account: str, batch: Batch, outcome: Outcome) -> None:
        self._proven.pop(account, None)
        if not self._is_of_now(account, batch):
            # Other mail may have been let in meanwhile, and would never say so again.
            return
        now = self._clock.now()
        refusal = outcome.refusal or Refusal(Cause.CREDENTIALS, outcome.text, "Ask whoever looks after the server.")
        held = outcome.action is Action.HOLD
        state = AccountState(
            account,
            until=now + (_BREAKER if held else _pause_of(outcome)),
            probe=now,
            action=outcome.action.value,
            status=outcome.status,
            text=outcome.text,
            phase=outcome.phase.value,
            cause=refusal.cause.value,
            plain=refusal.plain,
            advice=refusal.advice,
        )
        news = await self._knows.states.refuse(batch.company, state)
        if not held:
            return
        if news:
            self._say(EventType.ACCOUNT_REFUSED, batch, {"cause": refusal.plain, "advice": refusal.advice})
        trouble = Trouble.CONSENT_NEEDED if refusal.cause is Cause.CONSENT else Trouble.ACCOUNT_REFUSED
        details = Details(_name_of(batch), refusal.plain, refusal.advice)
        await self._knows.troubles().tell(batch.company, trouble, details)

    def _say(self, kind: EventType, batch: Batch, more: dict[str, Json]) -> None:
        data: dict[str, Json] = {"company": batch.company, "account": _name_of(batch), **more}
        self._knows.emit(Event(kind, self._clock.now(), data=data))


def _name_of(batch: Batch) -> str:
    server = batch.decision.server
    return "" if server is None else f"{server.username} at {server.host}"


def _pause_of(outcome: Outcome) -> float:
    return 0.0 if outcome.refusal is None else outcome.refusal.pause


def _outcome_of(state: AccountState) -> Outcome:
    refusal = Refusal(Cause(state.cause), state.plain, state.advice)
    phase = Phase(state.phase)
    return Outcome(Action(state.action), Scope.ACCOUNT, state.status, state.text, phase, refusal=refusal)


def key_of(decision: Decision, keyring: Keyring) -> str:
    """Names an author and a server's settings with its password: what mail waits for when the server refuses us."""
    server = decision.server
    return "" if server is None else account_key(server, str(decision.author or ""), keyring)


def smarthost_key(active: Active) -> str:
    """What mail waits for that the smarthost did not take in time; "" without one."""
    smarthost = active.snapshot.settings.delivery.smarthost
    return "" if smarthost is None else f"smarthost:{smarthost.tls}:{smarthost.host}:{smarthost.port}"
