"""Has mails read in a child process, and gets plain values back, whatever the mails do to it."""

import asyncio
import contextlib
import sys

from relay.fetch.frames import LENGTH, MOST_SECONDS, Contents, frame, read_contents
from relay.policy.invoice.facts import Flaw, Kind, MailFacts, Part

_PATIENCE = MOST_SECONDS + 15.0


class Reader:
    """One child, which reads one mail after the other. Started when it is first needed."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def read(self, mail: bytes) -> Contents:
        """The facts about a mail.

        A mail that cannot be read within the limits has one part, with a flaw that says so.

        Raises:
            OSError: no child can be started.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(_PATIENCE):
                    answer = await self._ask(mail)
            except (TimeoutError, EOFError, ConnectionError):
                answer = b""
                await self._end()
            except asyncio.CancelledError:
                await self._end()
                raise
        try:
            return read_contents(answer)
        except (ValueError, KeyError, TypeError):
            return Contents(MailFacts("", "", (Part(0, Kind.MESSAGE, size=len(mail), flaw=Flaw.BURSTS),)))

    async def close(self) -> None:
        """End the child, when nothing is being read any more."""
        async with self._turn:
            await self._end()

    async def _ask(self, mail: bytes) -> bytes:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", "relay.fetch.child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={},
                start_new_session=True,
            )
        process = self._process
        assert process.stdin is not None  # noqa: S101 -- asked for above
        assert process.stdout is not None  # noqa: S101 -- as well
        process.stdin.write(frame(mail))
        await process.stdin.drain()
        length = await process.stdout.readexactly(LENGTH)
        return await process.stdout.readexactly(int.from_bytes(length, "big"))

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
