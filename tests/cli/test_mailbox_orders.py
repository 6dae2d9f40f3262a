"""`relay mailbox dry-run`, `backfill`, `release` and `drop`: what people decide about a mailbox, and may see before."""

import asyncio
import socket

import pytest

from relay.fetch.ledger import MAIL, MAILBOX, Ledger, MailboxState, MailRecord, Stage
from relay.fetch.orders import ORDER, Orders, Wish
from relay.store.facts import Fact
from tests.fetch.mails import mail, pdf
from tests.peers.mailboxes import PASSWORD, Mailboxes

SLUG = "bakkerij-peeters"


@pytest.fixture
async def read(store):
    """A mailbox has been read, and one of its mails is parked."""
    facts = store.spool.facts
    await facts.put(MailboxState(account="a", started=1e9, looked=1e9).put_into(Fact(MAILBOX, SLUG, {}), due=2e9))
    parked = MailRecord(Stage.DONE, 1e9, "<1@x.example>", parked=True, reason="it is encrypted")
    await Ledger(facts, SLUG).note_mail("1", parked)
    await Ledger(facts, SLUG).note_mail("2", MailRecord(Stage.DONE, 1e9, "<2@x.example>", documents=1))
    return facts


@pytest.fixture(autouse=True)
def person(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "anna")


async def test_earlier_mail_is_ordered_for_the_next_look(place, read):
    assert (await place.ask("mailbox", "backfill", SLUG, "--since", "2026-01-31")).code == 0
    ((_, order),) = await Orders(read, SLUG).waiting()
    assert (order.wish, order.about, order.by) == (Wish.BACKFILL, "2026-01-31", "anna")
    assert (await place.ask("mailbox", "backfill", SLUG, "--since", "31/1/2026")).code == 2
    assert (await place.ask("mailbox", "backfill", "garage", "--since", "2026-01-31")).code == 1


async def test_a_parked_mail_is_released_by_its_message_id(place, read):
    ended = await place.ask("mailbox", "release", SLUG, "<1@x.example>", "--part", "3")
    assert ended.out == "1 mail will be handed on at the next look\n"
    ((_, order),) = await Orders(read, SLUG).waiting()
    assert (order.wish, order.about, order.by, order.part) == (Wish.RELEASE, "1", "anna", 3)


async def test_a_parked_mail_is_dropped_and_the_history_says_by_whom(place, read):
    assert (await place.ask("mailbox", "drop", SLUG, "1@x.example")).code == 0
    assert await read.list(ORDER) == []
    told = next(each for each in (await place.ask("mailbox", "history", SLUG, "--json")).json if not each["documents"])
    assert (told["parked"], told["reason"]) == (False, "it is encrypted")
    assert told["word"].startswith("dropped by anna at 2")
    assert "dropped" in (await place.ask("mailbox", "history", SLUG)).out
    assert (await place.ask("mailbox", "drop", SLUG, "1@x.example")).code == 1


@pytest.mark.usefixtures("read")
@pytest.mark.parametrize("word", ["release", "drop"])
async def test_only_what_is_parked_waits_for_a_person(place, word):
    ended = await place.ask("mailbox", word, SLUG, "<2@x.example>")
    assert (ended.code, ended.out) == (1, "")
    assert "no parked mail" in ended.err


async def test_a_dry_run_says_what_would_be_taken_and_notes_nothing(place, store):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    (place.path / "password").write_text(PASSWORD)
    async with Mailboxes(port) as mailboxes:
        company = (place.path / f"config/companies/{SLUG}.yaml").read_text()
        account = f"host: localhost, port: {port}, username: anna, password: {{file: password}}, ca: {mailboxes.ca}"
        place.write(f"companies/{SLUG}.yaml", f"{company}incoming: {{mailbox: {{{account}}}}}\n")
        settings = (place.path / "config/relay.yaml").read_text()
        place.write("relay.yaml", f"{settings}mailboxes: {{allow_private: true}}\n")
        await asyncio.to_thread(mailboxes.put, "anna", mail(("factuur.pdf", pdf())).as_bytes())
        await asyncio.to_thread(mailboxes.put, "anna", mail(text="Hello").as_bytes())
        ended = await place.ask("mailbox", "dry-run", SLUG, "--since", "2020-01-01")
        assert ended.code == 0, ended.err
        assert "factuur.pdf" in ended.out
        assert "there is nothing attached" in ended.out
        assert ended.out.endswith("1 skipped, 1 taken\n")
        told = (await place.ask("mailbox", "dry-run", SLUG, "--since", "2020-01-01", "--json")).json
        assert [(each["fate"], each["documents"]) for each in told] == [("taken", ["factuur.pdf"]), ("skipped", [])]
        assert "--since" in (await place.ask("mailbox", "dry-run", SLUG)).out
        assert await store.spool.facts.list(MAIL) == []
        assert await store.spool.facts.list(MAILBOX) == []


@pytest.mark.usefixtures("store")
async def test_a_dry_run_says_why_a_mailbox_cannot_be_opened(place):
    assert (await place.ask("mailbox", "dry-run", SLUG)).code == 2
    company = (place.path / f"config/companies/{SLUG}.yaml").read_text()
    account = "host: localhost, port: 9, username: anna, password: {file: password}"
    place.write(f"companies/{SLUG}.yaml", f"{company}incoming: {{mailbox: {{{account}}}}}\n")
    ended = await place.ask("mailbox", "dry-run", SLUG)
    assert ended.code == 69
    assert "in our own networks" in ended.err
