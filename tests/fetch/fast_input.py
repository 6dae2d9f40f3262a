"""A stand-in for Billit's interface as its documents describe it, with faults to order, and a ledger."""

import asyncio
import base64
import json
from dataclasses import dataclass, field


@dataclass
class FastInputApi:
    """Answers POST /v1/toProcess.

    `faults` are used up first: a status, "silence", "lost" (taken, and no answer), or "held" (taken, and no answer
    before `release`).
    """

    key: str = "the key of the tests"
    faults: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    taken: list = field(default_factory=list)
    known: set = field(default_factory=set)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def names(self):
        return [body["File"]["FileName"] for body in self.taken]

    @property
    def documents(self):
        return [base64.b64decode(body["File"]["FileContent"]) for body in self.taken]

    async def _serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
            body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))))
            self.requests.append((line, headers, body))
            fault = self.faults.pop(0) if self.faults else None
            status, answer = self._answer(line, headers, body, fault)
            if fault == "held":
                await self.release.wait()
            if status is not None:
                writer.write(
                    b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(answer))
                )
                writer.write(answer)
                await writer.drain()
        finally:
            writer.close()

    def _answer(self, line, headers, body, fault):
        if isinstance(fault, int):
            return fault, b'{"errors":[{"Code":"Invalid Filename","Description":"not this one"}]}'
        if fault == "silence":
            return None, b""
        if headers.get("apikey") != self.key:
            return 401, b""
        assert line == "POST /v1/toProcess HTTP/1.1"
        token = headers["idempotency-key"]
        if token in self.known:
            return 409, b'{"errors":[{"Code":"Idempotent token already exists"}]}'
        assert base64.b64decode(body["File"]["FileContent"], validate=True)
        self.known.add(token)
        self.taken.append(body)
        return (None, b"") if fault == "lost" else (200, str(1000 + len(self.taken)).encode())
