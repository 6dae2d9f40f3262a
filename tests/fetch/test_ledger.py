"""What is remembered of mails and invoices, also when somebody else writes in between."""

from dataclasses import replace

import pytest

from relay.clock import SystemClock
from relay.fetch.ledger import Ledger, MailRecord, Stage, Taken
from relay.store.sqlite.spool import SqliteSpool

RECORD = MailRecord(Stage.EXTRACTED, 1.0)
TAKEN = Taken("mail", 1.0, "digest", 7)


@pytest.fixture
async def facts(tmp_path):
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=SystemClock())
    await spool.start()
    yield spool.facts
    await spool.stop()


@pytest.mark.parametrize("looks", [False, True])
async def test_the_last_word_about_a_mail_counts(facts, looks):
    one, two = Ledger(facts, "bakery"), Ledger(facts, "bakery")
    for ledger in (one, two) if looks else ():
        assert await ledger.mail("1") is None
    for number, ledger in enumerate((one, two, one, one, two)):
        record = replace(RECORD, tries=number)
        await ledger.note_mail("1", record)
        assert await Ledger(facts, "bakery").mail("1") == record


@pytest.mark.parametrize("looks", [False, True])
async def test_what_was_noted_first_about_an_invoice_stays(facts, looks):
    one, two = Ledger(facts, "bakery"), Ledger(facts, "bakery")
    for ledger in (one, two) if looks else ():
        assert await ledger.earlier(["a", "b"]) == {}
    await one.note_taken(["a"], TAKEN)
    await two.note_taken(["a", "b"], replace(TAKEN, mail="other"))
    await one.note_taken(["a"], replace(TAKEN, mail="again"))
    assert await two.earlier(["a", "b"]) == {"a": TAKEN, "b": replace(TAKEN, mail="other")}
