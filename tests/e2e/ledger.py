"""Load that never tires, and a ledger of what was promised: each Message-ID whose final dot was answered with 250."""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable

from .client import RawClient
from .mail import message
from .relay_process import BAKKERIJ, Relay
from .until import PATIENCE

_ID = re.compile(rb"^Message-ID: <([^>]+)>", re.MULTILINE | re.IGNORECASE)


class Ledger:
    """What several sessions hand in, numbered, without a pause, through whatever happens to the relay."""

    def __init__(self, relay: Relay, to: str) -> None:
        self._relay = relay
        self._to = to
        self._count = 0
        self._changed = asyncio.Condition()
        self._ending = False
        self.accepted: dict[str, str] = {}  # Message-ID to queue id
        self.refused: list[str] = []

    @contextlib.asynccontextmanager
    async def load(self, sessions: int) -> AsyncIterator[None]:
        """Keep so many sessions busy; at the end each finishes the message it is at."""
        tasks = [asyncio.create_task(self._keep_sending()) for _ in range(sessions)]
        try:
            yield
            self._ending = True
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def more(self, count: int) -> None:
        """Wait until so many more messages were accepted than are now."""
        wanted = len(self.accepted) + count
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: len(self.accepted) >= wanted)

    async def _keep_sending(self) -> None:
        while not self._ending:
            with contextlib.suppress(OSError, EOFError):
                async with RawClient(self._relay.host, self._relay.ports["submission"]) as client:
                    await self._send(client)
            # Nobody there: the next try is due when the event loop has done its other work.
            await asyncio.sleep(0.02)

    async def _send(self, client: RawClient) -> None:
        await _expect(client, "220")
        await client.send(b"EHLO app.example\r\n")
        await _expect(client, "250")
        while not self._ending:
            self._count += 1
            message_id = f"{self._count}@ledger.example"
            content = message(message_id=f"<{message_id}>", to=self._to, body=b"x" * (self._count % 20_000) + b"\r\n")
            await client.send(f"MAIL FROM:<{BAKKERIJ}>\r\nRCPT TO:<{self._to}>\r\nDATA\r\n".encode())
            for code in ("250", "250", "354"):
                await _expect(client, code)
            await client.send(content + b".\r\n")
            reply = await client.reply()
            if reply.startswith("250"):
                async with self._changed:
                    self.accepted[message_id] = reply.split()[-1]
                    self._changed.notify_all()
            elif not reply:
                raise EOFError
            else:
                self.refused.append(reply)


async def _expect(client: RawClient, code: str) -> None:
    reply = await client.reply()
    if not reply.startswith(code):
        raise EOFError(reply)


def count_ids(messages: Iterable[bytes]) -> Counter[str]:
    """How often each Message-ID arrived."""
    return Counter(found[1].decode() for content in messages if (found := _ID.search(content)))
