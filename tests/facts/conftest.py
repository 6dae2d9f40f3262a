"""Facts of a store of their own, at a time that stands still."""

import pytest

from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import NOW, StandingClock


@pytest.fixture
async def facts(tmp_path):
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=StandingClock(NOW))
    await spool.start()
    yield spool.facts
    await spool.stop()
