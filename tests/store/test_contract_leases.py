"""What a store promises about who works on what."""

import asyncio

import pytest

from relay.store.spool import State


async def test_due_deliveries_come_oldest_first(bench, spool):
    for age in (50, 10, 90, 30):
        await bench.put(spool, queue_id=f"age-{age}", received_at=bench.now - age)

    assert await bench.lease(spool, limit=3) == [("age-90", 0), ("age-50", 0), ("age-30", 0)]
    assert await bench.lease(spool, limit=3) == [("age-10", 0)]


async def test_what_is_not_due_waits_for_its_time(bench, spool):
    message = await bench.put(spool, received_at=bench.now + 10)

    assert await bench.lease(spool) == []
    bench.clock.advance(10)
    assert await bench.lease(spool) == [(message.queue_id, 0)]


async def test_a_leased_delivery_is_leased_once(bench, spool):
    other = await bench.start(2)
    message = await bench.put(spool)

    assert await bench.lease(spool) == [(message.queue_id, 0)]
    assert await bench.lease(spool) == []
    assert await bench.lease(other) == []


async def test_workers_that_lease_at_once_share_the_work(bench, spool):
    workers = [spool, await bench.start(2), await bench.start(3)]
    messages = [await bench.put(spool) for _ in range(30)]

    shares = await asyncio.gather(*(bench.lease(worker, limit=7) for worker in workers * 2))

    assert sorted(key for share in shares for key in share) == [(message.queue_id, 0) for message in messages]


async def test_busy_companies_are_left_out(bench, spool):
    await bench.put(spool, queue_id="a", companies=("anna's",))
    await bench.put(spool, queue_id="b", companies=("ben's",))
    await bench.put(spool, queue_id="c", companies=("carl's",))

    assert await bench.lease(spool, busy=("anna's", "carl's")) == [("b", 0)]
    assert await bench.lease(spool, busy=("carl's",)) == [("a", 0)]
    assert await bench.lease(spool) == [("c", 0)]


async def test_the_limit_counts_deliveries(bench, spool):
    message = await bench.put(spool, "anna@shop.example", "ben@shop.example", "carl@shop.example")

    first = await bench.lease(spool, limit=2)
    second = await bench.lease(spool, limit=2)

    assert (len(first), len(second)) == (2, 1)
    assert sorted(first + second) == [(message.queue_id, number) for number in range(3)]


async def test_what_is_given_back_waits_and_is_free(bench, spool):
    other = await bench.start(2)
    message = await bench.put(spool, "anna@shop.example", "ben@shop.example", leased=True)

    await spool.give_back([(message.queue_id, 1)], next_attempt=bench.now + 60)

    assert await bench.lease(other) == []
    bench.clock.advance(60)
    assert await bench.lease(other) == [(message.queue_id, 1)]


async def test_only_its_holder_can_give_a_lease_back(bench, spool):
    other = await bench.start(2)
    message = await bench.put(spool, leased=True)

    await other.give_back([(message.queue_id, 0)], next_attempt=bench.now)

    assert await bench.lease(other) == []


async def test_a_worker_that_stops_leaves_its_work_to_others(bench, spool):
    other = await bench.start(2)
    message = await bench.put(spool, leased=True)

    await bench.stop(spool)

    assert await bench.lease(other) == [(message.queue_id, 0)]


async def test_a_worker_that_stops_writes_what_is_pending(bench, spool):
    other = await bench.start(2)
    acceptances = [bench.acceptance(spool, leased=True) for _ in range(20)]
    commits = [asyncio.ensure_future(spool.commit(acceptance)) for acceptance in acceptances]
    await asyncio.sleep(0)

    await bench.stop(spool)

    await asyncio.gather(*commits)
    assert len(await bench.lease(other)) == 20


async def test_the_work_of_a_dead_worker_is_taken_over_when_its_lease_runs_out(bench, spool):
    other = await bench.start(2)
    message = await bench.put(spool, leased=True)
    await bench.kill(spool)

    bench.clock.advance(bench.lease_time - 1)
    assert await other.heartbeat(now=bench.now, detail={}) == 0
    assert await bench.lease(other) == []
    bench.clock.advance(1)
    assert await other.heartbeat(now=bench.now, detail={}) == 1
    assert await bench.lease(other) == [(message.queue_id, 0)]


async def test_after_a_pause_of_all_nobody_is_taken_for_dead(bench, spool):
    other = await bench.start(2)
    message = await bench.put(spool, leased=True)
    bench.clock.advance(bench.lease_time * 10)

    assert await other.heartbeat(now=bench.now, detail={}) == 0
    assert await spool.heartbeat(now=bench.now, detail={}) == 0
    assert await other.heartbeat(now=bench.now, detail={}) == 0
    assert await bench.lease(other) == []
    await spool.record([bench.change(message.queue_id)])


async def test_heartbeats_keep_leases(bench, spool):
    other = await bench.start(2)
    await bench.put(spool, leased=True)

    for _ in range(5):
        bench.clock.advance(bench.lease_time - 1)
        assert await spool.heartbeat(now=bench.now, detail={}) == 0
        assert await other.heartbeat(now=bench.now, detail={}) == 0

    assert await bench.lease(other) == []


async def test_a_worker_that_comes_back_late_goes_on_when_nobody_took_over(bench, spool):
    message = await bench.put(spool, leased=True)
    bench.clock.advance(bench.lease_time * 10)

    assert await spool.heartbeat(now=bench.now, detail={}) == 0
    await spool.record([bench.change(message.queue_id)])

    assert await bench.states(spool, message.queue_id) == [State.DELIVERED]


async def test_a_successor_takes_over_at_once(bench, spool):
    message = await bench.put(spool, leased=True)
    await bench.kill(spool)

    successor = await bench.start(1)

    assert await bench.lease(successor) == [(message.queue_id, 0)]


async def test_a_successor_leaves_the_leases_of_live_workers_alone(bench, spool):
    other = await bench.start(2)
    await bench.put(other, leased=True)
    await bench.kill(spool)

    successor = await bench.start(1)

    assert await bench.lease(successor) == []


async def test_the_live_workers_are_known_with_what_they_said(bench, spool):
    other = await bench.start(2)
    await spool.heartbeat(now=bench.now, detail={"in flight": 3})
    await bench.stop(other)

    (status,) = await spool.workers(now=bench.now)

    assert status.detail == {"in flight": 3}
    assert status.started_at == bench.now
    assert status.lease_until == bench.now + bench.lease_time
    assert await spool.workers(now=status.lease_until) == []


async def test_a_cancelled_lease_is_nobodys(bench, spool):
    other = await bench.start(2)
    message = await bench.put(spool)
    task = asyncio.create_task(spool.lease(now=bench.now, limit=10))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.put(spool, companies=("last",))
    await bench.put(spool, companies=("last",))

    assert await bench.lease(other, busy=("last",)) == [(message.queue_id, 0)]
