"""A mailbox at a real Dovecot is emptied into Fast input: every invoice once, whatever goes wrong on the way."""

import asyncio
import email
import email.policy
import time
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from relay.config.keyring import Active
from relay.config.snapshot import Snapshot
from relay.events import EventType
from relay.facts.laid import TAKEN
from relay.fetch.ledger import MAILBOX, MailboxState, Stage
from relay.imap.faults import MailboxError, MailboxFault
from relay.imap.session import ImapSession
from relay.mail.laid import FIELD, laid_mark
from relay.policy.company import After, FastInput, Language, SecretKind, SecretRef
from relay.store.spool import Selection
from relay.store.sqlite.spool import SqliteSpool
from tests.peers.mailboxes import PASSWORD

from .mails import mail, pdf, ubl, ubl_with, zipped


def invoice(number, **more):
    """A mail with an invoice; its Message-ID is its own."""
    made = mail((f"factuur {number}.pdf", pdf(mark=str(number))), **more)
    made.replace_header("Message-ID", f"<{number}@supplier.example>")
    return made


async def test_an_invoice_goes_to_fast_input_once(house):
    await house.put(invoice(1))
    await house.look()
    await house.look()
    ((line, headers, body),) = house.api.requests
    assert line == "POST /v1/toProcess HTTP/1.1"
    assert headers["partyid"] == "4711"
    assert "contextpartyid" not in headers
    assert headers["idempotency-key"].isalnum()
    assert body["Split"] is False
    assert body["File"]["FileName"] == "factuur 1.pdf"
    assert body["File"]["MimeType"] == "application/pdf"
    assert "MetaData" not in body
    (record,) = await house.history()
    assert (record.stage, record.documents, record.message_id) == (Stage.DONE, 1, "<1@supplier.example>")
    (event,) = house.sink.of(EventType.UPLOADED)
    assert event.data == {
        "company": "bakery",
        "message_id": "<1@supplier.example>",
        "upload": 1001,
        "known": False,
        "points": 100,
    }


async def test_mail_that_was_there_before_is_left_alone_unless_a_day_is_named(house):
    old = time.time() - 40 * 86400
    house.configure(folder="Archive")
    await asyncio.to_thread(_create, house, "Archive")
    await house.put(invoice(1), folder="Archive", at=old)
    await house.put(invoice(2), folder="Archive")
    await house.look()
    assert house.api.names == []
    house.configure(since=datetime.fromtimestamp(time.time() - 86400, UTC).date())
    await house.look()
    assert house.api.names == ["factuur 2.pdf"]
    house.configure(since=date(2000, 1, 1))
    await house.look()
    assert house.api.names == ["factuur 2.pdf", "factuur 1.pdf"]


def _create(house, folder):
    with house.mailboxes.connect(house.user) as client:
        client.create(folder)


async def looked_two_hours_ago(house):
    """Another worker takes over, and the last look was two hours ago."""
    await house.fetcher.close()
    house.fetcher = house.make_fetcher()
    fact, now = await house.spool.facts.get(MAILBOX, "bakery"), time.time()
    await house.spool.facts.put(replace(MailboxState.of(fact), succeeded=now - 7200).put_into(fact, due=now))
    return now


async def test_mail_that_came_before_the_folder_or_server_was_changed_is_read_at_the_new_place(house):
    await asyncio.to_thread(_create, house, "New")
    read = invoice(1)
    await house.put(read)
    await house.look()
    now = await looked_two_hours_ago(house)
    await house.put(invoice(2), folder="New", at=now - 86400)
    await house.put(read, folder="New", at=now - 9000)
    await house.put(invoice(3), folder="New", at=now - 60)
    house.configure(folder="New")
    await house.look()
    assert house.api.names == ["factuur 1.pdf", "factuur 3.pdf"]
    assert len(house.api.requests) == 2


async def test_mail_at_the_new_place_is_read_also_where_older_mail_was_put_after_it(house, monkeypatch):
    monkeypatch.setattr("relay.imap.session._MOST_TIMES", 2)
    await asyncio.to_thread(_create, house, "New")
    now = await looked_two_hours_ago(house)
    await house.put(invoice(1), folder="New", at=now - 60)
    for number in (2, 3, 4):
        await house.put(invoice(number), folder="New", at=now - 40 * 86400)
    house.configure(folder="New")
    await house.look()
    assert house.api.names == ["factuur 1.pdf"]


async def test_mail_from_before_is_left_alone_when_older_mail_was_put_after_it_and_all_is_numbered_anew(house):
    await asyncio.to_thread(_create, house, "In")
    await house.put(invoice(1), folder="In", at=time.time() - 3600)
    await house.put(invoice(2), folder="In", at=time.time() - 40 * 86400)
    house.configure(folder="In")
    await house.look()
    await asyncio.to_thread(house.mailboxes.number_anew, house.user, "In")
    await house.look()
    assert house.api.names == []


async def test_a_mailbox_that_is_numbered_anew_gives_nothing_twice_and_loses_nothing(house):
    await asyncio.to_thread(_create, house, "In")
    house.configure(folder="In")
    await house.look()
    await house.put(invoice(1), folder="In")
    await house.look()
    before = (await house.state()).validity
    await asyncio.to_thread(house.mailboxes.number_anew, house.user, "In")
    await house.put(invoice(2), folder="In")
    await house.look()
    assert (await house.state()).validity != before
    assert house.api.names == ["factuur 1.pdf", "factuur 2.pdf"]
    assert len(house.api.requests) == 2


async def test_a_mail_that_is_moved_away_and_back_is_known_again(house):
    await house.put(invoice(1))
    await house.look()

    def move():
        with house.mailboxes.connect(house.user) as client:
            client.create("Other")
            client.uid("MOVE", "1:*", "Other")
            client.select("Other")
            client.uid("MOVE", "1:*", "INBOX")

    await asyncio.to_thread(move)
    await house.look()
    assert len(house.api.requests) == 1
    assert (await house.state()).mails == 1


def alike(*marks):
    """Mails that differ in their attachments alone: the same fields, the same size."""
    return [mail(("factuur.xml", ubl(inside=f"<cbc:Note>{mark}</cbc:Note>", number=mark))) for mark in marks]


async def test_another_mail_that_looks_the_same_from_outside_is_read_too(house):
    first, second = alike("A-1", "A-2")
    assert len(first.as_bytes()) == len(second.as_bytes())
    await house.put(first)
    await house.look()
    await house.put(second)
    await house.look()
    await house.look()
    assert len(house.api.requests) == 2
    assert [record.documents for record in await house.history()] == [1, 1]
    assert (await house.state()).mails == 2


async def test_a_mail_is_compared_once_when_it_lies_elsewhere_and_never_because_of_new_numbers(house, monkeypatch):
    await asyncio.to_thread(_create, house, "In")
    house.configure(folder="In")
    await house.look()
    for each in (invoice(1), *alike("A-1", "A-2")):
        await house.put(each, folder="In")
    await house.look()
    bodies = []
    fetch = ImapSession.body

    async def count(session, uid):
        bodies.append(uid)
        return await fetch(session, uid)

    monkeypatch.setattr("relay.imap.session.ImapSession.body", count)
    await asyncio.to_thread(house.mailboxes.number_anew, house.user, "In")
    await house.look()
    # One of the two that are alike is recognised by its octets.
    assert len(bodies) == 1
    await house.look()
    assert len(bodies) == 1
    assert len(house.api.requests) == 3
    assert (await house.state()).mails == 3


async def test_a_mail_that_was_gone_when_it_was_to_be_read_is_read_when_it_is_back(house, monkeypatch):
    async def nothing(*_):
        return None

    with monkeypatch.context() as patch:
        patch.setattr("relay.imap.session.ImapSession.body", nothing)
        patch.setattr("relay.imap.session.ImapSession.is_there", nothing)
        await house.put(lost := invoice(1))
        await house.look()
    assert [record.reason for record in await house.history()] == ["the mail was gone before it could be read"]
    await house.put(lost)
    await house.look()
    assert house.api.names == ["factuur 1.pdf"]


async def test_the_same_invoice_in_two_mails_goes_once(house):
    first, second = mail(("e.xml", ubl())), mail(("other.xml", ubl()), subject="Herinnering")
    second.replace_header("Message-ID", "<other@supplier.example>")
    await house.put(first)
    await house.put(second)
    await house.look()
    assert house.api.names == ["e.xml"]
    assert sorted(record.known for record in await house.history()) == [0, 1]


async def test_another_invoice_under_the_name_of_an_earlier_one_is_parked_and_not_taken_for_known(house):
    forged, true = mail(("e.xml", ubl(inside="<!-- pay here -->"))), mail(("e.xml", ubl()), subject="Factuur")
    true.replace_header("Message-ID", "<true@supplier.example>")
    await house.put(forged)
    await house.look()
    await house.put(true)
    await house.look()
    assert len(house.api.taken) == 1
    (parked,) = (record for record in await house.history() if record.parked)
    assert parked.message_id == "<true@supplier.example>"
    assert parked.reason.endswith("came before with the mail <114@supplier.example>: compare the two")
    assert parked.known == 0
    (event,) = house.sink.of(EventType.PARKED)
    assert event.data["reason"] == parked.reason


async def test_a_pdf_that_comes_with_each_invoice_makes_none_of_them_known(house):
    leaflet = pdf(mark="the same for everybody")
    for number in ("1", "2"):
        made = mail(("e.xml", ubl(number)), ("document.pdf", leaflet))
        made.replace_header("Message-ID", f"<{number}@supplier.example>")
        await house.put(made)
    await house.look()
    assert [body["FileSource"]["FileName"] for body in house.api.taken] == ["document.pdf"] * 2
    assert [record.known for record in await house.history()] == [0, 0]


async def test_xml_and_pdf_of_one_invoice_go_together(house):
    await house.put(mail(("e.xml", ubl_with(pdf()))))
    await house.look()
    (body,) = house.api.taken
    assert body["File"]["MimeType"] == "application/xml"
    assert body["FileSource"]["FileName"] == "leesbaar.pdf"


async def test_what_the_company_wishes_goes_along(house):
    house.company = replace(house.company, fast_input=FastInput(1, 2, split=True, subject=True))
    house.configure()
    await house.put(invoice(1, subject="Factuur één"))
    await house.look()
    ((_, headers, body),) = house.api.requests
    assert (headers["partyid"], headers["contextpartyid"]) == ("1", "2")
    assert body["Split"] is True
    assert body["MetaData"] == {"Description": "Factuur één"}


@pytest.mark.parametrize("fault", [500, 429, 503, "silence", "lost"])
async def test_a_fault_of_fast_input_loses_nothing_and_gives_nothing_twice(house, fault):
    house.configure(after=After.SEEN)
    await house.put(invoice(1))
    await house.put(invoice(2))
    house.api.faults = [fault]
    await house.look()
    state = await house.state()
    assert state.error.startswith("Fast input: ")
    assert not any("Seen" in flags for flags in await asyncio.to_thread(house.mailboxes.flags, house.user))
    (event,) = house.sink.of(EventType.MAILBOX_FAILED)
    assert event.data["company"] == "bakery"
    await house.look()
    assert house.api.names == ["factuur 1.pdf", "factuur 2.pdf"]
    assert (await house.state()).error == ""
    assert len(house.sink.of(EventType.MAILBOX_BACK)) == 1
    assert all("Seen" in flags for flags in await asyncio.to_thread(house.mailboxes.flags, house.user))


async def test_a_refused_key_stops_everything_until_it_is_repaired(house):
    house.configure(fast_input={"api": {"url": house.api.url, "allow_private": True, "key": {"env": "HOME"}}})
    await house.put(invoice(1))
    await house.look()
    assert "access is refused (HTTP 401)" in (await house.state()).error
    house.configure()
    await house.look()
    assert house.api.names == ["factuur 1.pdf"]


async def test_a_document_that_is_refused_is_parked_and_the_others_go_on(house):
    house.configure(after=After.DELETE)
    await house.put(invoice(1))
    await house.put(invoice(2))
    house.api.faults = [400]
    await house.look()
    assert house.api.names == ["factuur 2.pdf"]
    parked = next(record for record in await house.history() if record.parked)
    assert parked.reason == "refused (HTTP 400): Invalid Filename: not this one"
    assert len(await asyncio.to_thread(house.mailboxes.flags, house.user)) == 1
    (event,) = house.sink.of(EventType.PARKED)
    assert event.data["message_id"] == "<1@supplier.example>"


async def test_of_two_invoices_in_a_mail_the_first_one_is_known_when_the_second_has_to_wait(house):
    one, two = pdf(mark="1"), pdf(mark="2")
    await house.put(mail(("factuur 1.pdf", one), ("factuur 2.pdf", two), ("kopie.pdf", one)))
    house.api.faults = [None, 503]
    await house.look()
    assert house.api.names == ["factuur 1.pdf"]
    assert len(house.sink.of(EventType.UPLOADED)) == 1
    assert (await house.state()).mails == 0
    await house.look()
    assert house.api.names == ["factuur 1.pdf", "factuur 2.pdf"]
    assert len(house.api.requests) == 3
    assert len(house.sink.of(EventType.UPLOADED)) == 2
    assert (await house.state()).mails == 1


async def test_a_document_that_makes_fast_input_stumble_again_and_again_is_parked(house):
    await house.put(invoice(1))
    await house.put(invoice(2))
    house.api.faults = [500] * 16
    for _ in range(16):
        await house.look()
    assert house.api.names == ["factuur 2.pdf"]
    assert (await house.state()).parked == 1


async def test_a_worker_that_dies_between_upload_and_note_gives_nothing_twice(house, monkeypatch):
    await house.put(invoice(1))

    async def die(*_):
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr("relay.fetch.ledger.Ledger.note_mail", die)
        await house.look()
    assert house.api.names == ["factuur 1.pdf"]
    await house.look()
    assert house.api.names == ["factuur 1.pdf"]
    (record,) = await house.history()
    assert (record.stage, record.documents) == (Stage.DONE, 1)


async def test_a_worker_that_dies_before_marking_marks_afterwards(house, monkeypatch):
    house.configure(after=After.FLAG)
    await house.put(invoice(1))

    def die(*_):
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr("relay.imap.session.ImapSession.mark", die)
        await house.look()
    await house.look()
    assert len(house.api.requests) == 1
    assert "Flagged" in (await asyncio.to_thread(house.mailboxes.flags, house.user))[0]


async def test_two_workers_share_a_mailbox(house, tmp_path):
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.2.1", pid=2, clock=house.clock)
    await spool.start()
    other = house.make_fetcher(spool)
    for number in range(5):
        await house.put(invoice(number))
    await house.look(other)
    assert house.api.names == [f"factuur {number}.pdf" for number in range(5)]
    assert len(house.api.requests) == 5
    for number in range(5, 10):
        await house.put(invoice(number))
    # The hold of the first one runs out while it reads.
    await asyncio.gather(house.look(), house.look(other))
    assert sorted(house.api.names) == [f"factuur {number}.pdf" for number in range(10)]
    await other.close()
    await spool.stop()


@pytest.mark.parametrize(
    ("after", "left", "elsewhere"),
    [
        (After.KEEP, ["UID 1"], 0),
        (After.SEEN, ["Seen"], 0),
        (After.FLAG, ["Flagged"], 0),
        (After.KEYWORD, ["$FastInput"], 0),
        (After.MOVE, [], 1),
        (After.DELETE, [], 0),
    ],
)
async def test_a_mail_is_marked_as_the_company_wishes(house, after, left, elsewhere):
    await asyncio.to_thread(_create, house, "Done")
    house.configure(after=after, move_to="Done" if after is After.MOVE else None)
    await house.put(invoice(1))
    await house.look()
    assert house.api.names == ["factuur 1.pdf"]
    flags = await asyncio.to_thread(house.mailboxes.flags, house.user)
    assert len(flags) == len(left)
    assert all(mark in each for mark, each in zip(left, flags, strict=True))
    if after is After.KEEP:
        assert "Seen" not in flags[0]
    assert len(await asyncio.to_thread(house.mailboxes.flags, house.user, "Done")) == elsewhere


@pytest.mark.parametrize(("after", "noted"), [(After.KEEP, []), (After.DELETE, ["0abcdefghjkmnp.3"])])
async def test_a_mail_that_we_laid_there_ourselves_is_noted_before_it_is_taken_away(house, after, noted):
    house.configure(after=after)
    laid, forged = invoice(1), invoice(2)
    laid[FIELD] = laid_mark("0abcdefghjkmnp", 3, secret=b"secret")
    forged[FIELD] = laid_mark("0abcdefghjkmnp", 4, secret=b"another")
    await house.put(laid)
    await house.put(forged)
    await house.look()
    assert len(house.api.names) == 2
    assert [fact.key for fact in await house.spool.facts.list(TAKEN)] == noted


async def test_mail_that_holds_nothing_is_remembered_and_left_as_it_is(house):
    house.configure(after=After.DELETE)
    await house.put(mail(subject="Vakantie"))
    await house.put(mail(("logo.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 100), subject="Vakantie 2"))
    await house.put(mail(("geheim.pdf", pdf(password="x")), subject="Factuur"))
    await house.look()
    assert house.api.requests == []
    reasons = {record.reason.partition(" (")[0] for record in await house.history()}
    assert "there is nothing attached" in reasons
    assert "it is protected with a password or encrypted" in reasons
    assert len(house.sink.of(EventType.SKIPPED)) == 2
    assert len(house.sink.of(EventType.PARKED)) == 1
    assert len(await asyncio.to_thread(house.mailboxes.flags, house.user)) == 3


async def notices(house):
    """Every mail to the company that waits, with what is attached."""
    found = []
    for entry in await house.spool.select(Selection(limit=100)):
        content = house.spool.read(entry.message.content, 0, entry.message.content.size)
        found.append((entry, content, email.message_from_bytes(content, policy=email.policy.default)))
    return found


async def test_a_mail_that_is_parked_is_sent_to_the_company_once_with_the_mail_as_it_came(house):
    house.company = replace(house.company, language=Language.NL)
    house.configure(settings={"verification": {"required": False}})
    locked = mail(("geheim.pdf", pdf(password="x")), subject="Factuur één")
    await house.put(locked)
    await house.put(mail(subject="Vakantie"))
    await house.look()
    await house.look()
    ((entry, octets, told),) = await notices(house)
    assert [str(delivery.recipient.address) for delivery in entry.deliveries] == ["info@bakery.example"]
    assert entry.message.envelope.reverse_path is None
    assert told["Subject"] == "Bakery: een mail in uw mailbox kon niet verwerkt worden"
    assert told["Auto-Submitted"] == "auto-generated"
    text, attached = told.iter_parts()
    assert "Factuur één" in text.get_content()
    assert "beveiligd met een wachtwoord" in text.get_content()
    assert attached.get_content_type() == "message/rfc822"
    assert locked.as_bytes(policy=email.policy.SMTP) in octets


async def test_a_report_that_lands_in_the_mailbox_it_is_about_is_left(house):
    house.configure(settings={"verification": {"required": False}})
    await house.put(mail(("geheim.pdf", pdf(password="x")), subject="Factuur"))
    await house.look()
    ((_, octets, told),) = await notices(house)
    await asyncio.to_thread(house.mailboxes.put, house.user, octets)
    forged = mail(("geheim.pdf", pdf(password="y")), subject="Factuur 2")
    seal = told["Message-ID"].split(".")[2].partition("@")[0]
    forged.replace_header("Message-ID", told["Message-ID"].replace(seal, "a" * 16))
    await house.put(forged)
    await house.look()
    reasons = sorted(record.reason for record in await house.history())
    assert reasons[0] == "a mail of ours about another one"
    assert len(reasons) == 3
    assert len(await notices(house)) == 2


async def test_reports_end_for_the_day_and_can_be_left_out(house):
    house.configure(settings={"verification": {"required": False}, "notices": {"per_day": 2}})
    for number in range(3):
        await house.put(
            mail((f"geheim {number}.pdf", pdf(password="x", mark=str(number))), subject=f"Factuur {number}")
        )
    await house.look()
    assert len(await notices(house)) == 2
    assert (await house.state()).parked == 3
    house.configure(mailboxes={"report": "none"})
    await house.put(mail(("geheim.pdf", pdf(password="z")), subject="Factuur z"))
    await house.look()
    assert len(await notices(house)) == 2


async def test_what_a_company_without_a_confirmed_address_should_know_goes_to_the_operator(house):
    await house.put(mail(("geheim.pdf", pdf(password="x")), subject="Factuur"))
    await house.look()
    ((entry, _, _),) = await notices(house)
    assert [str(delivery.recipient.address) for delivery in entry.deliveries] == ["postmaster@operator.example"]


async def test_mail_with_nothing_attached_is_never_fetched(house, monkeypatch):
    def fetch(*_):
        raise AssertionError("a body was asked for")

    monkeypatch.setattr("relay.imap.session.ImapSession.body", fetch)
    await house.put(mail(subject="Hello", html="<p>Hello</p>"))
    await house.look()
    assert [record.reason for record in await house.history()] == ["there is nothing attached"]


async def test_a_mail_that_is_too_large_is_parked_unread(house):
    house.configure(mailboxes={"message_size": "1KiB"})
    await house.put(mail(("f.zip", zipped(f__pdf=pdf()) * 10)))
    await house.look()
    (record,) = await house.history()
    assert record.parked
    assert "message_size" in record.reason


async def test_a_wrong_password_is_told_and_not_tried_again_soon(house, tmp_path):
    (tmp_path / "password").write_text("wrong")
    await house.look()
    state = await house.state()
    assert state.error == "the server refuses the account or its password"
    assert state.until - house.clock.now() > 1500
    looked = state.looked
    await house.look(after=100)
    assert (await house.state()).looked == looked
    assert await house.due() <= 33
    (tmp_path / "password").write_text(PASSWORD)
    await house.look(after=100)
    assert (await house.state()).error == ""


async def test_trouble_of_our_own_is_told_and_pauses_grow(house, monkeypatch):
    async def stumble(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr("relay.imap.session.ImapSession.select", stumble)
    pauses = []
    for _ in range(3):
        await house.look()
        pauses.append(await house.due())
    assert pauses[0] * 3 < pauses[2]
    assert (await house.state()).error == "the relay stumbled over this mailbox (RuntimeError)"
    assert len(house.sink.of(EventType.FAULT)) == 3
    monkeypatch.undo()
    await house.look()
    assert (await house.state()).error == ""


async def test_a_host_that_is_not_there_is_tried_again_soon_and_then_less_often(house):
    house.configure(mailboxes={"poll": "1h"}, port=9)
    pauses = []
    for _ in range(3):
        await house.look()
        pauses.append(await house.due())
    assert pauses[0] < 20
    assert pauses[0] * 3 < pauses[2] < 70


async def test_a_server_that_wants_peace_has_it(house, monkeypatch):
    async def be_busy(*_, **__):
        raise MailboxError(MailboxFault.BUSY, "the server is too busy", pause=3000.0, crowded=True)

    monkeypatch.setattr("relay.imap.session.ImapSession.open", be_busy)
    await house.look()
    assert await house.due() >= 2700


async def test_a_visit_ends_after_so_many_mails_and_the_next_one_goes_on_there(house, monkeypatch):
    monkeypatch.setattr("relay.fetch.visit._BATCH", 2)
    monkeypatch.setattr("relay.fetch.visit._MOST_MAILS", 2)
    for number in range(5):
        await house.put(invoice(number))
    for count in (2, 4, 5):
        await house.look()
        assert house.api.names == [f"factuur {number}.pdf" for number in range(count)]
        assert (await house.due() <= 0) == (count < 5)
    assert len(house.api.requests) == 5


async def test_a_folder_that_is_not_there_is_told(house):
    house.configure(folder="Nowhere")
    await house.look()
    assert (await house.state()).error == "the server says no to Nowhere"


async def test_a_mailbox_in_our_own_networks_is_refused_unless_allowed(house):
    house.configure(mailboxes={"allow_private": False})
    await house.look()
    assert "mailboxes.allow_private" in (await house.state()).error


async def test_a_server_without_a_certificate_for_its_name_is_refused(house):
    house.configure(ca=None)
    await house.look()
    assert "the certificate of localhost is not valid" in (await house.state()).error


async def test_documents_go_into_a_folder_whole(house, tmp_path):
    house.configure(fast_input={"folder": str(tmp_path / "invoices")})
    await house.put(mail(("e.xml", ubl_with(pdf()))))
    await house.put(invoice(1))
    await house.look()
    names = sorted(path.name.partition("-")[2] for path in (tmp_path / "invoices/bakery").iterdir())
    assert names == ["e.xml", "factuur 1.pdf", "leesbaar.pdf"]


async def test_a_company_with_an_address_at_fast_input_gets_its_documents_by_mail(house, tmp_path):
    (tmp_path / "address").write_text("p7xq@fast-input.example")
    about = FastInput(subject=True, address=SecretRef(SecretKind.FILE, str(tmp_path / "address")))
    house.company = replace(house.company, fast_input=about)
    house.configure()
    await house.put(invoice(1, subject="Factuur één"))
    await house.look()
    await house.look()
    assert house.api.requests == []
    (record,) = await house.history()
    (queue_id,) = record.sent
    (entry,) = await house.spool.find(queue_id)
    content = house.spool.read(entry.message.content, 0, entry.message.content.size)
    made = email.message_from_bytes(content, policy=email.policy.default)
    assert made["Subject"] == "Factuur één"
    assert [part.get_filename() for part in made.iter_attachments()] == ["factuur 1.pdf"]
    (event,) = house.sink.of(EventType.UPLOADED)
    assert event.data["queue_id"] == queue_id
    assert "p7xq" not in repr([house.sink.events, record, entry])


async def test_a_worker_that_dies_after_the_mail_is_in_the_queue_sends_no_second_one(house, tmp_path, monkeypatch):
    (tmp_path / "address").write_text("p7xq@fast-input.example")
    about = FastInput(address=SecretRef(SecretKind.FILE, str(tmp_path / "address")))
    house.company = replace(house.company, fast_input=about)
    house.configure()
    await house.put(invoice(1))

    async def die(*_):
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr("relay.fetch.ledger.Ledger.note_mail", die)
        await house.look()
    await house.look()
    assert len(await house.spool.find("fast-input@my.relay.example")) == 1


async def test_without_fast_input_nothing_is_read_and_that_is_told(house):
    house.configure(fast_input={})
    await house.put(invoice(1))
    await house.look()
    assert "names a fast_input" in (await house.state()).error
    house.configure()
    await house.look()
    assert house.api.names == ["factuur 1.pdf"]


def without_bakery(house):
    """A configuration in which only another company has a mailbox."""
    known = house.active
    other = replace(house.company.mailbox, username=f"{house.user}-other")
    garage = replace(house.company, slug="garage", alias="garage", mailbox=other)
    return Active(Snapshot.of(known.snapshot.settings, [replace(house.company, mailbox=None), garage]), known.keyring)


async def test_a_worker_that_has_older_files_leaves_a_new_mailbox_to_the_others(house):
    known, before = house.active, await house.state()
    house.active = without_bakery(house)
    await house.look()
    assert await house.state() == before
    house.active = known
    await house.put(invoice(1))
    await house.look()
    assert house.api.names == ["factuur 1.pdf"]


async def test_a_mailbox_that_nobody_has_any_more_is_forgotten_after_a_day(house):
    house.active = without_bakery(house)
    house.clock.ahead += 90_000
    await house.look()
    assert await house.spool.facts.get(MAILBOX, "bakery") is None
