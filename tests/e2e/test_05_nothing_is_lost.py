"""kill -9 at any time, dozens of times under load, and a graceful stop: whatever was answered with 250 arrives."""

import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.sandbox.scripted_peer import ScriptedPeer
from relay.sandbox.world import World

from .conftest import StartRelay
from .ledger import Ledger, count_ids
from .relay_process import Relay, is_alive
from .until import until

SINK = "127.0.20.3"
SESSIONS = 4
ROUNDS = 6


@pytest.fixture
async def sink(world: World) -> AsyncIterator[ScriptedPeer]:
    """A host that takes everything, quickly."""
    world.zones.publish("mx.sink.example", "A", SINK)
    world.zones.publish("sink.example", "MX", "10 mx.sink.example.")
    async with ScriptedPeer(host=SINK, port=world.smtp_port) as peer:
        yield peer


@pytest.fixture
async def relay(start_relay: StartRelay) -> Relay:
    return await start_relay(
        workers=3,
        apps={"erp": {"networks": ["127.0.0.0/8"], "companies": "all"}},
        limits={"connections_per_peer": 1000},
        log={"level": "warning"},
    )


async def kill(relay: Relay, count: int) -> int:
    """Kill -9 so many workers, chosen by chance; how many there were."""
    pids = relay.workers()
    victims = random.sample(pids, min(count, len(pids)))
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    return len(victims)


@pytest.mark.timeout(300)
async def test_what_was_accepted_arrives_through_kills(relay: Relay, sink: ScriptedPeer) -> None:
    ledger = Ledger(relay, "an@sink.example")
    kills = 0
    async with ledger.load(SESSIONS):
        for _ in range(ROUNDS):
            for victims in (1, 1, 3):
                await ledger.more(random.randrange(5, 40))
                kills += await kill(relay, victims)
            await ledger.more(random.randrange(5, 40))
            kills += await relay.kill_everything()
            await relay.start()
        await ledger.more(20)
    assert kills >= 30
    await relay.is_empty()
    arrived = count_ids(sink.messages)
    missing = sorted(set(ledger.accepted) - set(arrived))
    assert missing == []
    assert relay.events("fault") == []


@pytest.mark.timeout(300)
async def test_a_graceful_stop_loses_nothing_and_repeats_nothing(relay: Relay, sink: ScriptedPeer) -> None:
    ledger = Ledger(relay, "an@sink.example")
    async with ledger.load(SESSIONS):
        for _ in range(3):
            await ledger.more(50)
            assert await relay.stop() == 0
            await relay.start()
    await relay.is_empty()
    arrived = count_ids(sink.messages)
    assert sorted(set(ledger.accepted) - set(arrived)) == []
    assert {message_id: count for message_id, count in arrived.items() if count > 1} == {}
    assert ledger.refused == []
    # Not a word was left unanswered either: what arrived had been promised.
    assert set(arrived) <= set(ledger.accepted)


@pytest.mark.timeout(300)
async def test_a_parent_that_is_killed_alone_takes_its_workers_along(relay: Relay, sink: ScriptedPeer) -> None:
    ledger = Ledger(relay, "an@sink.example")
    async with ledger.load(SESSIONS):
        await ledger.more(20)
        assert relay.process is not None
        pids = relay.workers()
        os.kill(relay.process.pid, signal.SIGKILL)
        await relay.process.wait()
        await until(lambda: not any(is_alive(pid) for pid in pids), "the workers are gone")
        await relay.start()
        await ledger.more(20)
    await relay.is_empty()
    assert sorted(set(ledger.accepted) - set(count_ids(sink.messages))) == []


async def test_a_killed_relay_leaves_no_metrics_behind_for_long(relay: Relay) -> None:
    def metrics() -> Path:
        return Path((relay.place / "var/relay.db.instance").read_text())

    left_over = metrics()
    assert any(left_over.iterdir())
    await relay.kill_everything()
    assert left_over.exists()

    await relay.start()

    assert not left_over.exists()
    assert metrics().exists()
    assert await relay.stop() == 0
    assert not metrics().exists()
