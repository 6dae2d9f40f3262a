"""Serves HTTP on a socket of ours, within the worker's own event loop.

In charge of clients that hold connections and do nothing with them: those are cut, for every one of them takes a file
descriptor from the worker's mail.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from uvicorn.protocols.http.h11_impl import H11Protocol

_MOST_SERVED = 200
_MOST_CONNECTIONS = 2 * _MOST_SERVED


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for a request's header to come, and for all the rest of the request with its answer."""

    header: float = 10.0
    rest: float = 60.0


class _Connection(H11Protocol):
    """A connection with a time limit: uvicorn's own one counts only between two requests, and ends with an octet."""

    patience: ClassVar[Patience]
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()
        else:
            self._allow(self.patience.header)

    def connection_lost(self, exc: Exception | None) -> None:
        self._allow(None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and not self.transport.is_closing():
            self._allow(self.patience.rest)

    def on_response_complete(self) -> None:
        # An answer may be complete for uvicorn, and on its way for long.
        waits = self.transport.get_write_buffer_size() > 0
        self._allow(self.patience.rest if waits else self.patience.header)
        super().on_response_complete()

    def _allow(self, seconds: float | None) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._limit = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)


class WebServer(uvicorn.Server):
    """uvicorn without its hold on the process: signals and the log stay ours."""

    def __init__(self, routes: Iterable[BaseRoute], patience: Patience | None = None) -> None:
        protocol = type("Protocol", (_Connection,), {"patience": patience or Patience()})
        super().__init__(
            uvicorn.Config(
                Starlette(routes=list(routes)),
                http=protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=5,
                limit_concurrency=_MOST_SERVED,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def run_on(self, sock: socket.socket) -> None:
        """Serve until `stop`."""
        await self.serve(sockets=[sock])

    def stop(self) -> None:
        """End after the requests at hand."""
        self.should_exit = True
