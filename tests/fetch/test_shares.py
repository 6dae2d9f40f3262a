"""Workers share mailboxes: none holds many more than the others, and none is left lying when nobody comes for it."""

import asyncio
from dataclasses import replace

import pytest

from relay.config.keyring import Active
from relay.config.snapshot import Snapshot
from relay.fetch.ledger import MAILBOX, MailboxState
from relay.fetch.shares import Share
from relay.store.facts import Fact
from relay.store.sqlite.spool import SqliteSpool
from tests.e2e.until import until

from .test_watching import at_work

COUNT = 24
HALF = COUNT // 2
USERS = [f"some{number}" for number in range(COUNT)]


@pytest.fixture
async def some(house):
    """The house with so many companies, whose mailboxes are all due."""
    house.configure(mailboxes={"poll": "1h"})
    companies = [
        replace(house.company, slug=user, alias=user, mailbox=replace(house.company.mailbox, username=user))
        for user in USERS
    ]
    house.active = Active(Snapshot.of(house.active.snapshot.settings, companies), house.active.keyring)
    await fall_due(house, USERS)
    await live_on(house, house.spool)
    return house


@pytest.fixture
async def second(some, tmp_path):
    """Another live worker's hold on the store."""
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.2.1", pid=2, clock=some.clock)
    await spool.start()
    await live_on(some, spool)
    yield spool
    await spool.stop()


async def fall_due(house, users) -> None:
    for user in users:
        await house.spool.facts.put(MailboxState().put_into(Fact(MAILBOX, user, {}), house.clock.now()))


async def live_on(house, *spools: SqliteSpool) -> None:
    """As long as any test takes."""
    for spool in spools:
        await spool.heartbeat(now=house.clock.now() + 600, detail={})


async def test_each_of_two_workers_takes_half_of_what_is_due(some, second):
    # All of it has been due for long, as when workers are started again.
    some.clock.ahead += 300
    one, two = some.make_fetcher(), some.make_fetcher(second)
    async with asyncio.TaskGroup() as tasks:
        assert await one.begin_due(tasks) == HALF
        assert await one.begin_due(tasks) == 0
        assert await two.begin_due(tasks) == HALF
    await one.close()
    await two.close()


async def test_a_worker_alone_takes_all_of_it(some):
    async with asyncio.TaskGroup() as tasks:
        assert await some.fetcher.begin_due(tasks) == COUNT


async def test_what_another_worker_leaves_lying_is_taken_after_a_while(some, second):
    share = Share(some.spool, some.clock)
    assert len(await share.take(COUNT, COUNT, 32)) == 0
    assert len(await share.take(0, COUNT, HALF)) == HALF
    some.clock.ahead += 4
    await fall_due(some, ["fresh"])
    assert await share.take(HALF, COUNT, 32) == []
    some.clock.ahead += 4
    # What has fallen due since is still the others'.
    assert len(await share.take(HALF, COUNT, 4)) == 4
    assert "fresh" not in {fact.key for fact in await share.take(HALF, COUNT, 32)}


async def test_room_for_a_few_keeps_nobody_from_taking_what_is_left_lying(some, second):
    """As when watched connections end now and then: the share is never full for long."""
    share = Share(some.spool, some.clock)
    assert len(await share.take(HALF - 1, COUNT, 32)) == 1
    some.clock.ahead += 3
    assert len(await share.take(HALF - 1, COUNT, 32)) == 1
    some.clock.ahead += 3
    assert len(await share.take(HALF - 1, COUNT, 32)) == COUNT - 2


async def test_whoever_had_to_take_what_others_left_keeps_it_for_a_while(some, second):
    share = Share(some.spool, some.clock)
    assert await share.surplus(COUNT, COUNT) == 10
    some.clock.ahead += 6
    assert len(await share.take(HALF, COUNT, 32)) == COUNT
    assert await share.surplus(COUNT, COUNT) == 0
    some.clock.ahead += 200
    assert await share.surplus(COUNT, COUNT) == 10


async def test_few_more_than_a_share_are_kept(some, second):
    share = Share(some.spool, some.clock)
    assert await share.surplus(HALF + 1, COUNT) == 0
    assert await share.surplus(HALF + 2, COUNT) == 2
    assert await share.surplus(550, 1000) == 0
    assert await share.surplus(1000, 1000) == 50


async def test_a_worker_that_comes_later_gets_its_share_of_what_is_watched(some, tmp_path, monkeypatch):
    monkeypatch.setattr("relay.fetch.fetcher._LEVEL", 0.5)
    one = some.fetcher
    async with at_work(one):
        await until(lambda: len(one.watched) == COUNT, "all are watched by the first one")
        spool = SqliteSpool(tmp_path / "relay.db", worker="test.2.1", pid=2, clock=some.clock)
        await spool.start()
        await live_on(some, spool)
        two = some.make_fetcher(spool)
        async with at_work(two):
            await until(lambda: len(one.watched) == len(two.watched) == HALF, "each watches half of them")
            assert not set(one.watched) & set(two.watched)
        await spool.stop()
