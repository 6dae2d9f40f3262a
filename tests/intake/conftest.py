"""One worker's front over a spool of its own."""

from collections.abc import AsyncIterator

import pytest

from relay.intake.logins import Logins
from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import StandingClock

from .front import NOW, Front


@pytest.fixture
async def spool(tmp_path) -> AsyncIterator[SqliteSpool]:
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=StandingClock(NOW))
    await spool.start()
    yield spool
    await spool.stop()


@pytest.fixture(scope="session")
def logins() -> Logins:
    """Shared, so that the hash of the one good login is computed once."""
    return Logins()


@pytest.fixture
def front(spool, logins) -> Front:
    return Front(spool, logins)
