"""What a store promises about room: a mail that waits for long does not keep that of a thousand others."""

import pytest

from relay.store.spool import Order, Selection, SpoolError, SpoolFull, State
from relay.store.sqlite.segments import Segments

KEPT = b"From: anna\r\n\r\nkept " + b"k" * 3000
LARGE = b"x" * 200_000


async def held_among_finished(bench, spool, **fields):
    """One mail that is held, and others beside it that are done with."""
    held = await bench.put(spool, octets=KEPT, **fields)
    await spool.order(Order.HOLD, Selection(queue_ids=(held.queue_id,)), now=bench.now, reason="")
    for _ in range(2):
        message = await bench.put(spool, octets=LARGE, leased=True)
        await spool.record([bench.change(message.queue_id)])
    return held


async def now_stored(spool, message):
    (entry,) = await spool.find(message.queue_id)
    return entry.message


async def test_a_held_mail_does_not_keep_the_room_of_others(bench, spool):
    held = await held_among_finished(bench, spool)
    await bench.stop(spool)
    spool, other = await bench.start(1), await bench.start(2)

    assert await spool.sweep(now=bench.now, keep_history=1000) >= 400_000

    for worker in (spool, other):
        assert bench.octets(worker, await now_stored(worker, held)) == KEPT
    await bench.close()
    spool = await bench.start(1)
    stored = await now_stored(spool, held)
    assert bench.octets(spool, stored) == KEPT
    assert (stored.content.header_size, stored.content.body_hash) == (held.content.header_size, "hash")
    assert await bench.states(spool, held.queue_id) == [State.HELD]


async def test_what_has_room_enough_stays_where_it_is(bench, spool):
    held = await bench.put(spool, octets=LARGE)
    message = await bench.put(spool, octets=LARGE, leased=True)
    await spool.record([bench.change(message.queue_id)])
    await bench.stop(spool)
    spool = await bench.start(1)

    assert await spool.sweep(now=bench.now, keep_history=1000) == 0
    assert (await now_stored(spool, held)).content == held.content


async def test_what_somebody_has_in_hands_stays_where_it_is(bench, spool):
    message = await bench.put(spool, octets=KEPT)
    await held_among_finished(bench, spool)
    await bench.stop(spool)
    spool, other = await bench.start(1), await bench.start(2)
    (entry,) = await other.lease(now=bench.now, limit=1)

    await spool.sweep(now=bench.now, keep_history=1000)
    assert bench.octets(other, entry.message) == KEPT
    assert entry.message == message

    await other.give_back([(message.queue_id, 0)], next_attempt=bench.now)
    assert await spool.sweep(now=bench.now, keep_history=1000) >= 400_000
    (entry,) = await other.lease(now=bench.now, limit=1)
    assert bench.octets(other, entry.message) == KEPT


async def test_of_many_who_sweep_at_once_nothing_is_lost(bench, spool):
    held = []
    for _ in range(3):
        held.append(await held_among_finished(bench, spool))
        await bench.stop(spool)
        spool = await bench.start(1)
    workers = [spool, await bench.start(2), await bench.start(3)]

    for _ in range(3):
        for worker in workers:
            await worker.sweep(now=bench.now, keep_history=1000)

    for worker in workers:
        for message in held:
            assert bench.octets(worker, await now_stored(worker, message)) == KEPT


@pytest.mark.parametrize("moment", ["before the rows change", "after the rows changed"])
async def test_a_worker_that_dies_while_it_moves_mail_loses_none(sqlite, monkeypatch, moment):
    spool = await sqlite.start()
    held = await held_among_finished(sqlite, spool)
    await sqlite.stop(spool)
    spool = await sqlite.start(1)
    if moment.startswith("before"):
        monkeypatch.setattr(Segments, "sync", _fail)
    else:
        monkeypatch.setattr(Segments, "remove", _fail)
    with pytest.raises((SpoolError, OSError)):
        await spool.sweep(now=sqlite.now, keep_history=1000)
    await sqlite.kill(spool)
    monkeypatch.undo()

    spool = await sqlite.start(2)
    assert sqlite.octets(spool, await now_stored(spool, held)) == KEPT
    await spool.sweep(now=sqlite.now, keep_history=1000)
    await sqlite.stop(spool)
    spool = await sqlite.start(2)
    await spool.sweep(now=sqlite.now, keep_history=1000)
    assert sqlite.octets(spool, await now_stored(spool, held)) == KEPT


def _fail(_: Segments, names: object) -> None:
    if names:
        raise SpoolError("the worker dies here")


async def test_a_full_disk_leaves_everything_where_it_is(sqlite, monkeypatch):
    spool = await sqlite.start()
    held = await held_among_finished(sqlite, spool)
    await sqlite.stop(spool)
    spool = await sqlite.start(1)

    def full(_: Segments, names: object) -> None:
        if names:
            raise SpoolFull("no room")

    monkeypatch.setattr(Segments, "sync", full)
    assert await spool.sweep(now=sqlite.now, keep_history=1000) == 0
    monkeypatch.undo()
    assert (await now_stored(spool, held)).content == held.content
    assert sqlite.octets(spool, held) == KEPT
