"""`relay mailbox status` and `history` say how the reading of mailboxes goes."""

import pytest

from relay.clock import SystemClock
from relay.facts.whereabouts import Finder
from relay.fetch.ledger import MAILBOX, Ledger, MailboxState, MailRecord, Stage
from relay.mail.address import Address
from relay.policy.providers import Endpoint
from relay.policy.whereabouts import Sighting, Whereabouts
from relay.store.facts import Fact


@pytest.fixture
async def read(store):
    """A place where two mailboxes have been read."""
    facts = store.spool.facts
    good = MailboxState(account="a", looked=1e9, succeeded=1e9, mails=4, documents=2, parked=1)
    bad = MailboxState(account="b", looked=1e9, failures=3, error="the server refuses the account or its password")
    await facts.put(good.put_into(Fact(MAILBOX, "bakkerij-peeters", {}), due=2e9))
    await facts.put(bad.put_into(Fact(MAILBOX, "garage", {}), due=2e9))
    ledger = Ledger(facts, "bakkerij-peeters")
    await ledger.note_mail("1", MailRecord(Stage.DONE, 1e9, "<1@x.example>", documents=1))
    await ledger.note_mail("2", MailRecord(Stage.DONE, 1e9 + 1, "<2@x.example>", parked=True, reason="it is encrypted"))
    await ledger.note_mail("3", MailRecord(Stage.DONE, 1e9 + 2, "<3@x.example>", reason="there is nothing attached"))
    await ledger.note_mail("4", MailRecord(Stage.EXTRACTED, 1e9 + 3, "<4@x.example>"))
    await ledger.note_mail("5", MailRecord(Stage.DONE, 1e9 + 4, "<5@x.example>", known=1))
    await Ledger(facts, "bakkerij-peeters-2").note_mail("6", MailRecord(Stage.DONE, 1e9))


@pytest.mark.usefixtures("read")
async def test_every_mailbox_is_told_with_its_trouble(place):
    ended = await place.ask("mailbox", "status")
    assert ended.code == 1
    assert "the server refuses the account or its password" in ended.out
    good, bad = (await place.ask("mailbox", "status", "--json")).json
    assert (good["company"], good["documents"], good["error"]) == ("bakkerij-peeters", 2, "")
    assert (bad["failures"], bad["succeeded"]) == (3, None)


@pytest.mark.usefixtures("read")
async def test_mailboxes_in_trouble_want_attention(place):
    assert "! a mailbox is not read to the end: `relay mailbox status` says why" in (await place.ask("status")).out


@pytest.mark.usefixtures("read")
async def test_every_mail_is_told_with_its_fate(place):
    ended = await place.ask("mailbox", "history", "bakkerij-peeters")
    assert ended.code == 0
    told = [line for line in ended.out.splitlines() if "@x.example" in line]
    fates = ("taken", "on its way", "skipped", "parked", "taken")
    assert [fate in line for fate, line in zip(fates, told, strict=True)] == [True] * 5
    assert "it is encrypted" in told[3]
    told = (await place.ask("mailbox", "history", "bakkerij-peeters", "--limit", "1", "--json")).json
    assert [mail["message_id"] for mail in told] == ["<5@x.example>"]


async def test_a_server_that_was_found_is_told_with_who_said_so_and_when(place, store):
    facts, address = store.spool.facts, Address("info", "bakkerij-peeters.example")
    source = "SRV records of bakkerij-peeters.example"
    end = Endpoint("imap.bakkerij-peeters.example", 993, "implicit")

    async def locate(_):
        return Sighting(Whereabouts(end, ("info",), source))

    await Finder(lambda: facts, locate, SystemClock()).find(address)
    for slug, sought in (("bakkerij-peeters", str(address)), ("garage", "info@garage.example"), ("studio", "")):
        await facts.put(MailboxState(looked=1e9, sought=sought).put_into(Fact(MAILBOX, slug, {}), due=2e9))
    told = [box["server"] for box in (await place.ask("mailbox", "status", "--json")).json]
    found = told[0].pop("found")
    assert told == [{"host": end.host, "port": 993, "tls": "implicit", "source": source}, None, None]
    assert found.startswith("20")
    lines = " ".join((await place.ask("mailbox", "status")).out.split())
    assert "imap.bakkerij-peeters.example" in lines
    assert "garage not found" in lines
    assert "studio as written" in lines


async def test_where_no_mailbox_is_read_that_is_said(place, store):
    assert (await place.ask("mailbox", "status")).out == "no mailbox is read\n"
    assert (await place.ask("mailbox", "history", "garage")).code == 1
