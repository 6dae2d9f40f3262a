"""The relay beside the demonstration, as a process of its own, and what its command line says."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Self


class RelayProcess:
    """`relay serve` for the time of an asynchronous context; its log goes to `log`."""

    def __init__(self, config: Path, log: Path, ready: tuple[str, int]) -> None:
        self._config = config
        self._log = log
        self._ready = ready
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_command("serve", "--config", str(self._config)), stdout=log, stderr=log, start_new_session=True
            )
        try:
            await self._wait()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    def reload(self) -> None:
        """Have it look at its files and at what is held."""
        self._process.send_signal(signal.SIGHUP)

    async def ask(self, *words: str) -> str:
        """What another command of the relay prints."""
        process = await asyncio.create_subprocess_exec(
            *_command(*words, "--config", str(self._config)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return output.decode("utf-8", "replace")

    async def _wait(self) -> None:
        """Wait until the relay answers at its port."""
        while True:
            if self._process.returncode is not None:
                raise RuntimeError(f"the relay did not start:\n{self._log.read_text(errors='replace')}")
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(*self._ready)
                writer.close()
                return
            await asyncio.sleep(0.1)

    async def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "relay.cli", *words)
