"""One worker's notices over a spool of its own."""

from collections.abc import AsyncIterator

import pytest

from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import StandingClock

from .house import NOW, House


@pytest.fixture
async def house(tmp_path) -> AsyncIterator[House]:
    clock = StandingClock(NOW)
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=clock)
    await spool.start()
    yield House(spool, clock)
    await spool.stop()
