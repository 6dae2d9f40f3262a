"""An app's endpoint on loopback: keeps what it gets, and answers as it is told."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any, Self


class Request:
    """One request as it came."""

    def __init__(self, head: bytes, body: bytes) -> None:
        lines = head.decode().split("\r\n")
        self.line = lines[0]
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.body = body

    @property
    def events(self) -> list[dict[str, Any]]:
        return json.loads(self.body)["events"]

    def is_signed_with(self, secret: bytes) -> bool:
        """What docs/events.md tells apps to do, without any of the relay's code."""
        parts = dict(part.split("=", 1) for part in self.headers["relay-signature"].split(","))
        expected = hmac.new(secret, parts["t"].encode() + b"." + self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(parts["v1"], expected)


class Receiver:
    """Answers each request with what `answer` gives: a status, or None for silence until the sender goes."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], int | None] = lambda _: 204
        self._changed = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/relay-events"

    @property
    def taken(self) -> list[dict[str, Any]]:
        """Every event that was answered with success, again if it came again."""
        return [event for request in self.requests if request.status == 204 for event in request.events]

    async def until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._changed.clear()
            await self._changed.wait()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            request = Request(head[:-4], b"")
            request.body = await reader.readexactly(int(request.headers.get("content-length", 0)))
            request.status = self.answer(request)
            self.requests.append(request)
            self._changed.set()
            if request.status is None:
                await reader.read()
            else:
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % request.status)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
