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
from relay.store.update import update

KIND = "pace"


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

        def taken(fact: Fact) -> Fact:
            slot = take_slot(pace, _read(fact.value), recipients, now)
            return fact if slot.wait else replace(fact, value=_write(slot.spent))

        change = await update(self.facts(), KIND, key, taken)
        if change.after is not change.before:
            return 0.0
        slot = take_slot(pace, _read(change.before.value), recipients, now)
        line = max(self._lines.get(key, 0.0), now + slot.wait)
        self._lines[key] = line + slot.step
        self._forget_two(now)
        return line - now

    async def give_back(self, server: Server, recipients: int, at: float) -> None:
        """The slot that was had at that time was not used: the server never heard of the mail. Raises SpoolError."""
        pace = pace_of(server)
        if not pace.is_limited:
            return

        def given_back(fact: Fact) -> Fact:
            if not fact.version:
                return fact
            return replace(fact, value=_write(give_back(pace, _read(fact.value), recipients, at)))

        await update(self.facts(), KIND, f"{server.username} {server.host}", given_back)

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
    kept = (value.get(name, {}) for name in ("minute", "day"))
    minute, day = ({int(number): int(count) for number, count in each.items()} for each in kept)
    return Spent(minute, day)


def _write(spent: Spent) -> dict[str, Json]:
    return {
        "minute": {str(number): count for number, count in spent.minute.items()},
        "day": {str(number): count for number, count in spent.day.items()},
    }
