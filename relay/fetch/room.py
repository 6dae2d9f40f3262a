"""Room in memory for the mails that are being read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """Room for `most` octets, for whoever comes first; who wants more than that has it alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._door = asyncio.Lock()
        self._left = asyncio.Event()

    @asynccontextmanager
    async def of(self, octets: int) -> AsyncIterator[None]:
        """Have room for so many octets; waits until there is."""
        # Only the first in the line waits for others to leave: small mails do not slip past a large one for ever.
        async with self._door:
            while self._taken and self._taken + octets > self._most:
                self._left.clear()
                await self._left.wait()
            self._taken += octets
        try:
            yield
        finally:
            self._taken -= octets
            self._left.set()
