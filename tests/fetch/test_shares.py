"""Workers share mailboxes: each holds about as many, and none is left lying when one of them does not come for it."""

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


@pytest.fixture
async def some(house):
    """The house with so many companies, whose mailboxes are all due."""
    house.configure(mailboxes={"poll": "1h"})
    users = [f"some{number}" for number in range(COUNT)]
    companies = [
        replace(house.company, slug=user, alias=user, mailbox=replace(house.company.mailbox, username=user))
        for user in users
    ]
    house.active = Active(Snapshot.of(house.active.snapshot.settings, companies), house.active.keyring)
    for user in users:
        await house.spool.facts.put(MailboxState().put_into(Fact(MAILBOX, user, {}), house.clock.now()))
    await house.spool.heartbeat(now=house.clock.now(), detail={})
    return house


@pytest.fixture
async def second(some, tmp_path):
    """Another live worker's hold on the store."""
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.2.1", pid=2, clock=some.clock)
    await spool.start()
    yield spool
    await spool.stop()


async def test_each_of_two_workers_takes_half_of_what_is_due(some, second):
    one, two = some.fetcher, some.make_fetcher(second)
    async with asyncio.TaskGroup() as tasks:
        assert await one.begin_due(tasks) == COUNT // 2
        assert await one.begin_due(tasks) == 0
        assert await two.begin_due(tasks) == COUNT // 2
    await two.close()


async def test_a_worker_alone_takes_all_of_it(some):
    async with asyncio.TaskGroup() as tasks:
        assert await some.fetcher.begin_due(tasks) == COUNT


async def test_what_another_worker_leaves_lying_is_taken_after_a_while(some, second):
    share = Share(some.spool, some.clock)
    begun = some.clock.now()
    room, by = await share.room(COUNT // 2 - 1, COUNT)
    assert room == 1
    assert by >= begun
    assert (await share.room(COUNT // 2, COUNT))[0] == 0
    some.clock.ahead += 4
    assert (await share.room(COUNT // 2, COUNT))[0] == 0
    some.clock.ahead += 2
    room, by = await share.room(COUNT // 2, COUNT)
    assert room >= COUNT // 2
    # What has only just fallen due is still the others'.
    assert begun < by <= some.clock.now() - 5


async def test_a_worker_that_comes_later_gets_its_share_of_what_is_watched(some, tmp_path):
    one = some.fetcher
    async with at_work(one):
        await until(lambda: len(one.watched) == COUNT, "all are watched by the first one")
        await one.give_up_surplus()
        assert len(one.watched) == COUNT
        spool = SqliteSpool(tmp_path / "relay.db", worker="test.2.1", pid=2, clock=some.clock)
        await spool.start()
        two = some.make_fetcher(spool)
        async with at_work(two):
            await one.give_up_surplus()
            await until(lambda: len(one.watched) + len(two.watched) == COUNT and two.watched, "all are watched again")
            assert len(two.watched) == 10
            await one.give_up_surplus()
            await until(lambda: len(two.watched) == COUNT // 2, "each has half of them")
        await spool.stop()


async def test_few_more_than_a_share_are_kept(some, second):
    share = Share(some.spool, some.clock)
    assert await share.surplus(COUNT // 2 + 1, COUNT) == 0
    assert await share.surplus(COUNT // 2 + 2, COUNT) == 2
    assert await share.surplus(550, 1000) == 0
    assert await share.surplus(1000, 1000) == 50
