"""Idle, slow, erroneous, greedy clients: cut or put off, while others are served."""

import asyncio

import pytest

from relay.sandbox.world import World

from .client import RawClient
from .conftest import StartRelay
from .mail import message
from .relay_process import BAKKERIJ, DOMAIN, Relay

NETWORK = {"erp": {"networks": ["127.0.0.0/8"], "companies": "all"}}
TO = "an@klant.example"


@pytest.fixture
async def relay(start_relay: StartRelay) -> Relay:
    limits = {
        "idle_timeout": "1s",
        "data_timeout": "2s",
        "errors_per_session": 3,
        "connections_per_peer": 4,
        "message_size": "1MiB",
        "receiving_bytes": "1MiB",
    }
    return await start_relay(apps=NETWORK, limits=limits)


def client_of(relay: Relay, listener: str = "submission") -> RawClient:
    return RawClient(relay.host, relay.ports[listener])


async def drip(client: RawClient, octets: bytes) -> str:
    """Send octet after octet, slowly, until the other side says something; what it says."""
    answer = asyncio.create_task(client.reply())
    for octet in octets:
        await client.send(bytes([octet]))
        done, _ = await asyncio.wait([answer], timeout=0.2)
        if done:
            break
    return await answer


async def test_time_is_limited(relay: Relay) -> None:
    async with client_of(relay) as idle:
        await idle.hello()
        assert await idle.reply() == "421 4.4.2 Waited too long"
        assert await idle.reply() == ""
    async with client_of(relay) as dripping:
        await dripping.hello()
        assert await drip(dripping, b"NOOP " + b"x" * 100) == "421 4.4.2 Waited too long"
    async with client_of(relay, "mx") as slow:
        await slow.hello()
        await slow.envelope(TO, BAKKERIJ)
        assert (await slow.say("DATA")).startswith("354")
        assert await drip(slow, message() * 10) == "421 4.4.2 Waited too long"
        assert await slow.reply() == ""
    assert relay.events("received") == []


async def test_errors_are_limited(relay: Relay) -> None:
    async with client_of(relay, "mx") as client:
        await client.hello()
        await client.envelope("stranger@klant.example")
        for number in range(2):
            assert (await client.say(f"RCPT TO:<guess{number}@{DOMAIN}>")).startswith("550 5.1.1")
        assert (await client.say(f"RCPT TO:<guess@{DOMAIN}>")).startswith("550 5.1.1")
        assert await client.reply() == "421 4.7.0 Too many errors"
        assert await client.reply() == ""


async def test_connections_are_limited(relay: Relay, world: World) -> None:
    async with client_of(relay) as one, client_of(relay) as two, client_of(relay) as three, client_of(relay) as four:
        for client in (one, two, three, four):
            assert (await client.reply()).startswith("220")
        async with client_of(relay) as fifth:
            assert (await fifth.reply()).startswith("421 4.7.0 Too many connections")
            assert await fifth.reply() == ""
        # Others are not kept out by it.
        source = world.addresses["mx.klant.example"]
        async with RawClient(relay.host, relay.ports["mx"], source=source) as other:
            await other.hello()


async def test_memory_for_messages_is_limited(relay: Relay, world: World) -> None:
    large = message(body=(b"x" * 98 + b"\r\n") * 7000)
    async with client_of(relay) as first, client_of(relay) as second:
        for client in (first, second):
            await client.hello()
            await client.envelope(BAKKERIJ, TO)
            assert (await client.say("DATA")).startswith("354")
        await first.send(large)
        # The relay has all of it in hand when it answers somebody else who came after it.
        async with client_of(relay) as third:
            await third.hello()
        await second.send(large + b".\r\n")
        assert (await second.reply()).startswith("452 4.3.1")
        await second.envelope(BAKKERIJ, TO, mail=" SIZE=700000")
        assert (await second.say("DATA")).startswith("452 4.3.1")
        await first.send(b".\r\n")
        assert (await first.reply()).startswith("250 2.0.0")
        # There is room again.
        assert (await second.say("DATA")).startswith("354")
        await second.send(message(message_id="<2@app.example>") + b".\r\n")
        assert (await second.reply()).startswith("250 2.0.0")
    for message_id in ("<1@app.example>", "<2@app.example>"):
        await world.wait_for(lambda received, wanted=message_id: received.header("Message-ID") == wanted, 60)
