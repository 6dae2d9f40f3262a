"""What comes back: tied to the mail it is about, understood, and told in that mail's timeline."""

import pytest

from relay.events import EventType
from relay.mail.address import Address
from relay.mail.srs import srs_forward
from relay.mail.verp import bounce_address

from .front import DAY, DOMAIN, MAIL, NOW, SECRET, send

BAKERY = "<bakery@my.relay.example>"
ANNA = "<anna@customer.example>"


def dsn(recipient: str = "anna@customer.example", returned: str = "", **fields: str) -> bytes:
    told = {"Action": "failed", "Status": "5.1.1", "Diagnostic-Code": "smtp; 550 5.1.1 User unknown"} | fields
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
    return (
        "From: MAILER-DAEMON@mail.customer.example\r\nSubject: Undelivered\r\nAuto-Submitted: auto-replied\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n"
        "--x\r\n\r\nSorry.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mail.customer.example\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\n{lines}"
        "Remote-MTA: dns; mx.customer.example\r\n"
        f"--x\r\nContent-Type: text/rfc822-headers\r\n\r\n{returned}\r\n--x--\r\n"
    ).encode()


def arf(returned: str) -> bytes:
    return (
        "From: fbl@provider.example\r\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\n\r\n"
        "--x\r\n\r\nA complaint.\r\n--x\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: abuse\r\nVersion: 1\r\n\r\n"
        f"--x\r\nContent-Type: message/rfc822\r\n\r\n{returned}\r\n\r\nbody\r\n--x--\r\n"
    ).encode()


@pytest.fixture
async def sent(front) -> str:
    """The queue id of a mail of the bakery to two people."""
    octets = b"Message-ID: <inv-1@app.example>\r\n" + MAIL
    reply = await send(await front.app(), BAKERY, (ANNA, "<piet@customer.example>"), octets)
    assert reply.code == 250
    return reply.text


def sealed(queue_id: str, number: int = 0) -> str:
    return f"<{bounce_address(queue_id, number, domain=DOMAIN, secrets=(SECRET,))}>"


async def told(front, queue_id: str) -> list[tuple[str, int | None, dict]]:
    wanted = (EventType.BOUNCED, EventType.COMPLAINED, EventType.NOTIFIED)
    return [
        (event.type.value, event.number, dict(event.data))
        for event in await front.spool.timeline(queue_id)
        if event.type in wanted
    ]


async def test_a_bounce_says_what_is_wrong(front, sent):
    reply = await send(front.mx(), "<>", sealed(sent, 1), dsn("piet@customer.example"))
    assert await told(front, sent) == [
        (
            "bounced",
            1,
            {
                "recipient": "piet@customer.example",
                "by": reply.text,
                "action": "failed",
                "status": "5.1.1",
                "host": "mx.customer.example",
                "text": "550 5.1.1 User unknown",
                "class": "address-gone",
                "permanent": True,
            },
        )
    ]
    entry = front.outbox.entries[-1]
    assert entry.deliveries[0].company == "bakery"
    assert entry.message.findings["bounce"] == {"of": sent, "number": 1, "type": "bounced"}


@pytest.mark.parametrize(
    ("fields", "kind", "more"),
    [
        (
            {"Action": "delayed", "Status": "4.2.2", "Diagnostic-Code": "smtp; 452 4.2.2 full"},
            "notified",
            "mailbox-full",
        ),
        ({"Action": "delivered", "Status": "2.0.0", "Diagnostic-Code": "smtp; 250 ok"}, "notified", None),
        ({"Action": "failed", "Status": "4.4.7", "Diagnostic-Code": "smtp; 451 timed out"}, "bounced", "network"),
    ],
)
async def test_only_a_failure_is_one(front, sent, fields, kind, more):
    await send(front.mx(), "<>", sealed(sent), dsn(**fields))
    ((type_, number, data),) = await told(front, sent)
    assert (type_, number, data["action"], data.get("class")) == (kind, 0, fields["Action"], more)
    assert not data.get("permanent")


async def test_a_bounce_to_the_alias_is_tied_by_the_seal_that_came_back(front, sent):
    await send(front.mx(), "<>", BAKERY, dsn("anna@elsewhere.example", f"Return-Path: {sealed(sent)}\r\n"))
    ((kind, number, data),) = await told(front, sent)
    assert (kind, number, data["recipient"]) == ("bounced", 0, "anna@customer.example")


async def test_or_by_message_id_and_recipient_when_both_are_ours(front, sent):
    returned = "Message-ID: <inv-1@app.example>\r\n"
    await send(front.mx(), "<>", BAKERY, dsn("piet@customer.example", returned))
    assert [(kind, number) for kind, number, _ in await told(front, sent)] == [("bounced", 1)]


@pytest.mark.parametrize(
    ("to", "recipient", "returned"),
    [
        (BAKERY, "nobody@customer.example", "Message-ID: <inv-1@app.example>\r\n"),
        (BAKERY, "anna@customer.example", "Message-ID: <other@app.example>\r\n"),
        (BAKERY, "anna@customer.example", "Return-Path: <b+forged.0.aaaaaaaaaaaaaaaa@my.relay.example>\r\n"),
        ("<garage@my.relay.example>", "anna@customer.example", "Message-ID: <inv-1@app.example>\r\n"),
    ],
)
async def test_what_is_not_about_our_mail_is_kept_from_it(front, sent, to, recipient, returned):
    assert (await send(front.mx(), "<>", to, dsn(recipient, returned))).code == 250
    assert await told(front, sent) == []


async def test_a_vacation_notice_to_the_reverse_path_is_no_bounce(front, sent):
    letter = b"From: anna@customer.example\r\nSubject: Away\r\nAuto-Submitted: auto-replied\r\n\r\nBack on Monday.\r\n"
    assert (await send(front.mx(), "<>", sealed(sent), letter)).code == 250
    assert await told(front, sent) == []
    assert front.outbox.entries[-1].deliveries[0].company == "bakery"


async def test_what_cannot_be_read_is_a_bounce_of_an_unknown_kind(front, sent):
    await send(front.mx(), "<>", sealed(sent), b"Subject: ?\r\n\r\n?\r\n")
    ((kind, _, data),) = await told(front, sent)
    assert (kind, data["class"], data["permanent"]) == ("bounced", "unknown", False)


async def test_a_complaint_is_tied_by_the_reverse_path_in_the_mail_complained_about(front, sent):
    reply = await send(front.mx(), ANNA, "<abuse@my.relay.example>", arf(f"Return-Path: {sealed(sent)}"))
    assert await told(front, sent) == [
        (
            "complained",
            0,
            {"recipient": "anna@customer.example", "by": reply.text, "class": "complaint", "feedback": "abuse"},
        )
    ]


async def test_forwarded_mail_that_bounces_is_noted_where_it_came_in(front):
    letter = b"Message-ID: <reply-1@customer.example>\r\n" + MAIL
    forwarded = await send(front.mx(), ANNA, BAKERY, letter)
    writer = Address("anna", "customer.example")
    address = srs_forward(writer, domain=DOMAIN, secrets=(SECRET,), day=int(NOW) // DAY)
    returned = "Message-ID: <reply-1@customer.example>\r\n"
    await send(front.mx(), "<>", f"<{address}>", dsn("info@bakery.example", returned))
    assert [(kind, number) for kind, number, _ in await told(front, forwarded.text)] == [("bounced", 0)]
    other = srs_forward(Address("eve", "customer.example"), domain=DOMAIN, secrets=(SECRET,), day=int(NOW) // DAY)
    await send(front.mx(), "<>", f"<{other}>", dsn("info@bakery.example", returned))
    assert len(await told(front, forwarded.text)) == 1


async def test_ordinary_mail_is_not_read_for_bounces(front, sent):
    returned = f"Return-Path: {sealed(sent)}\r\n"
    letter = dsn("anna@customer.example", returned).replace(b"multipart/report", b"multipart/mixed")
    await send(front.mx(), ANNA, BAKERY, letter)
    assert await told(front, sent) == []
