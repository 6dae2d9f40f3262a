"""Writers outside hear what the company's host says of their mail, while they are connected."""

import asyncio
from dataclasses import replace

import pytest

from relay.delivery import dispatcher as dispatcher_module
from relay.delivery import recording
from relay.events import EventType
from relay.mail.reply import Reply
from relay.sandbox.scripted_peer import Drop, Hang, Say, Script, ScriptedPeer
from relay.store.spool import Entry, Origin, SpoolError, State

from .house import BAKERY, DOMAIN, House

OPEN = replace(BAKERY, cut_through=True)
SPAM = Script(end=Say("554 5.7.1 This is spam"))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """A store in trouble is asked again at once."""
    monkeypatch.setattr(recording, "_AGAIN", (0.0,))


async def brought(house: House, peer: ScriptedPeer, *to: str, **more) -> Entry:
    house.configure(*more.pop("companies", (OPEN,)), delivery={"port": peer.port})
    house.host("bakery.example", "127.0.0.1")
    return await house.put(*(to or (f"bakery@{DOMAIN}",)), sender="anna@customer.example", origin=Origin.MX)


async def verdict(house: House, peer: ScriptedPeer, *to: str, **more) -> tuple[Reply | None, str]:
    """What the writer is told, and the queue id."""
    entry = await brought(house, peer, *to, **more)
    said = await house.dispatcher.take_for_verdict(entry)
    await house.settled()
    return said, entry.message.queue_id


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (SPAM, "554 5.7.1 The company's mail host says: This is spam"),
        (
            Script(rcpt=Say("550 5.1.1 <info@bakery.example>: no such user")),
            f"550 5.1.1 The company's mail host says: <bakery@{DOMAIN}>: no such user",
        ),
    ],
)
async def test_what_the_host_refuses_the_writer_hears_and_nothing_is_kept(house, script, told):
    async with ScriptedPeer(script) as peer:
        said, queue_id = await verdict(house, peer)
    assert str(said) == told
    assert (await house.delivery(queue_id)).state is State.FAILED
    (failed,) = house.sink.of(EventType.FAILED)
    assert failed.data["told"] == "the writer, in the session"
    assert not house.sink.of(EventType.HELD)
    assert await house.reports() == []


@pytest.mark.parametrize(
    ("script", "state"),
    [
        (Script(), State.DELIVERED),
        (Script(rcpt=Say("450 4.2.1 Later")), State.QUEUED),
        (Script(end=Drop()), State.QUEUED),
        (Script(banner=Say("554 5.7.1 You are on a list")), State.QUEUED),
        (Script(mail=Say("550 5.7.1 Not with this return path")), State.HELD),
    ],
)
async def test_all_else_is_taken(house, script, state):
    async with ScriptedPeer(script) as peer:
        said, queue_id = await verdict(house, peer)
    assert said is None
    assert (await house.delivery(queue_id)).state is state


async def test_a_host_that_takes_too_long_finds_no_writer_any_more(house, monkeypatch):
    monkeypatch.setattr(dispatcher_module, "_FOR_VERDICT", 0.0)
    async with ScriptedPeer(SPAM) as peer:
        said, queue_id = await verdict(house, peer)
    assert said is None
    assert (await house.delivery(queue_id)).state is State.HELD


async def test_the_writer_hears_it_only_when_it_is_written_down(house, monkeypatch):
    record, failures = house.spool.record, iter([True, True, False])

    async def fail(*what):
        if next(failures):
            raise SpoolError("broken")
        await record(*what)

    monkeypatch.setattr(house.spool, "record", fail)
    async with ScriptedPeer(SPAM) as peer:
        said, queue_id = await verdict(house, peer)
    assert said is not None
    assert next(failures, None) is None
    assert (await house.delivery(queue_id)).state is State.FAILED


async def test_a_writer_who_has_gone_changes_nothing(house):
    async with ScriptedPeer(Script(end=Hang())) as peer:
        entry = await brought(house, peer)
        waiting = asyncio.ensure_future(house.dispatcher.take_for_verdict(entry))
        await peer.wait_for(lambda peer: bool(peer.messages))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await house.settled()
    assert (await house.delivery(entry.message.queue_id)).state is State.QUEUED


async def test_others_and_mail_to_several_do_not_wait(house):
    async with ScriptedPeer(SPAM, SPAM, SPAM) as peer:
        said, queue_id = await verdict(house, peer, companies=(BAKERY,))
        assert (said, (await house.delivery(queue_id)).state) == (None, State.HELD)
        said, queue_id = await verdict(house, peer, f"bakery@{DOMAIN}", f"bakery+2@{DOMAIN}")
        assert said is None
        assert {each.state for each in await house.deliveries(queue_id)} == {State.HELD}
