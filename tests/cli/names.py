"""A name server for commands that run in this process."""

import asyncio
import threading
from contextlib import contextmanager

from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import Zones


@contextmanager
def name_server(records):
    """A name server on a thread of its own, for programs that run in this process."""
    zones = Zones()
    for name, types in records.items():
        for kind, value in types.items():
            zones.publish(name, kind, value)
    loop, started, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    server = DnsServer(zones, port=0)

    async def serve():
        async with server:
            started.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    started.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
