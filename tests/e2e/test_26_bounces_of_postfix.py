"""Postfix of Debian takes a mail and cannot deliver it: the app hears of it, with what it means and what to do."""

from collections.abc import AsyncIterator

import pytest

from relay.sandbox.world import World
from tests.peers.app_endpoint import Receiver
from tests.peers.postfix import Listening, receiving_host

from .conftest import StartRelay
from .mail import message
from .relay_process import Relay
from .test_24_events import ask_for, begin

HOST, POSTFIX = "mx.postfix.example", "127.0.20.5"
TO = "gone@postfix.example"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def relay(start_relay: StartRelay, receiver: Receiver, world: World) -> AsyncIterator[Relay]:
    relay = await begin(start_relay, receiver)
    world.zones.publish(HOST, "A", POSTFIX)
    world.zones.publish("postfix.example", "MX", f"10 {HOST}.")
    certificate, key = world.authority.issue(HOST)
    where = Listening(HOST, POSTFIX, world.smtp_port, key + certificate)
    async with receiving_host(where, domain="postfix.example", relay=(relay.host, relay.ports["mx"])):
        yield relay


async def test_what_comes_back_is_explained_to_the_app(relay: Relay, receiver: Receiver) -> None:
    queue_id = await relay.submit(message(), TO)
    await receiver.until(lambda: any(event["type"] == "bounced" for event in receiver.taken))

    (bounced,) = [event for event in receiver.taken if event["type"] == "bounced"]
    assert (bounced["queue_id"], bounced["number"]) == (queue_id, 0)
    data = bounced["data"]
    assert (data["recipient"], data["class"], data["permanent"], data["status"]) == (TO, "address-gone", True, "5.1.1")
    assert set(data["explanation"]) == set(data["advice"]) == {"de", "en", "fr", "nl"}
    assert [event for event in ask_for(relay) if event["type"] == "bounced"] == [bounced]
    told = (await relay.command("trace", queue_id)).out
    assert f"address-gone: {data['explanation']['en']}" in told
    assert f"what to do: {data['advice']['en']}" in told
