"""Workers that send events, over one store."""

from collections.abc import AsyncIterator

import pytest

from relay.webhooks import courier, progress
from tests.peers.app_endpoint import Receiver

from .house import House


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """What takes seconds in life is over at once, but for leases: tests move the clock for those."""
    monkeypatch.setattr(courier, "_LOOK", 0.01)
    monkeypatch.setattr(courier, "_POLL", 0.01)
    monkeypatch.setattr(progress, "_PAUSES", (0.02,))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def house(tmp_path, receiver) -> AsyncIterator[House]:
    house = House(tmp_path / "relay.db")
    house.configure(billing=receiver.url)
    yield house
    await house.close()
