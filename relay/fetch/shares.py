"""Which of the mailboxes that are due a worker takes, so that none has many more than the others.

Whoever has its share leaves the rest to the others, for a while: what they do not take by then is taken all the same.
Whoever has far more than its share, as one that was there before the others, gives some up now and then, for each of
them costs its server a login.
"""

import sys
from collections.abc import Sequence

from relay.clock import Clock
from relay.fetch.hold import READING
from relay.fetch.ledger import MAILBOX
from relay.store.facts import Fact
from relay.store.spool import Spool

_COURTESY = 5.0
# So much more than a share is none too much.
_SLACK = 0.1
# Of what is too much, such a part is given up at once, and so many at least.
_PART = 0.1
_FEW = 10
# Who had to take what others left gives them nothing for so many seconds.
_WARY = 150.0


class Share:
    """What one worker takes, and should give up. Every call raises SpoolError."""

    def __init__(self, spool: Spool, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock
        self._all_taken = clock.now()  # when nothing that was due was left; nobody can tell before the first look
        self._helped = 0.0  # when something was taken that others had left

    async def take(self, held: int, mailboxes: int, most: int) -> Sequence[Fact]:
        """Take mailboxes that are due, `most` of them, when so many of all are held already."""
        now = self._clock.now()
        room = min(await self._size(mailboxes) - held, most)
        taken = await self._due(now, room) if room > 0 else []
        if len(taken) < room:
            self._all_taken = now
        elif len(taken) < most and now - self._all_taken >= _COURTESY:
            left = await self._due(now - _COURTESY, most - len(taken))
            self._helped = now if left else self._helped
            taken += left
        return taken

    async def surplus(self, held: int, mailboxes: int) -> int:
        """How many of those that are held should be given up now."""
        share = await self._size(mailboxes)
        surplus = held - share
        if surplus <= max(1, share * _SLACK) or self._clock.now() - self._helped < _WARY:
            return 0
        return min(surplus, max(_FEW, int(surplus * _PART)))

    async def _due(self, by: float, most: int) -> list[Fact]:
        until = self._clock.now() + READING
        return list(await self._spool.facts.take_due(MAILBOX, now=by, until=until, limit=most))

    async def _size(self, mailboxes: int) -> int:
        workers = len(await self._spool.workers(now=self._clock.now()))
        # Who is alone also takes those in the store that are nobody's mailboxes any more.
        return -(-mailboxes // workers) if workers > 1 else sys.maxsize
