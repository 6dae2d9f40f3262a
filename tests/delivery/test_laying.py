"""Answers that are laid into a company's own mailbox, with a real Dovecot."""

import email
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import Message
from pathlib import Path

import pytest

from relay.config.keyring import Keyring
from relay.config.settings import Delivery
from relay.delivery.outgoing import Outgoing
from relay.delivery.route import choose_route
from relay.events import EventType
from relay.facts.laid import note_taken
from relay.facts.whereabouts import Finder
from relay.imap.faults import MailboxError, MailboxFault
from relay.imap.session import ImapSession
from relay.mail.address import Address
from relay.mail.laid import laid_name
from relay.policy.authentication import unknown
from relay.policy.company import Company, Mailbox, SecretKind, SecretRef
from relay.policy.forward import Writer, forward_to_company
from relay.policy.outcome import Action
from relay.policy.providers import Endpoint
from relay.policy.whereabouts import Sighting, Whereabouts
from relay.store.spool import Origin, SpoolError, State
from tests.e2e.relay_process import free_port
from tests.peers.mailboxes import HOST, PASSWORD, Mailboxes

from .house import BAKERY, DOMAIN, MAIL, House

SENDER = "anna@customer.example"


@pytest.fixture
async def mailboxes() -> AsyncIterator[Mailboxes]:
    async with Mailboxes(free_port("127.0.0.1")) as running:
        yield running


@pytest.fixture
def company(house: House, mailboxes: Mailboxes, tmp_path: Path) -> Company:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    reference = SecretRef(SecretKind.FILE, str(password))
    mailbox = Mailbox(HOST, mailboxes.port, "implicit", "info", reference, ca=str(mailboxes.ca))
    company = replace(BAKERY, mailbox=mailbox, into_mailbox=True)
    house.configure(company, mailboxes={"allow_private": True})
    return company


def lying(mailboxes: Mailboxes, folder: str = "INBOX") -> list[Message]:
    """What lies in the mailbox."""
    with mailboxes.connect("info") as client:
        client.select(folder, readonly=True)
        found = client.uid("FETCH", "1:*", "(INTERNALDATE BODY.PEEK[])")[1]
        return [email.message_from_bytes(each[1]) for each in found if isinstance(each, tuple)]


async def answer(house: House) -> str:
    return await house.deliver(f"bakery@{DOMAIN}", sender=SENDER, origin=Origin.MX)


async def test_an_answer_lies_in_the_mailbox_as_it_came(house, mailboxes, company):
    queue_id = await answer(house)
    (mail,) = lying(mailboxes)
    assert (mail["From"], mail["Return-Path"]) == ('"Web" <web@app.example>', f"<{SENDER}>")
    assert mail["Relay-Laid"].startswith(f"{queue_id}.0.")
    assert mail.as_bytes().replace(b"\n", b"\r\n").endswith(MAIL.partition(b"\r\n\r\n")[2])
    assert (await house.delivery(queue_id)).state is State.DELIVERED
    (delivered,) = house.sink.of(EventType.DELIVERED)
    assert delivered.data["reply"] == "250 2.0.0 laid into INBOX of the company's mailbox"
    assert "laid into the company's own mailbox" in str(delivered.data["reasons"])


async def test_it_is_laid_once_when_nobody_knows_how_the_try_before_ended(house, mailboxes, company):
    entry = await house.put(f"bakery@{DOMAIN}", sender=SENDER, origin=Origin.MX)
    (batch,) = (await house.dispatcher.planner.plan(entry)).batches
    for _ in range(2):
        (outcome,) = (await house.attempts().attempt(batch)).outcomes
        assert outcome.action is Action.DELIVERED
    assert len(lying(mailboxes)) == 1


async def test_it_is_laid_once_when_the_connection_ends_before_the_server_has_said_so(
    house, mailboxes, company, monkeypatch
):
    append = ImapSession.append

    async def append_and_lose(session, *what):
        await append(session, *what)
        monkeypatch.setattr(ImapSession, "append", append)
        raise MailboxError(MailboxFault.CONNECT, "the connection was lost")

    monkeypatch.setattr(ImapSession, "append", append_and_lose)
    queue_id = await answer(house)
    assert (await house.delivery(queue_id)).state is State.QUEUED
    house.clock.at += 120
    await house.lease()
    assert (await house.delivery(queue_id)).state is State.DELIVERED
    assert len(lying(mailboxes)) == 1


async def test_it_is_laid_once_though_the_secret_that_seals_its_mark_has_changed(house, mailboxes, company):
    entry = await house.put(f"bakery@{DOMAIN}", sender=SENDER, origin=Origin.MX)
    (batch,) = (await house.dispatcher.planner.plan(entry)).batches
    for secrets in ((b"old",), (b"new", b"old")):
        active = replace(batch.active, keyring=Keyring(secrets, {}))
        await house.attempts().attempt(replace(batch, active=active))
    assert len(lying(mailboxes)) == 1


async def test_it_is_laid_once_though_the_reading_of_the_mailbox_has_taken_it_away_meanwhile(
    house, mailboxes, company, monkeypatch
):
    append = ImapSession.append

    async def append_and_lose(session, *what):
        await append(session, *what)
        raise MailboxError(MailboxFault.CONNECT, "the connection was lost")

    monkeypatch.setattr(ImapSession, "append", append_and_lose)
    queue_id = await answer(house)
    with mailboxes.connect("info") as client:
        client.select("INBOX")
        client.uid("STORE", "1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()
    await note_taken(house.spool.facts, laid_name(queue_id, 0), until=house.clock.now() + 3600)
    house.clock.at += 120
    await house.lease()
    assert (await house.delivery(queue_id)).state is State.DELIVERED
    assert lying(mailboxes) == []


async def test_a_mail_that_cannot_be_read_to_its_end_leaves_no_half_of_it(house, mailboxes, company, monkeypatch):
    def breaks(self):
        yield b"half of it\r\n"
        raise SpoolError("broken")

    monkeypatch.setattr(Outgoing, "body", breaks)
    queue_id = await answer(house)
    assert (await house.delivery(queue_id)).state is State.QUEUED
    assert lying(mailboxes) == []


async def test_what_was_found_out_stands_on_it(house, mailboxes, company):
    warning = {"code": "look-alike", "text": "custorner.example looks like customer.example", "company": "bakery"}
    found = {"evidence": unknown("nobody asked").to_json(), "warnings": [warning]}
    await house.deliver(f"bakery@{DOMAIN}", sender=SENDER, origin=Origin.MX, findings=found)
    (mail,) = lying(mailboxes)
    assert mail["Relay-Warning"].startswith("look-alike; custorner.example")
    assert mail["Authentication-Results"].startswith("mx1.my.relay.example")


async def test_the_companys_address_is_not_proved_by_it(house, mailboxes, company):
    assert await house.dispatcher.homes.refused(company)
    await answer(house)
    assert not house.sink.of(EventType.ADDRESS_BACK)
    assert not await house.dispatcher.homes.refused(company)


async def test_a_large_mail_is_laid_whole(house, mailboxes, company):
    body = b"".join(b"line %d of a large one\r\n" % number for number in range(60_000))
    head = MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    await house.deliver(f"bakery@{DOMAIN}", sender=SENDER, origin=Origin.MX, octets=head + body)
    (mail,) = lying(mailboxes)
    assert mail.get_payload(decode=True) == body


async def test_each_of_two_addresses_gets_its_own(house, mailboxes, company):
    await house.deliver(f"bakery@{DOMAIN}", f"bakery+2@{DOMAIN}", sender=SENDER, origin=Origin.MX)
    assert len(lying(mailboxes)) == 2


async def test_a_refused_account_is_left_alone_while_mail_waits(house, mailboxes, company, tmp_path):
    (tmp_path / "password").write_text("a wrong one")
    first, second = await answer(house), await answer(house)
    for queue_id in (first, second):
        delivery = await house.delivery(queue_id)
        assert (delivery.state, delivery.last) == (State.QUEUED, "the server refuses the account or its password")
    # Another password is another account: it is tried at once.
    (tmp_path / "password").write_text(PASSWORD)
    house.configure(replace(company, name="Bakery & Sons"))
    house.clock.at += 120
    await house.lease()
    assert len(lying(mailboxes)) == 2


async def test_an_account_that_was_refused_to_one_worker_is_left_alone_by_all(
    house, mailboxes, company, tmp_path, monkeypatch
):
    (tmp_path / "password").write_text("a wrong one")
    entry = await house.put(f"bakery@{DOMAIN}", sender=SENDER, origin=Origin.MX)
    (batch,) = (await house.dispatcher.planner.plan(entry)).batches
    (refused,) = (await house.attempts().attempt(batch)).outcomes
    opened = []
    monkeypatch.setattr(ImapSession, "open", lambda *_: opened.append(1))
    (spared,) = (await house.attempts().attempt(batch)).outcomes
    assert (spared.action, spared.text) == (Action.DEFER, refused.text)
    assert opened == []


async def test_a_folder_that_is_not_there_is_named(house, mailboxes, company):
    house.configure(replace(company, mailbox=replace(company.mailbox, folder="Answers")))
    queue_id = await answer(house)
    delivery = await house.delivery(queue_id)
    assert (delivery.state, "Answers" in delivery.last) == (State.QUEUED, True)


async def test_an_answer_is_laid_into_a_mailbox_that_is_found(house, mailboxes, company):
    await find(house, mailboxes, company)
    await answer(house)
    assert len(lying(mailboxes)) == 1


async def test_an_answer_waits_while_its_mailbox_is_not_found(house, mailboxes, company):
    sought = replace(company.mailbox, host="", sought=company.address)
    house.configure(replace(company, mailbox=sought), mailboxes={"allow_private": True})
    queue_id = await answer(house)
    delivery = await house.delivery(queue_id)
    assert delivery.state is State.QUEUED
    assert "the IMAP server of bakery.example" in delivery.last


async def find(house: House, mailboxes: Mailboxes, company: Company) -> None:
    """The company's mailbox has been found at the Dovecot here."""
    assert company.mailbox is not None
    place = Whereabouts(Endpoint(HOST, mailboxes.port, "implicit"), ("info",), "SRV records")

    async def locate(_: Address) -> Sighting:
        return Sighting(place)

    await Finder(lambda: house.spool.facts, locate, house.clock).find(company.address)
    mailbox = replace(company.mailbox, host="", username=str(company.address), sought=company.address)
    house.configure(replace(company, mailbox=mailbox), mailboxes={"allow_private": True})


def test_mailboxes_that_are_found_by_other_domains_are_other_ones() -> None:
    keys = set()
    for domain in ("bakery.example", "other.example"):
        mailbox = Mailbox("", 993, "implicit", "info", None, sought=Address("info", domain))
        company = replace(BAKERY, mailbox=mailbox, into_mailbox=True)
        decision = forward_to_company(company, Writer(null=False), domain=DOMAIN)
        keys.add(choose_route(decision, company.address, Delivery()).key)
    assert keys == {"mailbox:info@bakery.example:993", "mailbox:info@other.example:993"}
