"""Servers of mailboxes that nobody has written down: looked for once, and again only while there is trouble."""

import asyncio
from dataclasses import replace

import pytest

from relay.facts.fading import forget_faded
from relay.facts.unstored import Unstored
from relay.facts.whereabouts import KIND, Finder, Known
from relay.imap.faults import MailboxError, MailboxFault
from relay.mail.address import Address
from relay.policy.providers import Endpoint
from relay.policy.whereabouts import Sighting, Whereabouts
from relay.store.spool import SpoolError

from .conftest import NOW

INFO = Address("info", "bakery.example")
OUTAGE = Sighting(None, "SRV records cannot be looked up now", is_outage=True)
NOTHING = Sighting(None, "write host")


def at(host: str, *names: str) -> Whereabouts:
    return Whereabouts(Endpoint(host, 993, "implicit"), names or ("info@bakery.example", "info"), "SRV records")


VOUCHED = replace(at("imap.hoster.example"), is_vouched=True)
OLD, NEW = at("old.bakery.example"), at("new.bakery.example")


class Clock:
    at = NOW

    def now(self) -> float:
        return self.at


class Outside:
    """What is found, and how often it was looked for; nobody gets an answer while `open` is not set."""

    def __init__(self) -> None:
        self.seen = Sighting(OLD)
        self.looks = 0
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def locate(self, _: Address) -> Sighting:
        self.looks += 1
        self.asked.set()
        await self.open.wait()
        return self.seen


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def finder(facts, outside, clock) -> Finder:
    return Finder(lambda: facts, outside.locate, clock)


@pytest.fixture
def other(facts, outside, clock) -> Finder:
    """Another worker's."""
    return Finder(lambda: facts, outside.locate, clock)


async def trouble(finder: Finder) -> MailboxError:
    with pytest.raises(MailboxError) as caught:
        await finder.find(INFO)
    assert caught.value.fault is MailboxFault.UNPLACED
    return caught.value


async def test_a_server_that_works_is_looked_for_once(finder, other, outside, clock):
    assert await finder.find(INFO) == OLD
    outside.seen = Sighting(NEW)
    clock.at += 365 * 86400
    assert await finder.find(INFO) == await other.find(INFO) == OLD
    assert outside.looks == 1
    assert await other.known(INFO) == Known(OLD, found=NOW, again=NOW + 900)


async def test_only_one_worker_looks(finder, other, outside):
    outside.open.clear()
    look = asyncio.create_task(finder.find(INFO))
    await outside.asked.wait()
    error = await trouble(other)
    assert (str(error), error.pause) == ("the IMAP server of bakery.example is being looked for", 60)
    outside.open.set()
    assert await look == await other.find(INFO) == OLD
    assert outside.looks == 1


async def test_a_look_that_a_worker_did_not_end_is_made_by_another_one(finder, other, outside, clock):
    outside.open.clear()
    look = asyncio.create_task(finder.find(INFO))
    await outside.asked.wait()
    look.cancel()
    outside.open.set()
    clock.at += 59
    await trouble(other)
    clock.at += 1
    assert await other.find(INFO) == OLD


async def test_where_nothing_is_found_that_is_said_until_it_is_looked_for_again(finder, outside, clock):
    outside.seen = NOTHING
    for pause in (900, 1):
        error = await trouble(finder)
        assert (str(error), error.pause) == ("write host", pause)
        clock.at = NOW + 899
    assert outside.looks == 1
    outside.seen = Sighting(OLD)
    clock.at += 1
    assert await finder.find(INFO) == OLD


async def test_an_outage_is_over_soon(finder, outside, clock):
    outside.seen = OUTAGE
    assert (await trouble(finder)).pause == 60
    outside.seen = Sighting(OLD)
    clock.at += 60
    assert await finder.find(INFO) == OLD


async def test_who_answers_too_late_is_an_outage(finder, outside, monkeypatch):
    monkeypatch.setattr("relay.facts.whereabouts._PATIENCE", 0.0)
    outside.open.clear()
    error = await trouble(finder)
    assert (str(error), error.pause) == ("the IMAP server of bakery.example cannot be found in time", 60)


async def test_trouble_makes_room_for_another_server(finder, outside, clock):
    await finder.find(INFO)
    outside.seen = Sighting(NEW)
    await finder.doubt(INFO, OLD)
    assert await finder.find(INFO) == OLD
    clock.at += 900
    assert await finder.find(INFO) == NEW
    assert await finder.known(INFO) == Known(NEW, found=NOW + 900, again=NOW + 1800)


@pytest.mark.parametrize("seen", [OUTAGE, NOTHING])
async def test_a_look_that_comes_to_nothing_takes_nothing_away(finder, outside, clock, seen):
    await finder.find(INFO)
    await finder.doubt(INFO, OLD)
    outside.seen = seen
    clock.at += 900
    assert await finder.find(INFO) == OLD
    assert outside.looks == 2
    assert (await finder.known(INFO)).doubted


async def test_a_server_that_works_again_is_not_left(finder, outside, clock):
    await finder.find(INFO)
    await finder.doubt(INFO, OLD)
    await finder.prove(INFO, OLD, "info")
    outside.seen = Sighting(NEW)
    clock.at += 900
    assert await finder.find(INFO) == at("old.bakery.example", "info")
    assert outside.looks == 1


async def test_a_server_that_works_again_during_the_look_is_not_left(finder, other, outside, clock):
    await finder.find(INFO)
    await finder.doubt(INFO, OLD)
    outside.seen, clock.at = Sighting(NEW), NOW + 900
    outside.asked.clear()
    outside.open.clear()
    look = asyncio.create_task(finder.find(INFO))
    await outside.asked.wait()
    assert await other.find(INFO) == OLD
    await other.prove(INFO, OLD, "info@bakery.example")
    outside.open.set()
    assert (await look).endpoint.host == "old.bakery.example"


async def test_what_is_said_of_a_server_that_does_not_count_any_more_changes_nothing(finder):
    await finder.find(INFO)
    await finder.doubt(INFO, NEW)
    await finder.prove(INFO, NEW, "info")
    assert await finder.known(INFO) == Known(OLD, found=NOW, again=NOW + 900)


async def test_who_only_looks_changes_nothing(facts, outside, clock):
    finder = Finder(lambda: Unstored(facts), outside.locate, clock)
    assert await finder.find(INFO) == OLD
    await finder.doubt(INFO, OLD)
    assert await facts.list(KIND) == []


async def test_a_store_in_trouble_is_no_trouble_of_the_server(finder, facts, monkeypatch):
    async def outrun(*_):
        return None

    await finder.find(INFO)
    monkeypatch.setattr(type(facts), "put", outrun)
    await finder.doubt(INFO, OLD)
    await finder.prove(INFO, OLD, "info")
    with pytest.raises(SpoolError, match="changes too fast"):
        await finder._change(INFO, lambda _: Known())


async def test_a_name_that_somebody_wrote_is_not_kept_for_the_address(finder):
    await finder.find(INFO)
    await finder.prove(INFO, OLD, "bookkeeping")
    assert await finder.find(INFO) == OLD


async def test_a_clock_that_was_wrong_does_not_keep_a_mailbox_from_being_looked_for(finder, outside, clock):
    clock.at = NOW + 10 * 365 * 86400
    outside.seen = NOTHING
    await trouble(finder)
    clock.at, outside.seen = NOW, Sighting(OLD)
    assert await finder.find(INFO) == OLD


async def test_what_only_the_dns_vouched_for_counts_while_its_word_is_believed(facts, outside, clock):
    outside.seen = Sighting(VOUCHED)
    believing = Finder(lambda: facts, outside.locate, clock, believes=True)
    assert await believing.find(INFO) == await believing.find(INFO) == VOUCHED
    outside.seen = NOTHING
    await trouble(Finder(lambda: facts, outside.locate, clock))
    assert outside.looks == 2
    assert (await believing.known(INFO)).place is None


async def test_who_is_outrun_by_another_worker_takes_over_what_that_one_knows(finder, other, facts, monkeypatch):
    put = type(facts).put

    async def outrun(store, fact):
        monkeypatch.undo()
        await other.find(INFO)
        return await put(store, fact)

    monkeypatch.setattr(type(facts), "put", outrun)
    assert await finder.find(INFO) == OLD


async def test_what_nobody_asks_for_is_forgotten_and_what_is_used_is_not(finder, facts, outside, clock):
    for days in (0, 60, 120):
        clock.at = NOW + days * 86400
        assert await forget_faded(facts, [KIND], now=clock.at) == 0
        place = await finder.find(INFO)
        await finder.prove(INFO, place, "info")
    assert outside.looks == 1
    assert await forget_faded(facts, [KIND], now=clock.at + 91 * 86400) == 1
    assert await facts.list(KIND) == []
