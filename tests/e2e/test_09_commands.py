"""Commands beside a running relay: the queue obeys people, and figures are those of all workers together."""

import pytest

from relay.sandbox.scripted_peer import Hang, Script, ScriptedPeer
from relay.sandbox.world import World

from .conftest import StartRelay
from .mail import message
from .relay_process import BAKKERIJ, Relay
from .until import until

LATER = "127.0.20.6"


@pytest.fixture
async def relay(start_relay: StartRelay, world: World) -> Relay:
    """A relay that tries again in an hour, and a host that is not up yet."""
    world.zones.publish("mx.later.example", "A", LATER)
    world.zones.publish("later.example", "MX", "10 mx.later.example.")
    return await start_relay(delivery={"retry": ["1h"]}, workers=2)


async def wait_for_states(relay: Relay, *states: str) -> None:
    async def are_so() -> bool:
        return sorted(each["state"] for each in await relay.queue()) == sorted(states)

    await until(are_so, f"the queue holds {states}")


async def order(relay: Relay, *words: str) -> int:
    ended = await relay.command("queue", *words, "--json")
    return int(ended.json["changed"])


async def test_people_give_orders(relay: Relay, world: World) -> None:
    first = await relay.submit(message(), "first@later.example")
    second = await relay.submit(message(), "second@later.example")
    third = await relay.submit(message(), "third@later.example", "fourth@later.example")
    await relay.event("deferred", count=4)
    assert await order(relay, "hold", first, "--reason", "looks odd") == 1
    (journey,) = await relay.trace(first)
    assert journey["deliveries"][0]["state"] == "held"
    assert journey["events"][-1]["data"]["reason"] == "looks odd"
    assert await order(relay, "drop", "--yes", "--recipient", "third@later.example") == 1
    async with ScriptedPeer(host=LATER, port=world.smtp_port) as peer:
        assert await order(relay, "retry", second) == 1
        await peer.wait_for(lambda peer: len(peer.messages) == 1, 60)
        assert await order(relay, "release", first) == 1
        await peer.wait_for(lambda peer: len(peer.messages) == 2, 60)
        assert await order(relay, "retry", "--company", "bakkerij-peeters") == 1
        await peer.wait_for(lambda peer: len(peer.messages) == 3, 60)
        asked_for = [line for record in peer.records for line in record.lines if line.startswith("RCPT")]
    assert sorted(line.partition("<")[2].partition(">")[0] for line in asked_for) == [
        "first@later.example",
        "fourth@later.example",
        "second@later.example",
    ]
    await relay.is_empty()
    (journey,) = await relay.trace(third)
    assert [each["state"] for each in journey["deliveries"]] == ["dropped", "delivered"]
    # Nobody was told of what a person dropped.
    assert world.received() == []


async def test_what_a_worker_has_in_its_hands_is_left_alone(relay: Relay, world: World) -> None:
    async with ScriptedPeer(_silent(), host=LATER, port=world.smtp_port) as peer:
        queue_id = await relay.submit(message(), "an@later.example")
        await until(lambda: peer.records, "the host is connected to")
        ended = await relay.command("queue", "drop", "--yes", queue_id)
        assert ended.code == 1
        assert "in no worker's hands" in ended.err
        assert (await relay.queue())[0]["worker"] != ""
    await relay.event("deferred", queue_id=queue_id)
    assert await order(relay, "drop", "--yes", queue_id) == 1
    await relay.is_empty()


async def test_metrics_are_those_of_all_workers(relay: Relay, world: World) -> None:
    async with ScriptedPeer(_silent(), host=LATER, port=world.smtp_port):
        sent = 0

        async def both_are_busy() -> bool:
            nonlocal sent
            await relay.submit(message(), f"{sent}@later.example")
            sent += 1
            return len({each["worker"] for each in await relay.queue()} - {""}) == 2

        await until(both_are_busy, "both workers took mail")
        pages = [await relay.metric('relay_events_total{type="received"}') for _ in range(8)]
        assert pages == [float(sent)] * 8
    await relay.event("deferred", count=sent)

    async def counted() -> bool:
        return await relay.metric('relay_queue_deliveries{state="queued"}') == sent

    await until(counted, "the queue is counted")
    status = (await relay.command("status", "--json")).json
    assert (status["healthy"], status["queue"]["queued"], len(status["workers"])) == (True, sent, 2)
    assert [(await relay.get(path))[0] for path in ("/healthz", "/readyz")] == [200, 200]
    assert await order(relay, "drop", "--yes", "--all") == sent


async def test_trace_tells_the_whole_journey(relay: Relay, world: World) -> None:
    content = message(message_id="<reis@app.example>")
    queue_id = await relay.submit(content, "an@klant.example", "unknown@klant.example", "an@later.example")
    await world.wait_for("info@bakkerij-peeters.example", 60)
    await relay.event("deferred", queue_id=queue_id)
    for key in (queue_id, "reis@app.example", "an@later.example"):
        (journey,) = await relay.trace(key)
        assert journey["queue_id"] == queue_id
    assert [each["state"] for each in journey["deliveries"]] == ["delivered", "failed", "queued"]
    types = [(event["type"], event["number"]) for event in journey["events"]]
    assert types[0] == ("received", None)
    assert {("delivered", 0), ("failed", 1), ("reported", None), ("deferred", 2)} <= set(types)
    told = (await relay.command("trace", queue_id)).out
    for words in ("from app billit-web", f"as alias {BAKKERIJ}", "550 5.1.1 No such user here", "next try"):
        assert words in told
    assert (await relay.command("trace", "nobody@nowhere.example")).code == 1
    assert await order(relay, "drop", "--yes", queue_id) == 1


def _silent() -> Script:
    return Script(banner=Hang())
