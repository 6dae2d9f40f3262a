"""Clients that hold a connection and get nowhere are cut; the others are served meanwhile."""

import asyncio
import contextlib
import socket

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from relay.web import server
from relay.web.server import Patience, WebServer

ASK = b"GET /%s HTTP/1.1\r\nHost: relay.test\r\n\r\n"
NO_HEADER = Patience(header=0.05, rest=3600)
NO_REST = Patience(header=3600, rest=0.05)
NEVER = Patience(header=3600, rest=3600)


async def _ok(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def _read(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())}")


class Served(WebServer):
    """A server on a port that was free."""

    port = 0


@contextlib.asynccontextmanager
async def serving(patience: Patience, *more: Route):
    """A server that runs."""
    web = Served([Route("/ok", _ok), Route("/read", _read, methods=["POST"]), *more], patience)
    sock = socket.create_server(("127.0.0.1", 0))
    web.port = sock.getsockname()[1]
    running = asyncio.create_task(web.run_on(sock))
    try:
        yield web
    finally:
        web.force_exit = True
        web.stop()
        await running


async def until_cut(reader: asyncio.StreamReader) -> bytes:
    """All that comes; ends only when the server ends the connection."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while block := await reader.read(65536):
            got += block
    return got


@pytest.mark.parametrize(
    ("patience", "sent"),
    [
        (NO_HEADER, b""),
        (NO_HEADER, b"GET /ok HTTP/1.1\r\nHost:"),
        (NO_HEADER, ASK % b"ok" + b"G"),
        (NO_REST, b"POST /read HTTP/1.1\r\nHost: relay.test\r\nContent-Length: 9\r\n\r\nx"),
        (NO_HEADER, b"POST /ok HTTP/1.1\r\nHost: relay.test\r\nContent-Length: 9\r\n\r\nx"),
    ],
    ids=["nothing", "half a header", "half a second header", "half a body", "half a body that nobody wants"],
)
async def test_a_client_that_stops_in_the_middle_is_cut(patience: Patience, sent: bytes):
    async with serving(patience) as web:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(sent)
        got = await asyncio.wait_for(until_cut(reader), 30)
        assert (b"200 OK" in got) == sent.startswith(ASK % b"ok")
        writer.close()


async def test_a_client_that_takes_no_answer_is_cut():
    begun = asyncio.Event()

    async def large(_: Request) -> PlainTextResponse:
        begun.set()
        return PlainTextResponse("x" * 50_000_000)

    async with serving(NO_REST, Route("/large", large)) as web:
        _, writer = await asyncio.open_connection("127.0.0.1", web.port, limit=1024)
        writer.write(ASK % b"large")
        async with asyncio.timeout(30):
            await begun.wait()
            while web.server_state.connections:  # noqa: ASYNC110 -- it tells nobody
                await asyncio.sleep(0)
        writer.close()


async def test_a_client_in_time_gets_answer_after_answer():
    async with serving(NEVER) as web:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        for _ in range(3):
            writer.write(ASK % b"ok")
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200 OK")
        writer.close()


async def test_connections_beyond_reason_are_not_kept_at_all(monkeypatch):
    monkeypatch.setattr(server, "_MOST_CONNECTIONS", 2)
    async with serving(NEVER) as web:
        kept = [await asyncio.open_connection("127.0.0.1", web.port) for _ in range(2)]
        for reader, writer in kept:
            writer.write(ASK % b"ok")
            await reader.readuntil(b"\r\n\r\nok")
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        assert await asyncio.wait_for(until_cut(reader), 30) == b""
        for _, each in [*kept, (reader, writer)]:
            each.close()
