"""Whose turn it is to be read: so many mailboxes at once, and so many of them on one host.

Kept by each worker for itself. Thousands of mailboxes at one provider are due together when a worker starts: the next
ones wait in line here and begin the moment another one is done; the others are told when to come again, at the pace at
which that host has been read, so that they are not taken out of the store and put back again and again.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic

from relay.config.settings import Mailboxes

# Who has its turn within so many seconds waits for it.
_NEAR = 5.0
# Nobody is sent away for longer: the pace is a guess.
_FAR = 60.0
# Seconds that reading a mailbox takes, as long as nothing is known of its host.
_GUESS = 0.1
# Somebody is there a little before there is room.
_EARLY = 0.8


@dataclass(slots=True, eq=False)
class _Line:
    """One host: how many are read, who waits, how many seconds one takes, until when others were sent away."""

    reading: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    seconds: float = _GUESS
    away: float = 0.0


class Turns:
    """The turns of one worker."""

    def __init__(self, settings: Callable[[], Mailboxes]) -> None:
        self._settings = settings
        self._lines: dict[str, _Line] = {}
        self._reading = 0

    @property
    def free(self) -> int:
        """How many mailboxes more may be read now."""
        return self._settings().at_once - self._reading

    def come_again(self, host: str, now: float) -> float | None:
        """When a mailbox on that host should come again; None when its turn is now or soon."""
        line = self._lines.get(host)
        if line is None or line.reading < self._settings().per_host:
            return None
        pace = line.seconds / self._settings().per_host
        if (len(line.waiting) + 1) * pace <= _NEAR:
            return None
        line.away = max(line.away, now + _NEAR / 2) + pace * _EARLY
        return min(line.away, now + random.uniform(_FAR / 2, _FAR))  # noqa: S311 -- no secret

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """A mailbox on that host is read, as soon as that host has room."""
        line = self._lines.setdefault(host, _Line())
        if line.reading < self._settings().per_host:
            self._begin(line)
        else:
            await self._wait(host, line)
        begun = monotonic()
        try:
            yield
        finally:
            line.seconds += (monotonic() - begun - line.seconds) * 0.2
            self._end(host, line)

    async def _wait(self, host: str, line: _Line) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._end(host, line)
            else:
                with suppress(ValueError):
                    line.waiting.remove(turn)
            raise

    def _begin(self, line: _Line) -> None:
        line.reading += 1
        self._reading += 1

    def _end(self, host: str, line: _Line) -> None:
        """One is done, and whoever waits begins; in one go, so that nobody comes between."""
        line.reading -= 1
        self._reading -= 1
        while line.waiting and line.reading < self._settings().per_host:
            turn = line.waiting.popleft()
            if not turn.done():
                self._begin(line)
                turn.set_result(None)
        if not line.reading:
            del self._lines[host]
