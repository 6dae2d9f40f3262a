"""How many mailboxes one worker holds, so that all live workers have about as many.

Whoever has its share leaves what falls due to the others, for a while: what they do not take by then is taken all the
same. Whoever has much more, as one that was there before the others, gives some up now and then, for each of them costs
its server a login.
"""

import sys

from relay.clock import Clock
from relay.store.spool import Spool

_COURTESY = 5.0
# So much more than a share is none too much.
_SLACK = 0.1
# Of what is too much, such a part is given up at once, and so many at least.
_PART = 0.1
_FEW = 10


class Share:
    """What one worker may take, and should give up. Every call raises SpoolError."""

    def __init__(self, spool: Spool, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock
        self._full_since = 0.0

    async def room(self, held: int, mailboxes: int) -> tuple[int, float]:
        """How many mailboxes more may be taken of those that fell due by what time, when so many are held of all."""
        now = self._clock.now()
        room = await self._size(mailboxes) - held
        if room > 0:
            self._full_since = now
            return room, now
        return (0 if now - self._full_since < _COURTESY else sys.maxsize), now - _COURTESY

    async def surplus(self, held: int, mailboxes: int) -> int:
        """How many of those that are held should be given up now."""
        share = await self._size(mailboxes)
        surplus = held - share
        if surplus <= max(1, share * _SLACK):
            return 0
        return min(surplus, max(_FEW, int(surplus * _PART)))

    async def _size(self, mailboxes: int) -> int:
        workers = len(await self._spool.workers(now=self._clock.now()))
        # Who is alone also takes those in the store that are nobody's mailboxes any more.
        return -(-mailboxes // workers) if workers > 1 else sys.maxsize
