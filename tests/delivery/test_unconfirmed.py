"""Mail of a company that has not confirmed its address waits, and goes on by itself."""

import asyncio

import pytest

from relay.events import EventType
from relay.facts.addresses import KIND
from relay.sandbox.scripted_peer import ScriptedPeer
from relay.store.spool import Origin, State

from .house import BAKERY


@pytest.fixture
async def asking(house):
    house.configure(verification={"required": True})
    return house


async def test_it_is_held_and_the_company_is_asked_once(asking):
    house = asking
    first, second = await house.deliver(), await house.deliver()
    for queue_id in (first, second):
        delivery = await house.delivery(queue_id)
        assert (delivery.state, delivery.hold_key) == (State.HELD, "address:bakery:info@bakery.example")
        assert "has not confirmed its address info@bakery.example" in delivery.last
    events = house.sink.of(EventType.HELD)
    assert [event.data["status"] for event in events] == ["4.7.1", "4.7.1"]
    assert len(await house.spool.facts.take_due(KIND, now=house.clock.at, until=house.clock.at + 9, limit=9)) == 1


async def test_it_goes_on_by_itself_when_the_address_is_confirmed(asking):
    house = asking
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        house.host("customer.example", "127.0.0.1")
        queue_id = await house.deliver()
        await house.dispatcher.release_held()
        assert (await house.delivery(queue_id)).state is State.HELD
        await house.dispatcher._sending.addresses.mark(BAKERY, "known")
        assert await house.lease() == 1
        assert (await house.delivery(queue_id)).state is State.DELIVERED


async def test_what_was_held_while_the_address_was_being_confirmed_is_found(asking):
    """Decided before, written down after: nothing released it."""
    house = asking
    queue_id = await house.deliver()
    fact = await house.spool.facts.get(KIND, "bakery info@bakery.example")
    confirmed = {"at": 1.0, "how": "link", "reason": ""}
    await house.spool.facts.put(type(fact)(KIND, fact.key, {**fact.value, "confirmed": confirmed}, fact.version))
    await house.dispatcher.release_held()
    assert (await house.delivery(queue_id)).state is State.QUEUED


async def test_it_is_held_although_the_company_cannot_be_asked(asking, monkeypatch):
    house = asking

    async def broken(company, *, by_itself):
        raise ValueError("test")

    monkeypatch.setattr(house.dispatcher._sending.addresses, "ask", broken)
    queue_id = await asyncio.wait_for(house.deliver(), 10)
    assert (await house.delivery(queue_id)).state is State.HELD
    assert house.dispatcher.in_hand == 0


async def test_mail_from_outside_and_of_the_relay_itself_does_not_wait(asking):
    house = asking
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        house.host("bakery.example", "127.0.0.1")
        for origin in (Origin.MX, Origin.NOTICE, Origin.REPORT):
            queue_id = await house.deliver("info@bakery.example", origin=origin, sender="")
            assert (await house.delivery(queue_id)).state is State.DELIVERED
