"""Metrics and health for machines.

`/healthz`: this worker's event loop runs. `/readyz`: it also has its store and takes mail; 503 while it does not.
`/metrics`: all workers of this machine together.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def health_routes(*, ready: Callable[[], Awaitable[str]], metrics: Callable[[], Awaitable[bytes]]) -> list[Route]:
    """The routes; `ready` answers why not, in a few words, or an empty string."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        trouble = await ready()
        return PlainTextResponse(f"{trouble or 'ready'}\n", status_code=503 if trouble else 200)

    async def metricsz(_: Request) -> Response:
        return Response(await metrics(), media_type=_METRICS_TYPE)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metricsz)]
