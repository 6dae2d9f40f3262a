"""An app hears of all that happened to its mail, in order, through kills of workers and trouble at its endpoint."""

import asyncio
import base64
import itertools
import json
import os
import random
import signal
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import apsw
import pytest

from relay.sandbox.scripted_peer import ScriptedPeer
from relay.sandbox.world import World
from tests.peers.app_endpoint import Receiver, Request

from .conftest import StartRelay
from .ledger import Ledger
from .mail import message
from .relay_process import APP, PASSWORD, Relay
from .until import PATIENCE, until

SINK = "127.0.20.4"
OWN_DOMAIN = {"identity": "own-domain", "otherwise": "alias"}  # and nothing is published for it
SECRET = "a secret between the relay and one app"


@pytest.fixture
async def sink(world: World) -> AsyncIterator[ScriptedPeer]:
    """A host that takes everything, quickly."""
    world.zones.publish("mx.sink.example", "A", SINK)
    world.zones.publish("sink.example", "MX", "10 mx.sink.example.")
    async with ScriptedPeer(host=SINK, port=world.smtp_port) as peer:
        yield peer


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


async def begin(start_relay: StartRelay, receiver: Receiver, **changes: Any) -> Relay:
    """A relay whose app has a webhook, and has a network too, so that it can hand in without a login."""
    relay = await start_relay(start=False)
    relay.put("var/hook-secret", f"{SECRET}\n")
    webhook = {"url": receiver.url, "allow_private": True, "secret": {"file": "var/hook-secret"}}
    relay.change({"apps": {APP: {"networks": ["127.0.0.0/8"], "webhook": webhook}}, **changes})
    await relay.start()
    # From here on everything is told.
    await until(lambda: "webhook" in _facts(relay), "somebody knows of the webhook")
    return relay


def _facts(relay: Relay) -> list[str]:
    connection = apsw.Connection(str(relay.place / "var/relay.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return [str(kind) for (kind,) in connection.execute("SELECT kind FROM fact")]
    finally:
        connection.close()


def ask_for(relay: Relay) -> list[dict[str, Any]]:
    """All events as an app gets them that asks, page by page."""
    login = base64.b64encode(f"{APP}:{PASSWORD}".encode()).decode()
    events: list[dict[str, Any]] = []
    after, more = 0, True
    while more:
        url = f"http://{relay.host}:{relay.ports['web']}/api/v1/events?limit=1000&after={after}"
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {login}"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            page = json.load(answer)
        events += page["events"]
        after, more = page["next"], page["more"]
    return events


async def test_a_fallback_is_never_silent(start_relay: StartRelay, receiver: Receiver, world: World) -> None:
    relay = await begin(start_relay, receiver)
    relay.change_company(
        "slagerij", name="Slagerij", address="info@slagerij.example", alias="slagerij", outgoing=OWN_DOMAIN
    )
    await relay.event("reloaded", added=1)
    queue_id = await relay.submit(message(), "an@klant.example", sender="slagerij@my.relay.example")
    await world.wait_for("an@klant.example", 60)
    await receiver.until(lambda: any(event["type"] == "delivered" for event in receiver.taken))

    received, delivered = (event for event in receiver.taken if event["queue_id"] == queue_id)
    assert received["type"] == "received"
    assert delivered["company"] == "slagerij"
    data = delivered["data"]
    assert (data["wanted"], data["identity"], data["fallback"]) == ("own-domain", "alias", True)
    assert data["reasons"]
    assert all(request.is_signed_with(SECRET.encode()) for request in receiver.requests)
    assert not any(SECRET in text for text in (relay.log.read_text(), *(r.body.decode() for r in receiver.requests)))


@pytest.mark.timeout(400)
async def test_no_event_is_lost_by_kills_and_trouble(
    start_relay: StartRelay, receiver: Receiver, sink: ScriptedPeer
) -> None:
    # A status that is no success, silence, and an answer that is lost: whatever an endpoint does, sooner or later.
    trouble = itertools.cycle([204, 500, 204, 204, 503, 500, *[204] * 10, None, *[204] * 10])
    receiver.answer = lambda _: next(trouble)
    relay = await begin(start_relay, receiver, workers=3, limits={"connections_per_peer": 1000})
    ledger = Ledger(relay, "an@sink.example")
    kills = 0
    async with ledger.load(3):
        for _ in range(2):
            for victims in (1, 2):
                await ledger.more(random.randrange(20, 60))
                for pid in random.sample(relay.workers(), victims):
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
            await ledger.more(20)
            kills += await relay.kill_everything()
            await relay.start()
        await ledger.more(20)
    await relay.is_empty()
    assert kills >= 10
    everything = await asyncio.to_thread(ask_for, relay)
    ids = [event["id"] for event in everything]
    assert ids == sorted(set(ids))
    await until(lambda: set(ids) <= {event["id"] for event in receiver.taken}, "all was told", 4 * PATIENCE)

    known = {event["id"]: event for event in everything}
    assert all(known.get(event["id"], event) == event for event in receiver.taken)
    delivered = {event["queue_id"] for event in receiver.taken if event["type"] == "delivered"}
    assert set(ledger.accepted.values()) <= delivered
    _assert_in_order(receiver.requests)
    assert relay.events("fault") == []


def _assert_in_order(requests: list[Request]) -> None:
    """Whatever is told for the first time comes after all that happened before it, not only to the same mail."""
    seen: set[int] = set()
    first_times = []
    for request in requests:
        first_times += [event["id"] for event in request.events if event["id"] not in seen]
        seen.update(event["id"] for event in request.events)
    assert first_times == sorted(first_times)


async def test_an_endpoint_that_answers_gone_is_told_of_and_mail_goes_on(
    start_relay: StartRelay, receiver: Receiver, world: World
) -> None:
    receiver.answer = lambda _: 410
    relay = await begin(start_relay, receiver)
    await relay.submit(message(), "an@klant.example")
    await world.wait_for("an@klant.example", 60)
    assert (await relay.event("webhook-gone"))["app"] == APP

    async def told() -> bool:
        ended = await relay.command("status")
        return ended.code == 1 and f"the webhook of {APP} answered 410" in ended.out

    await until(told, "relay status says so")
    await relay.submit(message(), "an@klant.example")
    await relay.is_empty()
