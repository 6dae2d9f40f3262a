"""Bounces in the mailbox of a company that sends by its own server: tied to the mail they are about, told once."""

import asyncio
from dataclasses import replace

import pytest

from relay.cli.trace import describe as trace_of
from relay.clock import SystemClock
from relay.events import Event, EventType
from relay.facts.dead_addresses import DeadAddresses
from relay.facts.door import Door
from relay.fetch.ledger import MAILBOX, Ledger
from relay.fetch.reader import one_reader
from relay.fetch.rehearsal import Fate, Rehearsal
from relay.incoming.returned import SentMail
from relay.mail.address import Address
from relay.mail.envelope import Envelope, Recipient
from relay.mail.message import parse_header
from relay.mail.thread import SENT, sent_field
from relay.mail.verp import bounce_address
from relay.notices.storing import store
from relay.store.spool import Acceptance, Change, Message, Origin, SpoolError, State
from relay.store.sqlite.spool import SqliteSpool

from .mails import mail, pdf

DOMAIN, SECRETS = "my.relay.example", (b"secret",)
ANNA, PIET = Address("anna", "customer.example"), Address("piet", "customer.example")
TOLD = (EventType.BOUNCED, EventType.COMPLAINED, EventType.NOTIFIED)


async def sent(house, queue_id="id01", *, company="bakery", to=(ANNA,), **more):
    """A mail of the company that its own server has taken; the header it left with."""
    state, origin = more.get("state", State.DELIVERED), more.get("origin", Origin.SUBMISSION)
    now = house.clock.now()
    octets = f"From: info@bakery.example\r\nMessage-ID: <{queue_id}@app.example>\r\n\r\nHello\r\n".encode()
    envelope = Envelope(Address("info", "bakery.example"), tuple(map(Recipient, to)))
    message = Message(
        queue_id, origin, now, "web", "", f"<{queue_id}@app.example>", envelope, store(house.spool, octets)
    )
    await house.spool.commit(Acceptance(message, (company,) * len(to), leased=True))
    changes = [Change(queue_id, number, state, 1, now, "250 OK") for number in range(len(to))]
    await house.spool.record(changes)
    return sent_field(queue_id, domain=DOMAIN, secrets=SECRETS).decode() + octets.decode().partition("\r\n\r\n")[0]


class Octets(bytes):
    """Octets that the house lays into a mailbox as they are."""

    def as_bytes(self) -> bytes:
        return bytes(self)


def dsn(returned, to=ANNA, name="dsn1", **fields):
    """As Postfix writes it."""
    told = {"Action": "failed", "Status": "5.1.1", "Diagnostic-Code": "smtp; 550 5.1.1 User unknown"} | fields
    lines = "".join(f"{key}: {value}\r\n" for key, value in told.items())
    return Octets(
        (
            f"From: MAILER-DAEMON@smtp.bakery.example\r\nMessage-ID: <{name}@smtp.bakery.example>\r\n"
            "Subject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\n"
            "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n"
            "--x\r\n\r\nI'm sorry to have to inform you\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n"
            f"Reporting-MTA: dns; smtp.bakery.example\r\n\r\nFinal-Recipient: rfc822; {to}\r\n{lines}"
            f"--x\r\nContent-Type: text/rfc822-headers\r\n\r\n{returned}\r\n--x--\r\n"
        ).encode()
    )


async def told(house, queue_id="id01"):
    return [event for event in await house.spool.timeline(queue_id) if event.type in TOLD]


def dead(house):
    return DeadAddresses(lambda: house.spool.facts, house.clock)


async def test_a_bounce_is_told_as_one_that_came_to_us(house):
    await house.put(dsn(await sent(house)))
    await house.look()
    (event,) = await told(house)
    assert (event.type, event.number) == (EventType.BOUNCED, 0)
    assert event.data == {
        "recipient": "anna@customer.example",
        "by": "<dsn1@smtp.bakery.example>",
        "action": "failed",
        "status": "5.1.1",
        "text": "550 5.1.1 User unknown",
        "class": "address-gone",
        "permanent": True,
    }
    assert house.sink.of(EventType.BOUNCED) == [event]
    assert (await dead(house).of("bakery", ANNA)).reason == "address-gone"
    (record,) = await house.history()
    assert record.reason == "bounce of mail id01 to anna@customer.example (address-gone)"
    assert not record.parked
    assert any("<dsn1@smtp.bakery.example>" in line for line in trace_of(event))


async def test_it_is_told_once_however_often_it_is_read(house):
    await house.put(dsn(await sent(house)))
    await house.look()
    # A worker killed after the event, and before the mail was done with.
    for kind in ("mailbox-mail", MAILBOX):
        (fact,) = await house.spool.facts.list(kind)
        if kind == MAILBOX:
            await house.spool.facts.put(replace(fact, value={**fact.value, "uid": 0}))
        else:
            await house.spool.facts.drop(fact)
    await house.look()
    assert len(await house.history()) == 1
    assert len(await told(house)) == 1


async def test_the_store_in_trouble_costs_no_bounce(house, monkeypatch):
    await house.put(dsn(await sent(house)))

    async def fail(*_):
        raise SpoolError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteSpool, "note", fail)
        await house.look()
    assert await told(house) == await house.history() == []
    await house.look()
    assert len(await told(house)) == 1


async def test_a_bounce_with_the_invoice_in_it_gives_no_document(house):
    returned = mail(("factuur.pdf", pdf()))
    returned[SENT] = parse_header((await sent(house)).encode() + b"\r\n").first(SENT).value.decode()
    bounce = mail(("", returned), subject="Undelivered", text="<anna@customer.example>: 550 5.1.1 User unknown")
    bounce.replace_header("From", "MAILER-DAEMON@smtp.bakery.example")
    await house.put(bounce)
    await house.look()
    assert house.api.requests == []
    (event,) = await told(house)
    assert (event.type, event.data["class"]) == (EventType.BOUNCED, "address-gone")


async def test_a_bounce_in_plain_text_is_fetched_and_read(house):
    header = await sent(house)
    bounce = mail(
        subject="failure notice",
        text="Hi. This is the qmail-send program at bakery.example.\nI'm afraid I wasn't able to deliver your message "
        "to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<anna@customer.example>:\n550 5.1.1 User unknown\n\n--- Below this line is a copy.\n\n{header}",
    )
    bounce.replace_header("From", "MAILER-DAEMON@smtp.bakery.example")
    await house.put(bounce)
    await house.put(mail(subject="Vraag", text="Is dit juist?"))
    await house.look()
    (event,) = await told(house)
    assert event.data["class"] == "address-gone"
    assert await dead(house).of("bakery", ANNA) is not None
    assert [record.reason for record in await house.history()][-1].startswith("bounce of mail id01")


async def test_by_message_id_and_recipient_it_is_told_and_no_address_is_taken_for_dead(house):
    header = (await sent(house)).partition("\r\n")[2]
    assert SENT not in header.lower()
    await house.put(dsn(header))
    await house.look()
    (event,) = await told(house)
    assert event.data["permanent"] is True
    assert await dead(house).of("bakery", ANNA) is None


async def test_a_return_path_that_is_ours_names_the_recipient(house):
    await sent(house, to=(ANNA, PIET))
    path = bounce_address("id01", 1, domain="bounce.bakery.example", secrets=SECRETS)
    await house.put(dsn(f"Return-Path: <{path}>\r\n", to=Address("elsewhere", "forwarded.example")))
    await house.look()
    (event,) = await told(house)
    assert (event.number, event.data["recipient"]) == (1, "piet@customer.example")


async def test_a_recipient_known_by_another_name_is_the_only_one_there_is(house):
    one, two = await sent(house), await sent(house, "id02", to=(ANNA, PIET))
    away = Address("elsewhere", "forwarded.example")
    await house.put(dsn(one, to=away))
    await house.put(dsn(two, to=away, name="dsn2"))
    await house.look()
    assert [event.number for event in await told(house)] == [0]
    assert await told(house, "id02") == []


@pytest.mark.parametrize(
    ("made", "header"),
    [
        ({}, "Relay-Sent: <id01.aaaaaaaa@my.relay.example>"),
        ({}, "Message-ID: <id01.aaaaaaaa@my.relay.example>"),
        ({}, "Message-ID: <another@app.example>"),
        ({}, "Message-ID: <anna@customer.example>"),
        ({}, "Return-Path: <b+id01.0.aaaaaaaaaaaaaaaa@my.relay.example>"),
        ({"to": (PIET,)}, "Message-ID: <id01@app.example>"),
        ({"company": "garage"}, None),
        ({"company": "garage"}, "Message-ID: <id01@app.example>"),
        ({"state": State.FAILED}, "Message-ID: <id01@app.example>"),
        ({"origin": Origin.MX}, None),
    ],
)
async def test_what_an_outsider_writes_is_no_bounce(house, made, header):
    left = await sent(house, **made)
    await house.put(dsn(left if header is None else header))
    await house.look()
    assert await told(house) == []
    for company in ("bakery", "garage"):
        assert await dead(house).of(company, ANNA) is None
    (record,) = await house.history()
    assert record.reason == "a report about a mail that was sent from here, with that mail in it"


@pytest.mark.parametrize(
    ("fields", "kind", "reason"),
    [
        ({"Action": "delayed", "Status": "4.4.1"}, EventType.NOTIFIED, "report of mail id01 to {} (delayed)"),
        ({"Action": "delivered", "Status": "2.0.0"}, EventType.NOTIFIED, "report of mail id01 to {} (delivered)"),
        (
            {"Status": "5.2.2", "Diagnostic-Code": "smtp; full"},
            EventType.BOUNCED,
            "bounce of mail id01 to {} (mailbox-full)",
        ),
    ],
)
async def test_only_what_fails_for_good_makes_an_address_dead(house, fields, kind, reason):
    await house.put(dsn(await sent(house), **fields))
    await house.look()
    assert [event.type for event in await told(house)] == [kind]
    assert await dead(house).of("bakery", ANNA) is None
    assert [record.reason for record in await house.history()] == [reason.format(ANNA)]


async def test_a_dry_run_says_what_came_back_and_tells_nobody(house):
    await house.put(dsn(await sent(house)))
    session = await Door(lambda: house.active, None, None, None).open(house.company.mailbox)
    left = SentMail(lambda: house.active, house.spool)
    settings = house.active.snapshot.settings.mailboxes
    async with one_reader() as reader:
        rehearsal = Rehearsal(house.company.mailbox, settings, Ledger(house.spool.facts, "bakery"), reader, left)
        (foreseen,) = [each async for each in rehearsal.run(session, since=None, beyond=0)]
    await session.close()
    assert foreseen.fate is Fate.SKIPPED
    assert foreseen.reason == "bounce of mail id01 to anna@customer.example (address-gone)"
    assert await told(house) == []


async def test_a_complaint_is_told_too(house):
    header = await sent(house)
    await house.put(
        Octets(
            (
                "From: fbl@provider.example\r\nMessage-ID: <c@provider.example>\r\n"
                "Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\n\r\n"
                "--x\r\n\r\nA complaint.\r\n--x\r\nContent-Type: message/feedback-report\r\n\r\n"
                f"Feedback-Type: abuse\r\nVersion: 1\r\nOriginal-Rcpt-To: {ANNA}\r\n\r\n"
                f"--x\r\nContent-Type: message/rfc822\r\n\r\n{header}\r\n\r\nbody\r\n--x--\r\n"
            ).encode()
        )
    )
    await house.look()
    assert [event.type for event in await told(house)] == [EventType.COMPLAINED]
    assert (await dead(house).of("bakery", ANNA)).reason == "complaint"
    assert [each.reason for each in await house.history()] == ["complaint about mail id01 to anna@customer.example"]


async def carry(house, bounce, origin):
    """The bounce passes through the relay on its way to the mailbox."""
    envelope = Envelope(None, (Recipient(Address("info", "bakery.example")),))
    name = "<dsn1@smtp.bakery.example>"
    message = Message("id09", origin, house.clock.now(), "", "", name, envelope, store(house.spool, bounce))
    await house.spool.commit(Acceptance(message, ("bakery",), leased=True))
    await house.put(bounce)


async def test_our_own_report_is_no_bounce_of_somebody_else(house):
    await carry(house, dsn(await sent(house)), Origin.REPORT)
    await house.look()
    assert await told(house) == []
    assert [each.reason for each in await house.history()] == [
        "bounce of mail id01 to anna@customer.example (address-gone)"
    ]


async def test_what_came_by_way_of_us_is_told_unless_it_was_told_then(house):
    await carry(house, dsn(await sent(house)), Origin.MX)
    await house.put(dsn(await sent(house, "id02"), name="dsn2"))
    before = Event(EventType.BOUNCED, house.clock.now(), "id01", 0, {"by": "id09"})
    await house.spool.note([before])
    await house.look()
    assert [event.data["by"] for event in await told(house)] == ["id09"]
    assert [event.data["by"] for event in await told(house, "id02")] == ["<dsn2@smtp.bakery.example>"]


async def test_what_came_by_way_of_us_and_was_not_understood_then_is_told_now(house):
    await carry(house, dsn(await sent(house)), Origin.MX)
    await house.look()
    assert [event.data["by"] for event in await told(house)] == ["<dsn1@smtp.bakery.example>"]


async def test_what_lay_there_for_long_says_nothing_of_today(house):
    await asyncio.to_thread(
        house.mailboxes.put, house.user, dsn(await sent(house)).as_bytes(), at=SystemClock().now() - 30 * 86400
    )
    await house.look()
    assert len(await told(house)) == 1
    assert await dead(house).of("bakery", ANNA) is None
