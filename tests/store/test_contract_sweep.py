"""What a store promises about forgetting."""

import asyncio

from relay.events import EventType
from relay.store.spool import Acceptance, Order, Origin, Selection, State

WEEK = 7 * 86400.0


async def _finished(bench, spool, **fields):
    message = await bench.put(spool, leased=True, **fields)
    await spool.record([bench.change(message.queue_id)])
    return message


async def test_history_is_kept_for_as_long_as_asked(bench, spool):
    old = await _finished(bench, spool)
    bench.clock.advance(WEEK)
    young = await _finished(bench, spool)
    bench.clock.advance(1)

    await spool.sweep(now=bench.now, keep_history=WEEK)

    assert await spool.find(old.queue_id) == []
    assert await spool.timeline(old.queue_id) == []
    assert await spool.company_of(old.queue_id, 0) is None
    assert await bench.states(spool, young.queue_id) == [State.DELIVERED]


async def test_live_messages_are_not_history_however_old(bench, spool):
    waiting = await bench.put(spool, octets=b"waiting")
    held = await bench.put(spool, octets=b"held")
    await spool.order(Order.HOLD, Selection(queue_ids=(held.queue_id,)), now=bench.now, reason="")
    partly = await bench.put(spool, "anna@a.example", "ben@b.example", octets=b"partly", leased=True)
    await spool.record([bench.change(partly.queue_id, 0)])
    await bench.stop(spool)
    bench.clock.advance(100 * WEEK)
    spool = await bench.start(1)

    await spool.sweep(now=bench.now, keep_history=0)

    for message, octets in ((waiting, b"waiting"), (held, b"held"), (partly, b"partly")):
        assert len(await spool.find(message.queue_id)) == 1
        assert bench.octets(spool, message) == octets


async def test_the_room_of_finished_messages_is_reclaimed(bench, spool):
    for _ in range(3):
        await _finished(bench, spool, octets=b"x" * 100_000)
    await bench.stop(spool)
    spool = await bench.start(1)

    assert await spool.sweep(now=bench.now, keep_history=WEEK) >= 300_000
    assert await spool.sweep(now=bench.now, keep_history=WEEK) == 0


async def test_dropped_messages_are_finished(bench, spool):
    message = await bench.put(spool, octets=b"x" * 100_000)
    await spool.order(Order.DROP, Selection(), now=bench.now, reason="")
    await bench.stop(spool)
    spool = await bench.start(1)

    assert await spool.sweep(now=bench.now, keep_history=WEEK) >= 100_000
    bench.clock.advance(WEEK + 1)
    await spool.sweep(now=bench.now, keep_history=WEEK)
    assert await spool.find(message.queue_id) == []


async def test_messages_on_their_way_in_are_left_alone(bench, spool):
    other = await bench.start(2)
    writer = spool.writer()
    writer.write(b"x" * 300_000)
    bench.clock.advance(WEEK)

    for sweeper in (spool, other):
        await sweeper.sweep(now=bench.now, keep_history=0)
    writer.write(b"y")
    content = writer.finish(header_size=0, body_hash="")
    for sweeper in (spool, other):
        await sweeper.sweep(now=bench.now, keep_history=0)
    message = bench.message(content)
    await spool.commit(Acceptance(message, ("shop",), leased=False))
    await other.sweep(now=bench.now, keep_history=0)

    assert bench.octets(other, message) == b"x" * 300_000 + b"y"


async def test_messages_of_a_dead_worker_are_left_alone(bench, spool):
    other = await bench.start(2)
    message = await bench.put(spool, octets=b"kept", leased=True)
    await _finished(bench, spool)
    spool.writer().write(b"x" * 300_000)
    await bench.kill(spool)

    await other.sweep(now=bench.now, keep_history=0)

    assert bench.octets(other, message) == b"kept"


async def test_what_a_dead_worker_never_committed_is_reclaimed(bench, spool):
    other = await bench.start(2)
    spool.writer().write(b"x" * 300_000)
    await bench.kill(spool)

    assert await other.sweep(now=bench.now, keep_history=0) >= 300_000


async def test_workers_may_sweep_at_once(bench, spool):
    for _ in range(4):
        await _finished(bench, spool, octets=b"x" * 100_000)
        await bench.stop(spool)
        spool = await bench.start(1)
    workers = [spool, await bench.start(2), await bench.start(3)]

    freed = await asyncio.gather(*(worker.sweep(now=bench.now, keep_history=WEEK) for worker in workers))

    assert 400_000 <= sum(freed) < 500_000


async def test_mail_from_outside_is_not_held_for_ever(bench, spool):
    old = await bench.put(spool, "anna@a.example", "ben@b.example", origin=Origin.MX)
    ours = await bench.put(spool, origin=Origin.SUBMISSION)
    waiting = await bench.put(spool, origin=Origin.MX)
    bench.clock.advance(WEEK)
    young = await bench.put(spool, origin=Origin.MX)
    held = Selection(queue_ids=(old.queue_id, ours.queue_id, young.queue_id))
    await spool.order(Order.HOLD, held, now=bench.now, reason="")

    events = await spool.expire_held(Origin.MX, before=bench.now - 10, now=bench.now, reason="too old")

    assert [(event.type, event.queue_id, event.number) for event in events] == [
        (EventType.EXPIRED, old.queue_id, number) for number in (0, 1)
    ]
    assert await bench.states(spool, old.queue_id) == [State.EXPIRED, State.EXPIRED]
    assert (await spool.timeline(old.queue_id))[-2:] == list(events)
    for message, state in ((ours, State.HELD), (young, State.HELD), (waiting, State.QUEUED)):
        assert await bench.states(spool, message.queue_id) == [state]
    assert await spool.expire_held(Origin.MX, before=bench.now - 10, now=bench.now, reason="too old") == []
    bench.clock.advance(10)
    await spool.sweep(now=bench.now, keep_history=5)
    assert await spool.find(old.queue_id) == []
