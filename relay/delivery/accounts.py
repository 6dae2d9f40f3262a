"""The breaker of accounts on companies' own servers: who was refused is left in peace, and who is repaired goes on.

In charge of one attempt at a time with an account that has not proved good, of not trying a refused one again at once,
and of trying it now and then. Decides nothing about mail: what an attempt came to is `relay.policy.outcome`'s.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from weakref import WeakValueDictionary

from relay.clock import Clock
from relay.delivery.attempt import AttemptResult, Batch
from relay.policy.outcome import Action, Outcome, Scope

# After an account was refused, mail for it is held without another try: repeated failures lock accounts.
_BREAKER = 60.0
_PROBE = 900.0


class Accounts:
    """What one worker knows about accounts, by their keys; `release` lets mail go that waits for one."""

    def __init__(self, clock: Clock, release: Callable[[str], None]) -> None:
        self._clock = clock
        self._release = release
        self._refused: dict[str, tuple[float, Outcome]] = {}
        self._probes: dict[str, float] = {}
        self._proven: set[str] = set()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, account: str) -> AbstractAsyncContextManager[object]:
        """One attempt at a time until an account has proved good: many refused logins at once would lock it."""
        if account in self._proven:
            return nullcontext()
        return self._turns.setdefault(account, asyncio.Lock())

    def refused(self, account: str, batch: Batch) -> AttemptResult | None:
        """The refusal of a moment ago, when this very account was refused then."""
        until, outcome = self._refused.get(account, (0.0, None))
        if outcome is None or self._clock.now() >= until:
            return None
        return AttemptResult([outcome] * len(batch.deliveries))

    def note(self, account: str, result: AttemptResult) -> None:
        """Remember whether an attempt found the account in order; mail that waits for it goes on when it did."""
        for outcome in result.outcomes:
            if outcome.action is Action.HOLD and outcome.scope is Scope.ACCOUNT:
                self._proven.discard(account)
                self._refused[account] = (self._clock.now() + _BREAKER, outcome)
            elif outcome.action is Action.DELIVERED:
                self._proven.add(account)
                if self._refused.pop(account, None) is not None:
                    self._release(account)

    def is_probe_due(self, account: str) -> bool:
        """Whether to see if the other side has repaired a refused account: a try now and then locks nothing."""
        now = self._clock.now()
        last = self._probes.setdefault(account, now)
        if now - last < _PROBE:
            return False
        self._probes[account] = now
        return True
