"""What a store promises about recording what attempts came to."""

import asyncio
from types import MappingProxyType

import pytest

from relay.events import Event, EventType
from relay.store.spool import Origin, SpoolError, State


@pytest.mark.parametrize("state", [State.DELIVERED, State.FAILED, State.EXPIRED, State.DROPPED])
async def test_a_final_outcome_is_final(bench, spool, state):
    message = await bench.put(spool, leased=True)

    await spool.record([bench.change(message.queue_id, state=state, attempts=3, last="so it was")])

    ((delivery,),) = [entry.deliveries for entry in await spool.find(message.queue_id)]
    assert (delivery.state, delivery.attempts, delivery.last, delivery.worker) == (state, 3, "so it was", "")
    bench.clock.advance(1_000_000)
    assert await bench.lease(spool) == []


async def test_a_deferred_delivery_comes_again_in_its_time(bench, spool):
    message = await bench.put(spool, leased=True)
    retry = bench.now + 300

    await spool.record(
        [bench.change(message.queue_id, state=State.QUEUED, next_attempt=retry, delay_noticed=True, last="451 later")]
    )

    assert await bench.lease(spool) == []
    bench.clock.advance(300)
    ((delivery,),) = [entry.deliveries for entry in await spool.lease(now=bench.now, limit=1)]
    assert (delivery.attempts, delivery.next_attempt, delivery.delay_noticed, delivery.last) == (
        1,
        retry,
        True,
        "451 later",
    )


async def test_each_recipient_has_its_own_outcome(bench, spool):
    message = await bench.put(spool, "anna@shop.example", "ben@shop.example", "carl@shop.example", leased=True)

    await spool.record(
        [bench.change(message.queue_id, 0), bench.change(message.queue_id, 2, State.QUEUED, next_attempt=bench.now + 1)]
    )

    assert await bench.states(spool, message.queue_id) == [State.DELIVERED, State.QUEUED, State.QUEUED]
    bench.clock.advance(10)
    assert await bench.lease(spool) == [(message.queue_id, 2)]


async def test_outcomes_recorded_together_are_all_there(bench, spool):
    messages = [await bench.put(spool, leased=True) for _ in range(30)]

    await asyncio.gather(*(spool.record([bench.change(message.queue_id)]) for message in messages))

    for message in messages:
        assert await bench.states(spool, message.queue_id) == [State.DELIVERED]


async def _lost(bench, spool, **fields):
    """A message whose lease `spool` had and another has now."""
    other = await bench.start(2)
    message = await bench.put(spool, leased=True, **fields)
    assert await bench.outlive(other) == 1
    assert await bench.lease(other) == [(message.queue_id, 0)]
    return message, other


@pytest.mark.parametrize("state", State)
async def test_who_lost_the_lease_changes_nothing(bench, spool, state):
    message, other = await _lost(bench, spool)
    before = await spool.find(message.queue_id)

    await spool.record([bench.change(message.queue_id, state=state, next_attempt=bench.now, attempts=9, last="mine")])

    assert await spool.find(message.queue_id) == before
    assert await bench.lease(spool) == []
    await other.record([bench.change(message.queue_id, state=State.QUEUED)])
    assert await bench.lease(spool) == [(message.queue_id, 0)]


async def test_who_lost_the_lease_finishes_nothing(bench, spool):
    message, other = await _lost(bench, spool, octets=b"still needed")
    await spool.record([bench.change(message.queue_id)])
    await bench.stop(spool)

    bench.clock.advance(1_000_000)
    await other.sweep(now=bench.now, keep_history=0)

    assert bench.octets(other, message) == b"still needed"
    assert len(await other.find(message.queue_id)) == 1


async def test_who_lost_the_lease_reports_nothing_but_is_heard(bench, spool):
    message, _ = await _lost(bench, spool)
    report = bench.acceptance(spool, "app@sender.example", origin=Origin.REPORT)
    event = Event(EventType.FAILED, bench.now, message.queue_id, 0, {"reply": "550"})

    await spool.record([bench.change(message.queue_id, state=State.FAILED)], [event], [report])

    assert await spool.find(report.message.queue_id) == []
    assert await spool.timeline(message.queue_id) == [event]


async def test_a_finished_delivery_cannot_be_recorded_again(bench, spool):
    message = await bench.put(spool, leased=True)
    await spool.record([bench.change(message.queue_id)])

    await spool.record([bench.change(message.queue_id, state=State.QUEUED)])

    assert await bench.states(spool, message.queue_id) == [State.DELIVERED]


async def test_a_report_comes_with_the_outcome_it_tells_of(bench, spool):
    message = await bench.put(spool, leased=True)
    report = bench.acceptance(spool, "app@sender.example", octets=b"sorry", companies=("",), origin=Origin.REPORT)

    await spool.record([bench.change(message.queue_id, state=State.FAILED)], reports=[report])

    assert await bench.states(spool, message.queue_id) == [State.FAILED]
    (entry,) = await spool.lease(now=bench.now, limit=10)
    assert entry.message == report.message
    assert bench.octets(spool, entry.message) == b"sorry"


async def test_a_report_that_cannot_be_written_takes_the_outcome_with_it(bench, spool):
    message = await bench.put(spool, leased=True)
    good = bench.acceptance(spool, "app@sender.example")
    bad = bench.acceptance(spool, "app@sender.example", queue_id=message.queue_id)
    event = Event(EventType.FAILED, bench.now, message.queue_id, 0)

    with pytest.raises(SpoolError):
        await spool.record([bench.change(message.queue_id, state=State.FAILED)], [event], [good, bad])

    assert await bench.states(spool, message.queue_id) == [State.QUEUED]
    assert await spool.timeline(message.queue_id) == []
    assert await spool.find(good.message.queue_id) == []
    await spool.record([bench.change(message.queue_id)])
    assert await bench.states(spool, message.queue_id) == [State.DELIVERED]


async def test_an_outcome_that_cannot_be_written_does_not_fail_its_neighbours(bench, spool):
    messages = [await bench.put(spool, leased=True) for _ in range(3)]
    bad = bench.acceptance(spool, queue_id=messages[0].queue_id)

    results = await asyncio.gather(
        spool.record([bench.change(messages[0].queue_id)]),
        spool.record([bench.change(messages[1].queue_id)], reports=[bad]),
        spool.record([bench.change(messages[2].queue_id)]),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [type(None), SpoolError, type(None)]
    states = [await bench.states(spool, message.queue_id) for message in messages]
    assert states == [[State.DELIVERED], [State.QUEUED], [State.DELIVERED]]


async def test_the_timeline_is_in_order_of_time(bench, spool):
    start = bench.now
    message = await bench.put(
        spool, leased=True, events=(Event(EventType.RECEIVED, start, "id000001", None, {"size": 9}),)
    )
    assert message.queue_id == "id000001"
    deferred = Event(EventType.DEFERRED, start + 5, message.queue_id, 0, MappingProxyType({"reply": ["4", {"a": 1}]}))
    delivered = Event(EventType.DELIVERED, start + 9, message.queue_id, 0)
    decided = [Event(EventType.DELAYED, start + 2, message.queue_id, 0, {"nth": nth}) for nth in range(3)]

    await spool.record([bench.change(message.queue_id, state=State.QUEUED)], [delivered])
    await spool.note([deferred])
    await spool.note(decided)

    timeline = await spool.timeline(message.queue_id)
    assert [event.type for event in timeline] == [EventType.RECEIVED, *[EventType.DELAYED] * 3, "deferred", "delivered"]
    assert timeline == [
        Event(EventType.RECEIVED, start, message.queue_id, None, {"size": 9}),
        *decided,
        Event(EventType.DEFERRED, start + 5, message.queue_id, 0, {"reply": ["4", {"a": 1}]}),
        delivered,
    ]


async def test_notes_on_unknown_messages_are_not_kept(bench, spool):
    await spool.note([Event(EventType.BOUNCED, bench.now, "unknown", 0), Event(EventType.STARTED, bench.now)])

    assert await spool.timeline("unknown") == []
    assert await spool.timeline("") == []


async def test_the_company_of_a_delivery_is_known(bench, spool):
    message = await bench.put(spool, "anna@a.example", "ben@b.example", companies=("a", ""))

    assert await spool.company_of(message.queue_id, 0) == "a"
    assert await spool.company_of(message.queue_id, 1) == ""
    assert await spool.company_of(message.queue_id, 2) is None
    assert await spool.company_of("unknown", 0) is None
