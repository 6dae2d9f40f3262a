"""Fast input on loopback: takes documents over HTTP as Billit's interface does (POST /v1/toProcess), each key once.

In charge of: asking for the key, refusing what it has already (409), giving each document a number, keeping them.
Never does: look into a document.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

_MOST = 64 * 1024 * 1024
_FIRST = 4711


@dataclass(frozen=True, slots=True)
class FastInputPlan:
    """A Fast input to be; whoever has `key` may come in."""

    name: str
    key: str
    port: int = 0


@dataclass(slots=True)
class FastInput:
    """One running Fast input; `documents` are the bodies that were taken, in order."""

    plan: FastInputPlan
    documents: list[dict[str, Any]] = field(default_factory=list)
    repeated: int = 0
    port: int = 0
    _keys: set[str] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def start(self, address: str, port: int) -> int:
        """Listen; returns the port. Raises OSError when it cannot be had."""
        self._server = await asyncio.start_server(self._serve, address, port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def wait_for(self, count: int, timeout: float) -> list[dict[str, Any]]:  # noqa: ASYNC109
        """The documents, as soon as there are so many. Raises TimeoutError."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: len(self.documents) >= count)
        return self.documents

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            length = int(headers.get("content-length", "0"))
            body = await reader.readexactly(length) if length <= _MOST else b""
            status, answer = await self._answer(head[0], headers, body)
            writer.write(b"HTTP/1.1 %d .\r\nConnection: close\r\n" % status)
            writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            writer.close()

    async def _answer(self, line: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if not line.startswith("POST /v1/toProcess "):
            return 404, b""
        if headers.get("apikey") != self.plan.key:
            return 401, b""
        key = headers.get("idempotency-key", "")
        if key in self._keys:
            self.repeated += 1
            return 409, b""
        document = json.loads(body)
        async with self._changed:
            self._keys.add(key)
            self.documents.append(document)
            self._changed.notify_all()
        return 200, str(_FIRST + len(self.documents)).encode()
