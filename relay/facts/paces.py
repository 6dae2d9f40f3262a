"""How much accounts have sent lately, counted by all workers together, so that no provider's limit is met.

One fact an account. Accounts without a limit cost nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from relay.clock import Clock
from relay.events import Json
from relay.policy.company import Server
from relay.policy.pacing import Pace, Spent, give_back, take_slot
from relay.policy.providers import pace_at
from relay.store.facts import Fact, FactStore

KIND = "pace"
_TRIES = 20


@dataclass(slots=True)
class Paces:
    """Slots to send in. `_lines` are the times up to which this worker has told mail to wait, by account."""

    facts: Callable[[], FactStore]
    clock: Clock
    _lines: OrderedDict[str, float] = field(default_factory=OrderedDict)

    async def wait(self, server: Server, recipients: int) -> float:
        """0 and a slot for one message; or the seconds after which to come again. Raises SpoolError.

        Everybody who has to wait gets a time of his own, so that mail does not come back together.
        """
        pace = pace_of(server)
        if not pace.is_limited:
            return 0.0
        key = f"{server.username} {server.host}"
        now = self.clock.now()
        for _ in range(_TRIES):
            fact = await self.facts().get(KIND, key) or Fact(KIND, key, {"minute": {}, "day": {}})
            slot = take_slot(pace, _read(fact.value), recipients, now)
            if slot.wait:
                line = max(self._lines.get(key, 0.0), now + slot.wait)
                self._lines[key] = line + slot.step
                self._forget_two(now)
                return line - now
            if await self.facts().put(replace(fact, value=_write(slot.spent))) is not None:
                return 0.0
        return 1.0

    async def give_back(self, server: Server, recipients: int, at: float) -> None:
        """The slot that was had at that time was not used: the server never heard of the mail. Raises SpoolError."""
        pace = pace_of(server)
        if not pace.is_limited:
            return
        for _ in range(_TRIES):
            fact = await self.facts().get(KIND, f"{server.username} {server.host}")
            if fact is None:
                return
            spent = give_back(pace, _read(fact.value), recipients, at)
            if await self.facts().put(replace(fact, value=_write(spent))) is not None:
                return

    def _forget_two(self, now: float) -> None:
        """Forget up to two lines that are over: one was added, so there are never many more than those that count."""
        for _ in range(min(2, len(self._lines))):
            account, until = self._lines.popitem(last=False)
            if until > now:
                self._lines[account] = until


def pace_of(server: Server) -> Pace:
    """What the company's file says, or what is known of its provider."""
    return pace_at(server.host, server.username) if server.pace is None else server.pace


def _read(value: Mapping[str, Any]) -> Spent:
    minute, day = ({int(number): int(count) for number, count in value[name].items()} for name in ("minute", "day"))
    return Spent(minute, day)


def _write(spent: Spent) -> dict[str, Json]:
    return {
        "minute": {str(number): count for number, count in spent.minute.items()},
        "day": {str(number): count for number, count in spent.day.items()},
    }
