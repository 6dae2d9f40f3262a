"""Hundreds of mailboxes on one Dovecot, shared by two workers: every invoice once, also when one of them goes."""

import asyncio
from dataclasses import replace

import pytest

from relay.config.keyring import Active
from relay.config.snapshot import Snapshot
from relay.events import EventType
from relay.fetch.ledger import MAILBOX, MailboxState
from relay.store.facts import Fact
from relay.store.sqlite.spool import SqliteSpool
from tests.e2e.until import until

from .mails import mail, pdf
from .test_watching import at_work

COUNT = 200
USERS = [f"many{number}" for number in range(COUNT)]


@pytest.fixture
def many(house):
    """The house with so many companies."""
    house.configure(mailboxes={"poll": "1h", "per_host": 32})
    companies = [
        replace(house.company, slug=user, alias=user, mailbox=replace(house.company.mailbox, username=user))
        for user in USERS
    ]
    house.active = Active(Snapshot.of(house.active.snapshot.settings, companies), house.active.keyring)
    return house


async def put_one_each(house, number: int) -> None:
    def put(users):
        for user in users:
            made = mail((f"{user} {number}.pdf", pdf(mark=f"{user} {number}")))
            made.replace_header("Message-ID", f"<{number}@{user}.example>")
            house.mailboxes.put(user, made.as_bytes())

    await asyncio.gather(*(asyncio.to_thread(put, USERS[start::4]) for start in range(4)))


def all_are_noted(house, number: int) -> bool:
    """Whoever stops before it has noted that a document was taken has it offered again, under the same key."""
    return len(house.sink.of(EventType.UPLOADED)) == number * COUNT


def names(number: int) -> list[str]:
    return sorted(f"{user} {number}.pdf" for user in USERS)


@pytest.mark.timeout(300)
async def test_each_new_mail_arrives_exactly_once_with_two_workers(many, tmp_path):
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.2.1", pid=2, clock=many.clock)
    await spool.start()
    one, two = many.fetcher, many.make_fetcher(spool)

    # As when all workers were stopped, and are started again.
    for user in USERS:
        await spool.facts.put(MailboxState().put_into(Fact(MAILBOX, user, {}), many.clock.now()))

    def all_are_watched(*fetchers):
        return sum(len(fetcher.watched) for fetcher in fetchers) == COUNT

    async with at_work(one):
        async with at_work(two):
            await until(lambda: all_are_watched(one, two), "every mailbox is watched by one of them", patience=120)
            assert one.watched
            assert two.watched
            assert not set(one.watched) & set(two.watched)
            await put_one_each(many, 1)
            await until(lambda: all_are_noted(many, 1), "all have arrived, and their workers know")
        await until(lambda: all_are_watched(one), "one has taken over what the other had", patience=120)
        await put_one_each(many, 2)
        await until(lambda: all_are_noted(many, 2), "all have arrived")
    assert sorted(many.api.names) == sorted([*names(1), *names(2)])
    assert len(many.api.requests) == 2 * COUNT
    await spool.stop()
