"""A server that is not ours, by its own rules of dots: aiosmtpd as it comes."""

import asyncio
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope


class Sink:
    """Takes everything; use it as an asynchronous context."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.port = 0

    async def handle_DATA(self, server: SMTP, session: object, envelope: Envelope) -> str:  # noqa: N802 -- its name
        content = envelope.original_content
        assert content is not None
        self.messages.append(content)
        return "250 2.0.0 Taken"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="sink.example", loop=loop, data_size_limit=None), "127.0.0.1", 0
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
