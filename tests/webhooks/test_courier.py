"""Events reach the app: its own, signed, in order, all of them, whatever happens to endpoints and workers."""

import asyncio
import itertools

import pytest

from relay.events import EventType
from relay.webhooks import courier
from relay.webhooks.progress import Progress
from tests.peers.app_endpoint import Receiver

from .house import SECRET


async def test_an_app_hears_what_happens_to_its_mail_and_knows_that_it_is_from_us(house, receiver):
    spool = await house.start()
    await house.begun(spool)
    queue_id = await house.put(spool)
    data = {
        "recipient": "anna@shop.example",
        "identity": "alias",
        "wanted": "own-domain",
        "fallback": True,
        "reasons": ["SPF of shop.example says fail", "the company's alias is used instead"],
        "reply": "250 2.0.0 OK",
        "next_attempt": 0.0,
        "ip": "192.0.2.7",
    }
    await house.note(spool, queue_id, EventType.DELIVERED, **data)
    await receiver.until(lambda: len(receiver.taken) == 2)

    received, delivered = receiver.taken
    assert (received["type"], received["number"], received["data"]["size"]) == ("received", None, 33)
    assert (delivered["type"], delivered["queue_id"], delivered["number"]) == ("delivered", queue_id, 0)
    assert (delivered["company"], delivered["message_id"]) == ("shop-bv", f"<{queue_id}@app.example>")
    assert delivered["data"] == {
        **{key: data[key] for key in data if key not in ("ip", "next_attempt")},
        "next_attempt": "1970-01-01T00:00:00.000Z",
    }
    for request in receiver.requests:
        assert request.line == "POST /relay-events HTTP/1.1"
        assert request.headers["content-type"] == "application/json"
        assert request.is_signed_with(SECRET.encode())
        assert not request.is_signed_with(b"another secret")
        assert b"secret content" not in request.body


async def test_only_its_own_mail_and_only_what_it_asked_for(house, receiver):
    house.configure(billing={"url": receiver.url, "events": ["delivered", "failed"]})
    spool = await house.start()
    await house.begun(spool)
    mine, other = await house.put(spool), await house.put(spool, app="shop")
    for queue_id in (other, mine):
        await house.note(spool, queue_id, EventType.DEFERRED)
        await house.note(spool, queue_id, EventType.DELIVERED)
    await receiver.until(lambda: bool(receiver.taken))

    assert [(event["queue_id"], event["type"]) for event in receiver.taken] == [(mine, "delivered")]


async def test_nothing_of_a_mail_overtakes_what_happened_to_it_before(house, receiver):
    answers = itertools.cycle([500, 204, 204, 503, 204])
    receiver.answer = lambda _: next(answers)
    spool = await house.start()
    await house.begun(spool)
    mails = [await house.put(spool) for _ in range(5)]
    for number in range(20):
        for queue_id in mails:
            await house.note(spool, queue_id, attempt=number)
    await receiver.until(lambda: len(receiver.taken) == 105)

    for queue_id in mails:
        told = [event["data"].get("attempt", -1) for event in receiver.taken if event["queue_id"] == queue_id]
        assert told == list(range(-1, 20))
    ids = [event["id"] for event in receiver.taken]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("answer", [500, 301, 404, None])
async def test_what_was_not_taken_comes_again(house, receiver, monkeypatch, answer):
    monkeypatch.setattr(courier, "_CAPS", courier.Caps(seconds=0.2, octets=1000))
    first = itertools.chain([answer], itertools.repeat(204))
    receiver.answer = lambda _: next(first)
    spool = await house.start()
    await house.begun(spool)
    queue_id = await house.put(spool)
    await receiver.until(lambda: bool(receiver.taken))

    assert [event["queue_id"] for request in receiver.requests for event in request.events] == [queue_id] * 2
    assert receiver.requests[0].events == receiver.requests[1].events


async def test_a_dead_endpoint_holds_up_no_other_app_and_is_spoken_of_once(house, receiver):
    async with Receiver() as dead:
        dead.answer = lambda _: 500
        house.configure(billing=receiver.url, shop=dead.url)
        spool = await house.start()
        await house.begun(spool)
        await house.begun(spool, "shop")
        lost = await house.put(spool, app="shop")
        failing = await house.until(EventType.WEBHOOK_FAILING)
        assert failing.data == {"app": "shop", "error": "it answers with status 500", "failures": 5}
        await house.put(spool)
        await receiver.until(lambda: bool(receiver.taken))
        await dead.until(lambda: len(dead.requests) > 8)
        dead.answer = lambda _: 204
        await dead.until(lambda: bool(dead.taken))
        await house.until(EventType.WEBHOOK_BACK)

    assert [event["queue_id"] for event in dead.taken] == [lost]
    assert [event.type for event in house.events].count(EventType.WEBHOOK_FAILING) == 1


async def test_an_endpoint_that_is_gone_is_left_alone_until_there_is_another(house, receiver):
    async with Receiver() as gone:
        gone.answer = lambda _: 410
        house.configure(billing=gone.url)
        spool = await house.start()
        await house.begun(spool)
        queue_id = await house.put(spool)
        assert (await house.until(EventType.WEBHOOK_GONE)).data["app"] == "billing"
        await house.note(spool, queue_id)
        house.clock.ahead += 100
        house.configure(billing=receiver.url)
        await receiver.until(lambda: len(receiver.taken) == 2)
    assert len(gone.requests) == 1


async def test_a_worker_that_dies_is_followed_by_another_and_nothing_is_left_out(house, receiver):
    first = await house.start()
    await house.begun(first)
    queue_id = await house.put(first)
    await receiver.until(lambda: bool(receiver.taken))
    await house.kill(first)
    second = await house.start()
    await house.note(second, queue_id, attempt=1)
    house.clock.ahead += 100
    await receiver.until(lambda: any(event["type"] == "deferred" for event in receiver.taken))

    assert {event["type"] for event in receiver.taken} == {"received", "deferred"}


async def test_a_worker_that_stops_hands_over_at_once(house, receiver):
    first = await house.start()
    await house.begun(first)
    queue_id = await house.put(first)
    await receiver.until(lambda: bool(receiver.taken))
    second = await house.start()
    await house.stop(first)
    await house.note(second, queue_id)
    await receiver.until(lambda: len(receiver.taken) == 2)


async def test_two_workers_never_send_to_one_app_at_once(house, receiver):
    at_once, most = 0, 0

    def answer(_):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        asyncio.get_running_loop().call_soon(leave)
        return 204

    def leave() -> None:
        nonlocal at_once
        at_once -= 1

    receiver.answer = answer
    spools = [await house.start() for _ in range(3)]
    await house.begun(spools[0])
    queue_id = await house.put(spools[0])
    for number in range(30):
        await house.note(spools[number % 3], queue_id, attempt=number)
    await receiver.until(lambda: len(receiver.taken) == 31)
    assert most == 1


async def test_who_lost_the_app_stops_sending(house, receiver):
    spool = await house.start()
    await house.begun(spool)
    await house.put(spool)
    await receiver.until(lambda: bool(receiver.taken))
    other = await house.start(sending=False)
    house.clock.ahead += 40
    await other.facts.take_due("webhook", now=house.clock.now(), until=house.clock.now() + 30, limit=1)
    await house.put(spool)
    house.clock.ahead += 40
    await receiver.until(lambda: len(receiver.taken) >= 2)
    assert (await house.progress(spool)).failures == 0


async def test_an_internal_address_is_not_asked_unless_that_is_allowed(house, receiver):
    house.configure(billing={"url": receiver.url.replace("http://", "https://"), "allow_private": False})
    spool = await house.start()
    await house.begun(spool)
    await house.put(spool)
    failing = await house.until(EventType.WEBHOOK_FAILING)
    assert "may not be asked from here" in failing.data["error"]
    assert receiver.requests == []


async def test_without_its_secret_nothing_is_sent(house, receiver, tmp_path):
    spool = await house.start()
    (tmp_path / "hook-secret").unlink()
    await house.begun(spool)
    await house.put(spool)
    failing = await house.until(EventType.WEBHOOK_FAILING)
    assert "the file does not exist" in failing.data["error"]
    assert receiver.requests == []


async def test_a_webhook_that_is_taken_out_and_put_back_misses_nothing(house, receiver):
    spool = await house.start()
    await house.begun(spool)
    queue_id = await house.put(spool)
    await receiver.until(lambda: bool(receiver.taken))
    house.configure()
    await house.note(spool, queue_id)
    house.clock.ahead += 100
    house.configure(billing=receiver.url)
    await receiver.until(lambda: len(receiver.taken) == 2)


def test_pauses_grow_and_stay(monkeypatch):
    monkeypatch.undo()
    progress, pauses = Progress(7), []
    for _ in range(8):
        progress = progress.failed("x" * 1000, 5.0)
        pauses.append(progress.pause)
    assert pauses == [1.0, 5.0, 30.0, 120.0, 300.0, 600.0, 600.0, 600.0]
    assert (progress.cursor, progress.since, len(progress.error)) == (7, 5.0, 500)
    assert Progress(7).pause == 0.0
