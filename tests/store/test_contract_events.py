"""What a store promises to those who read events on from where they were."""

import asyncio

from relay.events import Event, EventType


def happened(kind: EventType, message, number: int | None = 0, **data) -> Event:
    return Event(kind, message.received_at, message.queue_id, number, data)


async def everything(spool, app: str, after: int | None = 0, limit: int = 3):
    """All pages from `after` on."""
    events = []
    while True:
        page = await spool.app_events(app, after=after, limit=limit)
        assert len(page.events) <= limit
        events += page.events
        after = page.last
        if not page.more:
            return events, after


async def test_an_app_reads_its_own_events_in_order(bench, spool):
    mine, other = await bench.put(spool, app="billing"), await bench.put(spool, app="shop")
    for number in range(10):
        await spool.note([happened(EventType.DEFERRED, message, n=number) for message in (mine, other)])

    events, last = await everything(spool, "billing")

    assert [stored.event.data["n"] for stored in events] == list(range(10))
    assert [stored.id for stored in events] == sorted({stored.id for stored in events})
    assert {(stored.message_id, stored.company) for stored in events} == {(mine.message_id, "shop")}
    assert await everything(spool, "billing", last) == ([], last)
    assert await everything(spool, "nobody") == ([], last)


async def test_the_company_is_that_of_the_delivery(bench, spool):
    message = await bench.put(spool, "a@x.example", "b@x.example", companies=("one", "two"), app="billing")
    await spool.note([happened(EventType.DEFERRED, message, number) for number in (1, 0, None)])

    events, _ = await everything(spool, "billing")

    assert [(stored.event.number, stored.company) for stored in events] == [(1, "two"), (0, "one"), (None, "one")]


async def test_who_begins_at_the_end_sees_what_comes(bench, spool):
    message = await bench.put(spool, app="billing")
    await spool.note([happened(EventType.DEFERRED, message)])

    end = await spool.app_events("billing", after=None, limit=10)
    await spool.note([happened(EventType.DELIVERED, message)])
    page = await spool.app_events("billing", after=end.last, limit=10)

    assert (end.events, end.more) == ((), False)
    assert [stored.event.type for stored in page.events] == [EventType.DELIVERED]
    assert (await spool.app_events("billing", after=10**9, limit=10)).last == page.last


async def test_nothing_is_passed_over_while_many_write(bench, spool):
    others = [await bench.start(slot) for slot in range(2, 5)]
    messages = [await bench.put(worker, app="billing") for worker in others]
    seen, after = [], 0

    async def write(worker, message) -> None:
        for number in range(30):
            await worker.note([happened(EventType.DEFERRED, message, n=number)])

    writing = asyncio.gather(*(write(*pair) for pair in zip(others, messages, strict=True)))
    while len(seen) < 90:
        page = await spool.app_events("billing", after=after, limit=7)
        seen += page.events
        after = page.last
        await asyncio.sleep(0)
    await writing

    assert (await everything(spool, "billing"))[0] == seen
    for message in messages:
        assert [s.event.data["n"] for s in seen if s.event.queue_id == message.queue_id] == list(range(30))


async def test_ids_are_not_given_twice_when_all_is_forgotten(bench, spool):
    message = await bench.put(spool, app="billing", leased=True)
    await spool.record([bench.change(message.queue_id)], [happened(EventType.DELIVERED, message)])
    before = await everything(spool, "billing")
    bench.clock.advance(100)
    await spool.sweep(now=bench.now, keep_history=10)
    assert await everything(spool, "billing") == ([], before[1])

    again = await bench.put(spool, app="billing")
    await spool.note([happened(EventType.DEFERRED, again)])

    page = await spool.app_events("billing", after=before[1], limit=10)
    assert [stored.event.queue_id for stored in page.events] == [again.queue_id]


async def test_a_long_way_without_anything_for_this_app(bench, spool, monkeypatch):
    monkeypatch.setattr("relay.store.sqlite.event_pages._SCANNED", 4)
    other, mine = await bench.put(spool, app="shop"), await bench.put(spool, app="billing")
    await spool.note([happened(EventType.DEFERRED, other) for _ in range(20)])
    await spool.note([happened(EventType.DEFERRED, mine)])

    first = await spool.app_events("billing", after=0, limit=10)

    assert (first.events, first.more) == ((), True)
    assert len((await everything(spool, "billing"))[0]) == 1
