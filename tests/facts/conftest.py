"""Facts of a store of their own, at a time that stands still."""

import pytest

from relay.store.sqlite.spool import SqliteSpool

NOW = 1_800_000_000.0


class StandingClock:
    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW


@pytest.fixture
async def facts(tmp_path):
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=StandingClock())
    await spool.start()
    yield spool.facts
    await spool.stop()
