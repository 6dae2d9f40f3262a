"""One worker's web side over a spool of its own."""

from collections.abc import AsyncIterator

import pytest

from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import StandingClock

from .house import House


@pytest.fixture
async def spool(tmp_path) -> AsyncIterator[SqliteSpool]:
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=StandingClock())
    await spool.start()
    yield spool
    await spool.stop()


@pytest.fixture
def house(spool) -> House:
    return House(spool)
