"""A worker's claim on a mailbox, and how far that mailbox has been read: one fact in the store.

A claim runs out by itself. Who loses one finds out at the next writing, which then writes nothing.
"""

import asyncio

from relay.clock import Clock
from relay.fetch.ledger import MailboxState
from relay.store.facts import Fact, FactStore

# A mailbox that is read is kept for so many seconds, one that is only watched somewhat longer.
READING = 60.0
WATCHING = 90.0


class LostHoldError(Exception):
    """Another worker has this mailbox now."""


class Hold:
    """The claim on one mailbox; `state` is changed by whoever reads it. Every call raises SpoolError."""

    __slots__ = ("_clock", "_fact", "_facts", "_storing", "_written", "is_lost", "length", "state")

    def __init__(self, facts: FactStore, clock: Clock, fact: Fact) -> None:
        self._facts = facts
        self._clock = clock
        self._fact = fact
        self._storing = asyncio.Lock()
        self.state = MailboxState.of(fact)
        self._written = ("", 0, 0)
        self.length = READING
        self.is_lost = False

    @property
    def slug(self) -> str:
        """Whose mailbox it is."""
        return self._fact.key

    @property
    def wants_renewal(self) -> bool:
        """Whether half of its time is over."""
        return not self.is_lost and (self._fact.due or 0.0) - self._clock.now() < self.length * 0.6

    @property
    def wants_writing(self) -> bool:
        """Whether it should be put down now: half of its time is over, or mails were read since it was."""
        return self.wants_renewal or self._written != self._reached

    @property
    def _reached(self) -> tuple[str, int, int]:
        return self.state.account, self.state.validity, self.state.uid

    async def renew(self) -> None:
        """Keep the mailbox for some time more, and put down how far it has been read."""
        await self.let_go(self._clock.now() + self.length)

    async def let_go(self, due: float) -> None:
        """Put down how far the mailbox has been read; it falls due for anybody then."""
        async with self._storing:
            if self.is_lost:
                return
            reached = self._reached
            stored = await self._facts.put(self.state.put_into(self._fact, due))
            self.is_lost = stored is None
            if stored is not None:
                self._written = reached
                # The values are in `state`: thousands of these are kept at once.
                self._fact = Fact(stored.kind, stored.key, {}, stored.version, stored.due)

    async def forget(self) -> None:
        """The mailbox is nobody's any more."""
        async with self._storing:
            await self._facts.drop(self._fact)
            self.is_lost = True
