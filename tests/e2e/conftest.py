"""The relay as a process of its own, between a sandbox world and real programs; everything on loopback."""

import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from relay.sandbox.certificates import Authority
from relay.sandbox.default_world import default_plan
from relay.sandbox.prepare import Prepared, prepare
from relay.sandbox.world import World

from .relay_process import Relay, write_certificate

StartRelay = Callable[..., Awaitable[Relay]]
PEERS = Path(__file__).parents[1] / "peers"


@pytest.fixture(scope="session")
def relay_host(worker_id: str) -> str:
    """An address that only this test process listens on, and that nobody connects from."""
    return f"127.0.{30 + int(worker_id.removeprefix('gw')) if worker_id != 'master' else 29}.1"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, relay_host: str) -> tuple[Path, Prepared]:
    """Keys, certificates and secrets of the demo, made once, and what to publish of them."""
    folder = tmp_path_factory.mktemp("prepared")
    write_certificate(folder, Authority(folder), relay_host)
    return folder, prepare(folder)


@pytest.fixture
async def world(prepared: tuple[Path, Prepared], tmp_path: Path) -> AsyncIterator[World]:
    """The mail world of the demo, with the relay's keys published in its DNS."""
    made, to_publish = prepared
    folder = tmp_path / "var/demo"
    shutil.copytree(made, folder)
    async with World(default_plan(), records=to_publish.records, folder=folder) as world:
        yield world


@pytest.fixture
async def start_relay(world: World, tmp_path: Path, relay_host: str) -> AsyncIterator[StartRelay]:
    """Starts the relay of this test, with changes to the shipped settings; it must end well when the test does.

    With `start=False` it is only set up.
    """
    relays: list[Relay] = []

    async def begin(*, start: bool = True, **changes: Any) -> Relay:
        relay = Relay(tmp_path, world, relay_host, changes)
        relays.append(relay)
        if start:
            await relay.start()
        return relay

    yield begin
    for relay in relays:
        code = await relay.stop() if relay.is_running else 0
        sys.stdout.write(relay.log.read_text(errors="replace")[-20_000:])
        assert code == 0


@pytest.fixture
async def relay(start_relay: StartRelay) -> Relay:
    """The relay with the shipped settings, on free ports."""
    return await start_relay()
