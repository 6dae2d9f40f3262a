"""Serves HTTP on a socket of ours, within the worker's own event loop."""

import contextlib
import socket
from collections.abc import Iterable, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute


class WebServer(uvicorn.Server):
    """uvicorn without its hold on the process: signals and the log stay ours."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        super().__init__(
            uvicorn.Config(
                Starlette(routes=list(routes)),
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=5,
                limit_concurrency=200,
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
