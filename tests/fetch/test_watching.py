"""Mailboxes that are watched: new mail is seen when the server says so, and whoever holds a mailbox may lose it."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from relay.fetch.ledger import MAILBOX
from relay.store.spool import SpoolError
from tests.e2e.until import until

from .test_mailbox import invoice


@pytest.fixture
async def watching(house):
    """A fetcher at work that has no reason to look by itself."""
    house.configure(mailboxes={"poll": "1h"})
    house.clock.ahead += 7200
    async with at_work(house.fetcher):
        await until(lambda: is_watched(house), "the mailbox is watched")
        yield house


@contextlib.asynccontextmanager
async def at_work(fetcher):
    task = asyncio.create_task(fetcher.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def is_watched(house):
    return "bakery" in house.fetcher.watched


async def test_new_mail_is_handed_on_as_it_comes(watching):
    for number in range(3):
        await watching.put(invoice(number))
        await until(lambda: len(watching.api.taken) > number, "the invoice is taken")  # noqa: B023 -- awaited here
    assert len(watching.api.requests) == 3


async def test_a_server_that_keeps_new_mail_to_itself_is_not_trusted_for_ever(house, monkeypatch):
    """Whatever it is that went past us: the folder is looked at again some time."""
    answers = []

    async def knows_of_nothing(*_):
        answers.append(False)
        await asyncio.sleep(0)
        return False

    monkeypatch.setattr("relay.imap.session.ImapSession.wait_for_mail", knows_of_nothing)
    house.configure(mailboxes={"poll": "1h"})
    house.clock.ahead += 7200
    async with at_work(house.fetcher):
        await until(lambda: is_watched(house), "the mailbox is watched")
        await house.put(invoice(1))
        await until(lambda: house.api.taken, "the invoice is taken")
    assert len(answers) >= 4


async def test_a_claim_is_renewed_while_a_mailbox_is_watched(watching):
    before = await watching.spool.facts.get(MAILBOX, "bakery")
    watching.clock.ahead += 60
    await watching.fetcher.renew_holds()
    after = await watching.spool.facts.get(MAILBOX, "bakery")
    assert after.due - before.due >= 60
    watching.clock.ahead += 20
    await watching.fetcher.renew_holds()
    assert await watching.spool.facts.get(MAILBOX, "bakery") == after


async def test_who_loses_a_mailbox_watches_it_no_more(watching):
    fact = await watching.spool.facts.get(MAILBOX, "bakery")
    taken = await watching.spool.facts.put(replace(fact, due=watching.clock.now() + 10_000))
    watching.clock.ahead += 80
    await watching.fetcher.renew_holds()
    await until(lambda: not is_watched(watching), "it is not watched any more")
    assert await watching.spool.facts.get(MAILBOX, "bakery") == taken


async def test_who_lost_a_mailbox_without_hearing_so_hands_on_nothing(watching):
    fact = await watching.spool.facts.get(MAILBOX, "bakery")
    await watching.spool.facts.put(replace(fact, due=watching.clock.now() + 10_000))
    watching.clock.ahead += 80
    await watching.put(invoice(1))
    await until(lambda: not watching.fetcher._holds, "it is left to whoever has it")
    assert not watching.api.requests


async def test_nothing_is_handed_on_while_the_store_takes_nothing(watching, monkeypatch):
    """As on a full disk: it could not be noted, and would be handed on again."""

    async def fails(*_):
        raise SpoolError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("relay.store.sqlite.facts.SqliteFacts.put_all", fails)
        await watching.put(invoice(1))
        await until(lambda: not watching.fetcher._holds, "it is left for later")
        assert not watching.api.requests
    watching.clock.ahead += 100
    await until(lambda: watching.api.names == ["factuur 1.pdf"], "the invoice is taken")
    assert len(watching.api.requests) == 1


async def test_a_claim_of_our_own_that_ran_out_is_taken_again(watching):
    session = watching.fetcher.watched["bakery"]
    watching.clock.ahead += 100
    await until(lambda: watching.fetcher.watched.get("bakery") not in (None, session), "it is watched anew")
    await watching.put(invoice(1))
    await until(lambda: watching.api.names == ["factuur 1.pdf"], "the invoice is taken")


async def test_a_mailbox_whose_settings_change_is_opened_anew(watching):
    other = f"{watching.user}-other"
    watching.configure(mailboxes={"poll": "1h"}, username=other)
    await until(lambda: not is_watched(watching), "the old one is left")
    watching.clock.ahead += 60
    await until(lambda: is_watched(watching), "the new one is watched")
    watching.user = other
    await watching.put(invoice(1))
    await until(lambda: watching.api.names == ["factuur 1.pdf"], "the invoice is taken")


async def test_a_worker_that_stops_leaves_its_mailboxes_to_the_others(house):
    house.configure(mailboxes={"poll": "1h"})
    house.clock.ahead += 7200
    async with at_work(house.fetcher):
        await until(lambda: is_watched(house), "the mailbox is watched")
    assert await house.due() <= 0


async def test_a_connection_that_ends_soon_is_no_trouble_and_the_mailbox_is_polled(watching):
    watching.fetcher.watched["bakery"].session.cut()
    await until(lambda: not is_watched(watching), "it is not watched any more")
    assert (await watching.state()).error == ""
    assert 3000 < await watching.due() <= 3600


async def test_nothing_is_watched_where_that_is_not_wanted(house):
    house.configure(mailboxes={"poll": "1h", "idle_per_host": 0})
    house.clock.ahead += 7200
    looked = (await house.state()).looked
    async with at_work(house.fetcher):
        await until(lambda: looks(house, looked), "it was looked at")
        assert not is_watched(house)
        assert await house.due() > 3000


async def looks(house, before):
    return (await house.state()).looked > before and await house.due() > 1000


async def test_a_server_that_says_nothing_by_itself_is_asked_over_the_connection_that_is_there(house, silent):
    house.mailboxes = silent
    house.configure(mailboxes={"poll": "1s"}, port=silent.port, ca=str(silent.ca))
    house.clock.ahead += 7200
    async with at_work(house.fetcher):
        await until(lambda: is_watched(house), "the connection is kept")
        session = house.fetcher.watched["bakery"].session
        for number in range(2):
            await house.put(invoice(number))
            await until(lambda: len(house.api.taken) > number, "the invoice is taken")  # noqa: B023 -- awaited here
            await until(lambda: is_watched(house), "the connection is still kept")
        assert house.fetcher.watched["bakery"].session is session


async def test_a_store_in_trouble_is_not_asked_again_without_a_pause(house, monkeypatch):
    asked = []

    async def trouble():
        asked.append(1)
        raise SpoolError("the disk is full")

    monkeypatch.setattr(house.fetcher, "_enroll", trouble)
    house.fetcher._are_more_due = True
    async with at_work(house.fetcher):
        for _ in range(100):
            await asyncio.sleep(0)
    assert len(asked) == 1
