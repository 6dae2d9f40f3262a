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
    await one.note_taken({"a": TAKEN})
    await two.note_taken(dict.fromkeys(["a", "b"], replace(TAKEN, mail="other")))
    await one.note_taken({"a": replace(TAKEN, mail="again")})
    assert await two.earlier(["a", "b"]) == {"a": TAKEN, "b": replace(TAKEN, mail="other")}


async def test_a_mail_is_noted_together_with_what_came_of_it(facts):
    ledger, other = Ledger(facts, "bakery"), Ledger(facts, "bakery")
    await other.note_taken({"a": replace(TAKEN, mail="other")})
    await other.note_mail("1", RECORD)
    done = replace(RECORD, stage=Stage.DONE)
    await ledger.note_mail("1", done, {"a": TAKEN, "b": TAKEN})
    assert await other.mail("1") == done
    assert await other.earlier(["a", "b"]) == {"a": replace(TAKEN, mail="other"), "b": TAKEN}


async def test_that_a_mail_is_new_is_known_ahead_for_one_question(facts):
    ledger = Ledger(facts, "bakery")
    await ledger.note_mail("1", RECORD)
    await ledger.look_ahead(["1", "2", "2"])
    await Ledger(facts, "bakery").note_mail("2", RECORD)
    # A person may decide about a mail that is known meanwhile.
    await Ledger(facts, "bakery").note_mail("1", replace(RECORD, word="closed"))
    assert await ledger.mail("1") == replace(RECORD, word="closed")
    assert await ledger.mail("2") is None
    # The same mail may lie in a folder twice: what became of the first one has to be known.
    assert await ledger.mail("2") == RECORD
    await ledger.note_mail("2", replace(RECORD, stage=Stage.DONE))
    assert await ledger.mail("2") == replace(RECORD, stage=Stage.DONE)
