"""An SMTP client that sends exactly what it is told, for what ordinary clients never do."""

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import Self

from .until import PATIENCE


class RawClient:
    """One connection; use it as an asynchronous context. `source` is the address to come from."""

    def __init__(self, host: str, port: int, *, source: str = "127.0.0.1") -> None:
        self._where = (host, port)
        self._source = source
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(*self._where, local_addr=(self._source, 0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def send(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()

    async def reply(self) -> str:
        """The next reply, its lines joined by line feeds; empty when the other side has closed."""
        lines = []
        async with asyncio.timeout(PATIENCE):
            while line := (await self._reader.readline()).decode():
                lines.append(line.rstrip("\r\n"))
                if line[3:4] != "-":
                    break
        return "\n".join(lines)

    async def say(self, command: str) -> str:
        """Send a command; its reply."""
        await self.send(command.encode() + b"\r\n")
        return await self.reply()

    async def hello(self) -> str:
        """Read the greeting and say EHLO; what is on offer."""
        assert (await self.reply()).startswith("220")
        return await self.say("EHLO app.example")

    async def envelope(self, sender: str, *to: str, mail: str = "") -> None:
        """MAIL and RCPT, all accepted."""
        assert (await self.say(f"MAIL FROM:<{sender}>{mail}")).startswith("250")
        for address in to:
            assert (await self.say(f"RCPT TO:<{address}>")).startswith("250")

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands, after a 220 to STARTTLS."""
        await self._writer.start_tls(context)

    def half_close(self) -> None:
        """Send nothing more, and go on reading."""
        self._writer.write_eof()

    def vanish(self) -> None:
        """Be gone without a word."""
        self._writer.transport.abort()
