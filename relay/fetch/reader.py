"""Has mails read in child processes, and gets plain values back, whatever the mails do to them."""

import asyncio
import contextlib
import sys

from relay.fetch.frames import LENGTH, MOST_SECONDS, Contents, read_contents
from relay.policy.invoice.facts import Flaw, Kind, MailFacts, Part

_PATIENCE = MOST_SECONDS + 15.0
# One reads while the other one is handed a mail, or is slow with one.
_CHILDREN = 2


class Reader:
    """A few children, each of which reads one mail after the other. Started when they are first needed."""

    def __init__(self) -> None:
        self._free = [_Child() for _ in range(_CHILDREN)]
        self._turns = asyncio.Semaphore(_CHILDREN)

    async def read(self, mail: bytes) -> Contents:
        """The facts about a mail.

        A mail that cannot be read within the limits has one part, with a flaw that says so.

        Raises:
            OSError: no child can be started.
        """
        async with self._turns:
            # The last one that was put back: the others are not started as long as one does.
            child = self._free.pop()
            try:
                answer = await child.read(mail)
            finally:
                self._free.append(child)
        try:
            return read_contents(answer)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return Contents(MailFacts("", "", (Part(0, Kind.MESSAGE, size=len(mail), flaw=Flaw.BURSTS),)))

    async def close(self) -> None:
        """End the children, when nothing is being read any more."""
        async with contextlib.AsyncExitStack() as turns:
            for _ in range(_CHILDREN):
                await turns.enter_async_context(self._turns)
            for child in self._free:
                await child.end()


class _Child:
    """One process, started anew whenever it is gone."""

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None

    async def read(self, mail: bytes) -> bytes:
        """What it answers; nothing when it does not survive, or takes too long. Raises OSError as `Reader.read`."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._ask(mail)
        except (TimeoutError, EOFError, ConnectionError):
            await self.end()
            return b""
        except asyncio.CancelledError:
            await self.end()
            raise

    async def end(self) -> None:
        """End it at once."""
        process, self.process = self.process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ask(self, mail: bytes) -> bytes:
        if self.process is None or self.process.returncode is not None:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", "relay.fetch.child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={},
                start_new_session=True,
            )
        process = self.process
        assert process.stdin is not None  # noqa: S101 -- asked for above
        assert process.stdout is not None  # noqa: S101 -- as well
        process.stdin.write(len(mail).to_bytes(LENGTH, "big"))
        process.stdin.write(mail)
        await process.stdin.drain()
        length = await process.stdout.readexactly(LENGTH)
        return await process.stdout.readexactly(int.from_bytes(length, "big"))
