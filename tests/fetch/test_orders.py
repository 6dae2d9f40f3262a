"""What people decide about a mailbox at a real Dovecot: earlier mail, parked mail, and a look that changes nothing."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from relay.facts.door import Door
from relay.fetch.ledger import Ledger, Stage, history, mails_named
from relay.fetch.orders import ORDER, Order, Orders, Wish, wanted
from relay.fetch.reader import one_reader
from relay.fetch.rehearsal import Fate, Rehearsal
from relay.incoming.returned import SentMail
from relay.policy.company import After
from tests.e2e.until import until

from .mails import mail, pdf, ubl

OLD = 40 * 86400


def invoice(number, **more):
    return named(mail((f"factuur {number}.pdf", pdf(mark=str(number), **more))), number)


def named(made, number):
    made.replace_header("Message-ID", f"<{number}@supplier.example>")
    return made


def day(ago):
    return datetime.fromtimestamp(time.time() - ago, UTC).date()


async def give(house, wish, about, part=None):
    await Orders(house.spool.facts, "bakery").give(Order(wish, str(about), "anna", house.clock.now(), part))


async def release(house, number, part=None):
    for key, _ in await mails_named(house.spool.facts, "bakery", f"<{number}@supplier.example>"):
        await give(house, Wish.RELEASE, key, part)
    await house.look()
    assert await wanted(house.spool.facts) == frozenset()


async def parked(house, came, *faults):
    """A mail came in and was parked."""
    house.api.faults = list(faults)
    await house.put(came)
    await house.look()
    (record,) = [each for each in await house.history() if each.parked]
    return record


@pytest.fixture
async def archive(house):
    """A folder with an old mail and a new one, of which neither is read."""

    def create():
        with house.mailboxes.connect(house.user) as client:
            client.create("Archive")

    await asyncio.to_thread(create)
    house.configure(folder="Archive")
    await house.put(invoice(1), folder="Archive", at=time.time() - OLD)
    await house.put(invoice(2), folder="Archive")
    await house.look()
    assert house.api.names == []
    return house


async def test_earlier_mail_is_read_once_from_the_day_that_is_named(archive):
    await give(archive, Wish.BACKFILL, day(86400))
    assert await wanted(archive.spool.facts) == frozenset(["bakery"])
    await archive.look()
    assert archive.api.names == ["factuur 2.pdf"]
    assert await archive.spool.facts.list(ORDER) == []
    await give(archive, Wish.BACKFILL, day(2 * OLD))
    await archive.look()
    await archive.look()
    assert archive.api.names == ["factuur 2.pdf", "factuur 1.pdf"]
    assert len(archive.api.requests) == 2


async def test_a_day_in_the_settings_does_not_narrow_the_one_that_a_person_names(archive):
    archive.configure(since=day(86400))
    await archive.look()
    await give(archive, Wish.BACKFILL, day(2 * OLD))
    await archive.look()
    assert archive.api.names == ["factuur 2.pdf", "factuur 1.pdf"]


async def test_an_order_for_earlier_mail_outlives_a_worker_that_dies(archive, monkeypatch):
    await give(archive, Wish.BACKFILL, day(2 * OLD))

    async def die(*_):
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr("relay.fetch.visit.Visit._mail", die)
        await archive.look()
    await archive.look()
    assert sorted(archive.api.names) == ["factuur 1.pdf", "factuur 2.pdf"]


async def test_a_document_that_was_refused_goes_when_a_person_releases_it(house):
    house.configure(after=After.SEEN)
    await parked(house, invoice(1), 400)
    await release(house, 1)
    assert house.api.names == ["factuur 1.pdf"]
    (record,) = await house.history()
    assert (record.stage, record.documents, record.parked) == (Stage.DONE, 1, False)
    assert record.word.startswith("released by anna at 2")
    assert all("Seen" in flags for flags in await asyncio.to_thread(house.mailboxes.flags, house.user))
    assert (await house.state()).documents == 1


async def test_a_locked_document_goes_on_a_persons_word_octet_for_octet(house):
    locked = invoice(1, password="x")
    assert "password" in (await parked(house, locked)).reason
    await release(house, 1)
    await release(house, 1)
    assert house.api.documents == [part.get_content() for part in locked.iter_attachments()]
    assert len(house.api.requests) == 1


async def test_an_invoice_like_an_earlier_one_goes_on_a_persons_word(house):
    await house.put(mail(("e.xml", ubl(inside="<!-- pay here -->"))))
    await house.look()
    await parked(house, named(mail(("e.xml", ubl()), subject="Factuur"), 1))
    await release(house, 1)
    assert len(house.api.taken) == 2


async def test_one_part_alone_can_be_released(house):
    await parked(house, named(mail(*((f"{mark}.pdf", pdf(password="x", mark=mark)) for mark in "ab")), 1))
    await release(house, 1, part=1)
    assert house.api.names == ["b.pdf"]
    assert (await house.history())[0].parked
    await release(house, 1)
    assert house.api.names == ["b.pdf", "a.pdf"]
    assert not (await house.history())[0].parked


async def test_what_is_refused_again_stays_parked(house):
    await parked(house, invoice(1), 400)
    house.api.faults = [400]
    await release(house, 1)
    (record,) = await house.history()
    assert record.parked
    assert record.reason.startswith("refused (HTTP 400)")


async def test_what_no_document_can_be_made_of_says_so(house):
    office = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600
    await parked(house, named(mail(("factuur.doc", office), subject="Factuur"), 1))
    await release(house, 1)
    (record,) = await house.history()
    assert record.parked
    assert record.reason.endswith("and cannot be handed on")


async def test_a_mail_that_lies_elsewhere_is_not_released_and_that_is_told(house):
    await parked(house, invoice(1), 400)

    def move():
        with house.mailboxes.connect(house.user) as client:
            client.create("Other")
            client.uid("MOVE", "1:*", "Other")

    await asyncio.to_thread(move)
    await release(house, 1)
    (record,) = await house.history()
    assert record.parked
    assert "does not lie there any more" in record.word


async def test_a_fault_of_fast_input_keeps_the_order(house):
    await parked(house, invoice(1), 400)
    house.api.faults = [503]
    ((key, _),) = await mails_named(house.spool.facts, "bakery", "1@supplier.example")
    await give(house, Wish.RELEASE, key)
    await house.look()
    assert house.api.names == []
    await house.look()
    assert house.api.names == ["factuur 1.pdf"]


async def test_a_watched_mailbox_is_opened_anew_when_a_person_wants_something(house):
    async with asyncio.TaskGroup() as tasks:
        house.clock.ahead += 7200
        await house.fetcher.begin_due(tasks, watch=True)
        await until(lambda: house.fetcher.watched, "the mailbox is watched")
        await house.fetcher.end_wanted()
        assert house.fetcher.watched
        await give(house, Wish.BACKFILL, day(0))
        await house.fetcher.end_wanted()
    assert not house.fetcher.watched


async def test_a_rehearsal_says_what_would_become_of_each_mail_and_changes_nothing(house):
    await house.put(invoice(1))
    await house.look()
    again = named(mail(("kopie.pdf", house.api.documents[0])), 4)
    for each in (invoice(2), invoice(3, password="x"), mail(("logo.gif", b"GIF89a")), mail(text="Hello"), again):
        await house.put(each)
    state, before = await house.state(), await everything(house)
    session = await Door(lambda: house.active, None, None, None).open(house.company.mailbox)
    settings = house.active.snapshot.settings.mailboxes
    sent = SentMail(lambda: house.active, house.spool)
    async with one_reader() as reader:
        rehearsal = Rehearsal(house.company.mailbox, settings, Ledger(house.spool.facts, "bakery"), reader, sent)
        new = [each async for each in rehearsal.run(session, since=None, beyond=state.uid)]
        every = [each async for each in rehearsal.run(session, since=day(86400), beyond=0)]
    await session.close()
    assert [each.fate for each in new] == [Fate.TAKEN, Fate.PARKED, Fate.SKIPPED, Fate.SKIPPED, Fate.KNOWN]
    assert new[0].documents == ("factuur 2.pdf",)
    assert "password" in new[1].reason
    assert (every[0].fate, every[0].reason, every[1:]) == (Fate.KNOWN, "it was taken before", new)
    assert await everything(house) == before
    assert len(house.api.requests) == 1
    assert not any("Seen" in flags for flags in await asyncio.to_thread(house.mailboxes.flags, house.user))


async def everything(house):
    kinds = ("mailbox", "mailbox-mail", "mailbox-invoice", ORDER)
    return [list(await house.spool.facts.list(kind)) for kind in kinds]


class Pages:
    """Facts in pages of four."""

    def __init__(self, facts):
        self._facts = facts

    async def list(self, kind, *, after=""):
        return await self._facts.list(kind, after=after, limit=4)


async def test_a_long_history_is_read_in_pages_and_gives_the_last_mails(house):
    ledger = Ledger(house.spool.facts, "bakery")
    await house.put(invoice(1))
    await house.look()
    (record,) = await house.history()
    for number in range(30):
        await ledger.note_mail(f"{number * 7 % 30}", replace(record, at=1e9 + number, message_id=f"<{number}@x>"))
    told = await history(Pages(house.spool.facts), "bakery", 3)
    assert [each.message_id for each in told] == ["<1@supplier.example>", "<29@x>", "<28@x>"]
