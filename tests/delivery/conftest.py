"""Every test here runs on the standard library's event loop and on uvloop: they treat dying connections differently."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from relay.dns import Resolver
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import Zones
from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import StandingClock

from .house import NOW, House


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def house(tmp_path) -> AsyncIterator[House]:
    clock = StandingClock(NOW)
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=clock)
    await spool.start()
    async with DnsServer(Zones(ttl=0)) as names:
        house = House(spool, names.zones, Resolver([names.address], 5.0, clock=clock), clock)
        house.host("customer.example", "127.0.0.1")
        yield house
        await house.dispatcher.drain(10)
        await spool.stop()
