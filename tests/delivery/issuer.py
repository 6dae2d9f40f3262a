"""An issuer of tokens on loopback: rotates, expires, revokes, and keeps what it was asked."""

import asyncio
import json
from typing import Self
from urllib.parse import parse_qs

Form = dict[str, str]


class Issuer:
    """Answers as RFC 6749 wants. `valid` is the refresh token that counts; None: consent was revoked."""

    def __init__(self, *, valid: str | None = "refresh-0", rotates: bool = True, lasts: float = 3600) -> None:
        self.valid = valid
        self.rotates = rotates
        self.lasts = lasts
        self.asked: list[Form] = []
        self.paths: list[str] = []
        self.answer: tuple[int, bytes] | None = None
        self.before_answer: asyncio.Event | None = None
        self.arrived = asyncio.Event()
        self.consented = False
        self.username = "info@own.example"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def access(self) -> str:
        """The access token that counts now."""
        return f"access-{len(self.asked)}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length"))
            body = (await reader.readexactly(size)).decode()
            path = head.split()[1].decode()
            if path == "/introspect":
                self._reply(writer, 200, self._introspect(parse_qs(body)["token"][0]))
                await writer.drain()
                return
            self.paths.append(path)
            self.asked.append({key: values[0] for key, values in parse_qs(body).items()})
            self.arrived.set()
            status, answer = self.answer or self._answer(self.asked[-1])
            if self.before_answer is not None:
                await self.before_answer.wait()
            self._reply(writer, status, answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _reply(self, writer: asyncio.StreamWriter, status: int, answer: bytes) -> None:
        head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % (status, len(answer))
        writer.write(head + b"Connection: close\r\n\r\n" + answer)

    def _introspect(self, token: str) -> bytes:
        """RFC 7662: only the last token counts, and none once consent was revoked."""
        active = self.valid is not None and token == self.access
        return json.dumps({"active": active, "username": self.username, "scope": "mail"}).encode()

    def _answer(self, form: Form) -> tuple[int, bytes]:
        if "grant_type" not in form:
            code = {"device_code": "d1", "user_code": "ABCD-EFGH", "interval": 2, "expires_in": 900}
            return 200, json.dumps({**code, "verification_uri": "https://issuer.example/device"}).encode()
        if form["grant_type"].endswith("device_code") and not self.consented:
            return 400, b'{"error": "authorization_pending"}'
        if form["grant_type"] == "refresh_token" and form["refresh_token"] != self.valid:
            said: dict[str, object] = {"error": "invalid_grant", "error_description": "Token has been revoked."}
            return 400, json.dumps(said).encode()
        said = {"access_token": self.access, "token_type": "Bearer", "expires_in": self.lasts}
        if self.rotates and form["grant_type"] != "client_credentials":
            self.valid = f"refresh-{len(self.asked)}"
            said["refresh_token"] = self.valid
        return 200, json.dumps(said).encode()
