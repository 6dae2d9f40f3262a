"""What a store promises to the people who look at the queue and give it orders."""

import pytest

from relay.events import EventType
from relay.store.spool import Order, Selection, State


async def _held(bench, spool, key="dns:shop.example", **fields):
    message = await bench.put(spool, leased=True, **fields)
    await spool.record(
        [
            bench.change(message.queue_id, number, State.HELD, hold_key=key)
            for number in range(len(message.envelope.recipients))
        ]
    )
    return message


async def test_what_is_held_waits_for_its_key(bench, spool):
    first = await _held(bench, spool, "dns:a.example")
    second = await _held(bench, spool, "dns:b.example")
    bench.clock.advance(100_000)
    assert await bench.lease(spool) == []

    assert await spool.release("dns:a.example", now=bench.now) == 1

    assert await bench.lease(spool) == [(first.queue_id, 0)]
    assert await bench.states(spool, second.queue_id) == [State.HELD]
    assert [event.type for event in await spool.timeline(first.queue_id)] == [EventType.RELEASED]
    assert await spool.release("dns:a.example", now=bench.now) == 0


async def test_one_of_many_may_be_let_go(bench, spool):
    first, *others = [await _held(bench, spool) for _ in range(3)]

    assert await spool.release("dns:shop.example", now=bench.now, most=1) == 1

    assert await bench.states(spool, first.queue_id) == [State.QUEUED]
    assert [await bench.states(spool, other.queue_id) for other in others] == [[State.HELD]] * 2
    assert await spool.release("dns:shop.example", now=bench.now, most=1) == 1


async def test_the_keys_that_are_waited_for_are_named_once(bench, spool):
    await _held(bench, spool, "dns:a.example", companies=("one",))
    await _held(bench, spool, "dns:a.example", companies=("one",))
    await _held(bench, spool, "dns:a.example", companies=("two",))
    await _held(bench, spool, "", companies=("three",))

    assert sorted(await spool.held()) == [("dns:a.example", "one"), ("dns:a.example", "two")]


async def test_attempts_are_counted_anew_after_a_release(bench, spool):
    first = await _held(bench, spool, "dns:a.example")
    second = await _held(bench, spool, "")

    await spool.release("dns:a.example", now=bench.now)
    await spool.order(Order.RELEASE, Selection(queue_ids=(second.queue_id,)), now=bench.now, reason="")

    for message in (first, second):
        (entry,) = await spool.find(message.queue_id)
        assert entry.deliveries[0].attempts == 0


async def test_what_waits_for_a_person_is_released_by_no_key(bench, spool):
    message = await _held(bench, spool, "")

    assert await spool.release("", now=bench.now) == 0

    assert await bench.states(spool, message.queue_id) == [State.HELD]


async def _in_state(bench, spool, state, **fields):
    message = await bench.put(spool, leased=True, **fields)
    if state != "leased":
        change = bench.change(message.queue_id, state=state, next_attempt=bench.now + 3600, hold_key="key")
        await spool.record([change])
    return message


ALLOWED = {
    Order.RETRY: {State.QUEUED: State.QUEUED},
    Order.HOLD: {State.QUEUED: State.HELD},
    Order.RELEASE: {State.HELD: State.QUEUED},
    Order.DROP: {State.QUEUED: State.DROPPED, State.HELD: State.DROPPED},
}


@pytest.mark.parametrize("state", [*State, "leased"])
@pytest.mark.parametrize("order", Order)
async def test_orders_are_carried_out_as_far_as_the_state_allows(bench, spool, order, state):
    message = await _in_state(bench, spool, state)
    before = await spool.find(message.queue_id)
    after = ALLOWED[order].get(state)

    changed = await spool.order(
        order, Selection(queue_ids=(message.queue_id,), states=tuple(State)), now=bench.now, reason="asked"
    )

    assert changed == (after is not None)
    if after is None:
        assert await spool.find(message.queue_id) == before
        assert await spool.timeline(message.queue_id) == []
    else:
        assert await bench.states(spool, message.queue_id) == [after]
        (event,) = await spool.timeline(message.queue_id)
        assert (event.at, event.number, event.data) == (bench.now, 0, {"reason": "asked"})


@pytest.mark.parametrize(("order", "state"), [(Order.RETRY, State.QUEUED), (Order.RELEASE, State.HELD)])
async def test_what_is_retried_or_released_is_due_now(bench, spool, order, state):
    message = await _in_state(bench, spool, state)
    assert await bench.lease(spool) == []

    await spool.order(order, Selection(queue_ids=(message.queue_id,)), now=bench.now, reason="")

    assert await bench.lease(spool) == [(message.queue_id, 0)]


async def test_what_a_person_holds_only_a_person_releases(bench, spool):
    message = await bench.put(spool)

    await spool.order(Order.HOLD, Selection(queue_ids=(message.queue_id,)), now=bench.now, reason="wait")

    assert await bench.lease(spool) == []
    assert await spool.held() == []
    assert [entry.deliveries[0].last for entry in await spool.find(message.queue_id)] == ["wait"]


async def test_an_order_on_a_leased_delivery_leaves_the_outcome_to_its_holder(bench, spool):
    message = await bench.put(spool, "anna@shop.example", "ben@shop.example", leased=True)
    await spool.give_back([(message.queue_id, 1)], next_attempt=bench.now)

    assert await spool.order(Order.DROP, Selection(queue_ids=(message.queue_id,)), now=bench.now, reason="") == 1
    await spool.record([bench.change(message.queue_id, 0)])

    assert await bench.states(spool, message.queue_id) == [State.DELIVERED, State.DROPPED]


async def test_a_selection_means_all_its_conditions(bench, spool):
    wanted = await bench.put(spool, "anna@shop.example", companies=("shop",))
    await bench.put(spool, "anna@shop.example", companies=("else",))
    await bench.put(spool, "ben@shop.example", companies=("shop",))
    held = await _held(bench, spool)
    done = await bench.put(spool, leased=True)
    await spool.record([bench.change(done.queue_id)])

    selection = Selection(states=(State.QUEUED,), company="shop", recipient="anna@shop.example")

    assert [entry.message.queue_id for entry in await spool.select(selection)] == [wanted.queue_id]
    assert [entry.message.queue_id for entry in await spool.select(Selection(states=(State.HELD,)))] == [held.queue_id]
    assert len(await spool.select(Selection())) == 4
    assert len(await spool.select(Selection(limit=2))) == 2
    assert await spool.select(Selection(queue_ids=("unknown",))) == []


async def test_an_order_changes_no_more_than_its_limit(bench, spool):
    for _ in range(5):
        await bench.put(spool)

    assert await spool.order(Order.HOLD, Selection(limit=3), now=bench.now, reason="") == 3
    assert await spool.counts() == {State.QUEUED: 2, State.HELD: 3}


async def test_the_counts_are_of_live_deliveries(bench, spool):
    assert await spool.counts() == {State.QUEUED: 0, State.HELD: 0}
    await bench.put(spool, "anna@a.example", "ben@b.example")
    await bench.put(spool, leased=True)
    await _held(bench, spool)
    done = await bench.put(spool, leased=True)
    await spool.record([bench.change(done.queue_id)])

    assert await spool.counts() == {State.QUEUED: 3, State.HELD: 1}


async def test_messages_are_found_by_any_of_their_names(bench, spool):
    message = await bench.put(spool, "anna@shop.example", "ben@shop.example", message_id="<Invoice.7@app.example>")
    await bench.put(spool, "carl@shop.example")

    for key in (
        message.queue_id,
        "<Invoice.7@app.example>",
        "Invoice.7@app.example",
        "ben@shop.example",
        "ben@SHOP.example",
    ):
        (entry,) = await spool.find(key)
        assert entry.message == message
        assert [delivery.number for delivery in entry.deliveries] == [0, 1]
    for key in ("unknown", "", "anna", "%", "<>"):
        assert await spool.find(key) == []


async def test_messages_without_a_name_of_their_own_are_not_found_by_none(bench, spool):
    await bench.put(spool, message_id="")

    assert await spool.find("") == []
    assert await spool.find("<>") == []


async def test_the_newest_twenty_are_found(bench, spool):
    for number in range(25):
        await bench.put(spool, "anna@shop.example", queue_id=f"{number:02d}")

    found = [entry.message.queue_id for entry in await spool.find("anna@shop.example")]

    assert found == [f"{number:02d}" for number in range(24, 4, -1)]
