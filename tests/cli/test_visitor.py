"""Commands look into the store beside a relay that runs, and leave its leases alone."""

import pytest

from relay.clock import SystemClock
from relay.store.open import visit_spool
from relay.store.spool import SpoolError, State


async def test_no_command_takes_a_running_workers_leases(place, store):
    await store.put("a1", "piet@klant.example", leased=True)
    await store.spool.heartbeat(now=SystemClock().now(), detail={})
    for command in (
        ("status",),
        ("trace", "a1"),
        ("queue", "list"),
        ("queue", "show", "a1"),
        ("queue", "retry", "--all"),
        ("queue", "hold", "--all"),
        ("queue", "release", "--all"),
        ("queue", "drop", "--all", "--yes"),
    ):
        await place.ask(*command)
        assert await store.leases() == [("a1", "test.0.1")], command
    assert [worker.worker for worker in await store.spool.workers(now=SystemClock().now())] == ["test.0.1"]
    await store.settle("a1", State.DELIVERED)
    assert await store.states("a1") == [State.DELIVERED]


async def test_a_visitor_leaves_no_worker_behind(place, store):
    visitor = visit_spool("sqlite:var/relay.db", clock=SystemClock())
    await visitor.start()
    assert [worker.worker for worker in await visitor.workers(now=SystemClock().now())] == ["test.0.1"]
    await visitor.stop()
    assert [worker.worker for worker in await store.spool.workers(now=SystemClock().now())] == ["test.0.1"]


async def test_a_visitor_leases_nothing(place, store):
    await store.put("a1", "piet@klant.example")
    visitor = visit_spool("sqlite:var/relay.db", clock=SystemClock())
    await visitor.start()
    with pytest.raises(SpoolError, match="a visitor leases nothing"):
        await visitor.lease(now=SystemClock().now(), limit=10)
    await visitor.stop()
    assert await store.leases() == []


@pytest.mark.parametrize("command", [("status",), ("trace", "a1"), ("queue", "list"), ("queue", "retry", "--all")])
def test_where_there_is_no_store_none_is_made(place, command):
    ended = place.run(*command)
    assert (ended.code, ended.err) == (69, "relay: the store: there is no store at var/relay.db yet\n")
    assert not (place.path / "var/relay.db").exists()


async def test_the_store_can_be_named_when_the_settings_are_broken(place, store):
    place.write("relay.yaml", "hostname: [\n")
    assert (await place.ask("queue", "list")).code == 78
    assert (await place.ask("queue", "list", "--store", "sqlite:var/relay.db")).code == 0
