"""A company's own address that takes no mail: what was taken waits for it, and goes when it is back."""

import pytest

from relay.events import EventType
from relay.facts.troubles import KIND as TROUBLE
from relay.sandbox.scripted_peer import Drop, Say, Script, ScriptedPeer
from relay.store.spool import Origin, State

from .house import BAKERY, DAY, DOMAIN

NOBODY = Script(rcpt=Say("550 5.1.1 Nobody"))
BLOCKED = Script(rcpt=Say("550 5.7.1 Blocked"))


async def forward(house) -> str:
    house.host("bakery.example", "127.0.0.1")
    return await house.deliver(f"bakery@{DOMAIN}", sender="anna@customer.example", origin=Origin.MX)


async def test_what_was_taken_waits_until_the_address_works_again(house):
    once = Script(rcpt=(Say("550 5.1.1 Nobody"), Drop()))
    async with ScriptedPeer(once, once, Script()) as peer:
        house.configure(delivery={"port": peer.port})
        first = await forward(house)
        assert (await house.delivery(first)).hold_key == "home:bakery:info@bakery.example"
        assert len(house.sink.of(EventType.ADDRESS_REFUSED)) == 1
        (told,) = await house.spool.facts.list(TROUBLE)
        assert (told.key, told.value["over"]) == ("bakery address-refused", False)
        assert told.value["details"]["about"] == "info@bakery.example"
        refusal = await house.dispatcher.homes.refusal(BAKERY)
        assert refusal is not None
        assert refusal.code == 450

        # Nothing is tried before a day has passed; then once.
        await house.dispatcher.release_held()
        assert (await house.delivery(first)).state is State.HELD
        for state in (State.HELD, State.DELIVERED):
            house.clock.at += DAY
            await house.dispatcher.release_held()
            await house.lease()
            assert (await house.delivery(first)).state is state
    assert len(house.sink.of(EventType.ADDRESS_REFUSED)) == 1
    assert len(house.sink.of(EventType.ADDRESS_BACK)) == 1
    # Nobody had been told yet, so nobody hears of the end.
    assert await house.spool.facts.list(TROUBLE) == []
    assert await house.dispatcher.homes.refusal(BAKERY) is None


@pytest.mark.parametrize("script", [BLOCKED, Script(end=Say("550 5.1.1 Nobody"))])
async def test_a_verdict_on_one_mail_says_nothing_of_the_address(house, script):
    async with ScriptedPeer(script) as peer:
        house.configure(delivery={"port": peer.port})
        delivery = await house.delivery(await forward(house))
    assert (delivery.state, delivery.hold_key) == (State.HELD, "")
    assert await house.dispatcher.homes.refusal(BAKERY) is None


async def test_a_customer_who_is_gone_says_nothing_of_the_company(house):
    async with ScriptedPeer(NOBODY) as peer:
        house.configure(delivery={"port": peer.port})
        await house.deliver()
    assert not house.sink.of(EventType.ADDRESS_REFUSED)
