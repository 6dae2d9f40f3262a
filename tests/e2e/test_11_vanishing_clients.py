"""Clients that are gone before they hear our answer: what they sent whole is delivered, what is not whole is not."""

import pytest

from relay.sandbox.world import World

from .client import RawClient
from .conftest import StartRelay
from .mail import message
from .relay_process import BAKKERIJ, Relay

TO = "an@klant.example"


@pytest.fixture
async def relay(start_relay: StartRelay) -> Relay:
    return await start_relay(apps={"erp": {"networks": ["127.0.0.0/8"], "companies": "all"}})


async def test_gone_right_after_the_final_dot(relay: Relay, world: World) -> None:
    async with RawClient(relay.host, relay.ports["submission"]) as client:
        await client.hello()
        await client.envelope(BAKKERIJ, TO)
        assert (await client.say("DATA")).startswith("354")
        await client.send(message() + b".\r\n")
        client.vanish()
    assert (await world.wait_for(TO, 60)).accepted


async def test_gone_right_after_the_last_chunk(relay: Relay, world: World) -> None:
    async with RawClient(relay.host, relay.ports["submission"]) as client:
        await client.hello()
        await client.envelope(BAKKERIJ, TO)
        await client.send(f"BDAT {len(message())} LAST\r\n".encode() + message())
        client.vanish()
    assert (await world.wait_for(TO, 60)).accepted


async def test_half_closed_after_the_final_dot(relay: Relay, world: World) -> None:
    async with RawClient(relay.host, relay.ports["submission"]) as client:
        await client.hello()
        await client.envelope(BAKKERIJ, TO)
        assert (await client.say("DATA")).startswith("354")
        await client.send(message() + b".\r\n")
        client.half_close()
        assert (await client.reply()).startswith("250 2.0.0")
        assert await client.reply() == ""
    assert (await world.wait_for(TO, 60)).accepted


async def test_gone_before_the_final_dot(relay: Relay, world: World) -> None:
    for end in (b"", b".", b".\r", b"\r\n"):
        async with RawClient(relay.host, relay.ports["submission"]) as client:
            await client.hello()
            await client.envelope(BAKKERIJ, TO)
            assert (await client.say("DATA")).startswith("354")
            await client.send(message() + end)
            client.half_close()
            assert await client.reply() == ""
    assert relay.events("received") == world.received() == []
    assert await relay.queue() == []
