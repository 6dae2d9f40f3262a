"""Mail from other servers: for our own addresses only, and nobody is relayed for."""

import pytest

from relay.events import EventType
from relay.intake.gate import Hello
from relay.mail.address import Address, AddressError, parse_path
from relay.mail.envelope import Body
from relay.mail.reply import Reply
from relay.mail.srs import srs_forward
from relay.mail.verp import bounce_address
from relay.store.spool import Origin, SpoolError

from .front import BAKERY as COMPANY
from .front import DAY, DOMAIN, MAIL, NOW, SECRET, begin, mail, rcpt, send

ANNA = "<anna@customer.example>"
BAKERY = "<bakery@my.relay.example>"
TODAY = int(NOW) // DAY


async def asked(front, recipient: str, sender: str = ANNA) -> str:
    """What is said to a recipient."""
    session = front.mx()
    assert mail(session, sender).code == 250
    return str(await rcpt(session, recipient))


def srs(day: int = TODAY, secret: bytes = SECRET) -> str:
    forwarded = srs_forward(Address("anna", "customer.example"), domain=DOMAIN, secrets=(secret,), day=day)
    return f"<{forwarded}>"


def bounce(queue_id: str = "q1", number: int = 0, secret: bytes = SECRET) -> str:
    return f"<{bounce_address(queue_id, number, domain=DOMAIN, secrets=(secret,))}>"


@pytest.mark.parametrize(
    "recipient",
    [
        "<bakery@my.relay.example>",
        "<BAKERY@MY.Relay.Example>",
        "<bakery+invoices@my.relay.example>",
        '<"bakery"@my.relay.example>',
        "<postmaster>",
        "<PostMaster>",
        "<postmaster@my.relay.example>",
        "<POSTMASTER@my.relay.example>",
        "<abuse@my.relay.example>",
        "<mailer-daemon@my.relay.example>",
    ],
)
@pytest.mark.parametrize("sender", [ANNA, "<>"])
async def test_our_own_addresses_are_taken(front, recipient, sender):
    assert (await asked(front, recipient, sender)).startswith("250 2.1.5")


FORGED_LETTER = MAIL.replace(b"From: ", b"From: bakery@my.relay.example\r\nX-Was: ", 1)


async def test_nobody_outside_sends_in_the_name_of_our_domain(front):
    """Forwarded, it would leave from our address with our reverse path, and pass for the company's own."""
    assert str(mail(front.mx(), BAKERY)).startswith("550 5.7.1")
    assert str(await send(front.mx(), ANNA, BAKERY, FORGED_LETTER)).startswith("550 5.7.1")


@pytest.mark.parametrize(
    "field",
    [
        b"From: Anna <anna@customer.example>\r\nFrom: Bakery <bakery@my.relay.example>",
        b"From: anna@customer.example, bakery@my.relay.example",
        b"From: <<bakery@MY.Relay.example",
    ],
)
async def test_nor_by_a_second_author_or_one_that_is_hard_to_read(front, field):
    letter = MAIL.replace(b"From: Web <web@app.example>", field, 1)
    assert str(await send(front.mx(), ANNA, BAKERY, letter)).startswith("550 5.7.1")


async def test_a_mail_with_far_too_many_from_fields_is_not_read(front):
    """Each may name many authors, and every step would read them all."""
    few, many = (MAIL.replace(b"From: Web <web@app.example>\r\n", b"From: a@b.example\r\n" * n, 1) for n in (8, 9))
    assert (await send(front.mx(), ANNA, BAKERY, few)).code == 250
    assert str(await send(front.mx(), ANNA, BAKERY, many)).startswith("550 5.6.0")


async def test_nor_is_one_with_more_fields_of_a_name_than_can_be_signed(front):
    reply = await send(
        front.mx(), "<a@outside.example>", "<bakery@my.relay.example>", b"To: x@y.example\r\n" * 101 + MAIL
    )
    assert str(reply) == "550 5.6.0 The message has far too many To fields"


async def test_our_own_mail_comes_back_to_our_own_addresses(front):
    """From one company to another's alias: it leaves us, and the MX record brings it back."""
    assert str(await send(front.mx("192.0.2.1"), BAKERY, BAKERY, FORGED_LETTER)).startswith("250 2.0.0")


async def test_a_recipient_named_twice_gets_one_copy(front):
    assert str(await send(front.mx(), ANNA, (BAKERY, "<postmaster>", BAKERY))).startswith("250 2.0.0")
    recipients = front.outbox.entries[-1].message.envelope.recipients
    assert [str(recipient.address) for recipient in recipients] == [BAKERY[1:-1], "postmaster@my.relay.example"]


@pytest.mark.parametrize(("octets", "body"), [(b"plain", None), ("\u20ac 12".encode(), Body.EIGHT_BIT)])
async def test_eight_bit_content_is_known_as_such_whatever_was_said(front, octets, body):
    await send(front.mx(), ANNA, BAKERY, MAIL + octets + b"\r\n")
    assert front.outbox.entries[-1].message.envelope.body is body


NOT_OURS = "550 5.7.1"
UNKNOWN = "550 5.1.1"


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        ("<anna@customer.example>", NOT_OURS),
        ("<bakery@relay.example>", NOT_OURS),
        ("<bakery@sub.my.relay.example>", NOT_OURS),
        ("<bakery@my.relay.example.evil.example>", NOT_OURS),
        ("<bakery@notmy.relay.example>", NOT_OURS),
        ("<bakery@mx1.my.relay.example>", NOT_OURS),
        ("<bakery@localhost>", NOT_OURS),
        ("<bakery@[127.0.0.1]>", NOT_OURS),
        ("<bakery@[192.0.2.1]>", NOT_OURS),
        ("<bakery@[IPv6:::1]>", NOT_OURS),
        ("<postmaster@customer.example>", NOT_OURS),
        ("<postmaster@[127.0.0.1]>", NOT_OURS),
        ("<nobody@my.relay.example>", UNKNOWN),
        ("<anna%customer.example@my.relay.example>", UNKNOWN),
        ("<customer.example!anna@my.relay.example>", UNKNOWN),
        ('<"anna@customer.example"@my.relay.example>', UNKNOWN),
        ('<"anna%customer.example"@my.relay.example>', UNKNOWN),
        ('<"bakery "@my.relay.example>', UNKNOWN),
        ('<"bakery@my.relay.example"@my.relay.example>', UNKNOWN),
        ("<nobody+bakery@my.relay.example>", UNKNOWN),
        ("<reports+nobody@my.relay.example>", UNKNOWN),
        ("<info@my.relay.example>", UNKNOWN),
        ("<anna%customer.example@[127.0.0.1]>", NOT_OURS),
        ("<customer.example!anna@relay.example>", NOT_OURS),
        ('<"anna@my.relay.example"@customer.example>', NOT_OURS),
    ],
)
async def test_nobody_is_relayed_for(front, recipient, reply):
    assert (await asked(front, recipient)).startswith(reply)
    assert front.sink.of(EventType.REFUSED)


@pytest.mark.parametrize("recipient", ["<reports@my.relay.example>", "<reports+bakery@my.relay.example>"])
async def test_reports_of_receivers_are_taken(front, recipient):
    assert (await asked(front, recipient)).startswith("250")


async def test_a_company_that_cannot_be_reached_takes_no_mail_for_now(front):
    assert await front.homes.refused(COMPANY)
    assert (await asked(front, BAKERY)).startswith("450 4.2.1")
    front.clock.at += 5 * DAY
    await front.homes.refused(COMPANY)
    assert (await asked(front, BAKERY)).startswith("550 5.2.1")
    # What came back and was ours to begin with still reaches a person.
    assert (await asked(front, bounce(), "<>")).startswith("250")


async def test_a_writer_hears_what_the_companys_host_says_of_his_mail(front):
    assert (await send(front.mx(), ANNA, BAKERY, MAIL)).code == 250
    front.outbox.verdict = Reply(554, "5.7.1", "The company's mail host says: no")
    reply = await send(front.mx(), ANNA, BAKERY, MAIL)
    assert str(reply) == "554 5.7.1 The company's mail host says: no"
    (refused,) = front.sink.of(EventType.REFUSED)
    assert refused.data["queue_id"] == front.outbox.entries[-1].message.queue_id


async def test_a_store_in_trouble_refuses_nobody_at_rcpt(front, monkeypatch):
    async def fail(kind: str, key: str) -> None:
        raise SpoolError("broken")

    monkeypatch.setattr(front.spool.facts, "get", fail)
    assert (await asked(front, BAKERY)).startswith("250")


@pytest.mark.parametrize(
    "path",
    [
        "<@my.relay.example:anna@customer.example>",
        "<@customer.example,@my.relay.example:bakery@my.relay.example>",
        "anna@customer.example",
        "<anna@customer.example",
        "<<anna@customer.example>>",
        "<anna@customer.example@my.relay.example>",
        "<(bakery)anna@my.relay.example>",
        "<anna @my.relay.example>",
        "<bakery@my.relay.example.>",
        "<bakery@my.relay.example,anna@customer.example>",
        "<bakery@my.relay.example;anna@customer.example>",
        "<bakery@my.relay.example\0@customer.example>",
        "<>",
    ],
)
async def test_trickier_forms_are_no_paths_at_all(path):
    with pytest.raises(AddressError):
        parse_path(path, null_allowed=False)


@pytest.mark.parametrize(
    ("recipient", "sender", "reply"),
    [
        (bounce(), "<>", "250"),
        (bounce().upper(), "<>", "250"),
        (bounce(), ANNA, "550 5.7.1"),
        (bounce(secret=b"another"), "<>", "550 5.1.1"),
        (bounce().replace(".0.", ".1."), "<>", "550 5.1.1"),
        ("<b+nonsense@my.relay.example>", "<>", "550 5.1.1"),
        ("<b+@my.relay.example>", ANNA, "550 5.1.1"),
        (srs(), "<>", "250"),
        (srs().lower(), "<>", "250"),
        (srs(), ANNA, "550 5.7.1"),
        (srs(day=TODAY - 21), "<>", "250"),
        (srs(day=TODAY - 22), "<>", "550 5.1.1"),
        (srs(day=TODAY + 2), "<>", "550 5.1.1"),
        (srs(secret=b"another"), "<>", "550 5.1.1"),
        (srs().replace("=anna@", "=bert@"), "<>", "550 5.1.1"),
        ("<SRS0=anything@my.relay.example>", "<>", "550 5.1.1"),
        ("<SRS1=aaaaaaaa=x=y@my.relay.example>", "<>", "550 5.1.1"),
        (srs().replace(DOMAIN, "customer.example"), "<>", "550 5.7.1"),
    ],
)
async def test_our_return_addresses_take_bounces_and_cannot_be_forged(front, recipient, sender, reply):
    assert (await asked(front, recipient, sender)).startswith(reply)


async def test_older_secrets_still_open(front):
    front.configure(secrets=(b"the new one", SECRET))
    assert (await asked(front, bounce(), "<>")).startswith("250")
    assert (await asked(front, srs(), "<>")).startswith("250")


async def test_mail_for_an_alias_is_the_companys_and_for_postmaster_the_relays(front):
    reply = await send(front.mx(), ANNA, ["<Bakery@my.relay.example>", "<postmaster>", srs().replace("srs", "SRS")])
    assert reply.code == 550  # the return address takes bounces only
    reply = await send(front.mx(), ANNA, ["<Bakery@my.relay.example>", "<postmaster>"])
    entry = (await front.spool.find(reply.text))[0]
    assert [delivery.company for delivery in entry.deliveries] == ["bakery", ""]
    assert str(entry.deliveries[1].recipient.address) == "postmaster@my.relay.example"
    assert entry.message.origin is Origin.MX
    assert entry.message.app == ""


async def test_a_bounce_belongs_to_the_company_whose_mail_came_back(front):
    sent = await send(await front.app(), "<garage@my.relay.example>", ANNA)
    reply = await send(front.mx(), "<>", bounce(sent.text).upper())
    entry = (await front.spool.find(reply.text))[0]
    assert entry.deliveries[0].company == "garage"
    bounced = [event for event in await front.spool.timeline(sent.text) if event.type is EventType.BOUNCED]
    assert [(event.number, event.data["by"]) for event in bounced] == [(0, reply.text)]


async def test_a_bounce_by_a_companys_own_domain_comes_home_too(front):
    sent = await send(await front.app(), "<garage@my.relay.example>", ANNA)
    below = bounce(sent.text).replace(DOMAIN, "bounce.garage.example")
    reply = await send(front.mx(), "<>", below)
    assert (await front.spool.find(reply.text))[0].deliveries[0].company == "garage"


@pytest.mark.parametrize(
    ("domain", "sender", "reply"),
    [
        ("Bounce.Garage.Example", "<>", "250"),
        ("bounce.garage.example", ANNA, "550 5.7.1"),
        ("garage.example", "<>", "550 5.7.1"),
        ("bounces.garage.example", "<>", "550 5.7.1"),
    ],
)
async def test_below_companies_domains_only_bounces_of_ours_are_taken(front, domain, sender, reply):
    address = bounce().replace(DOMAIN, domain)
    assert (await asked(front, address, sender)).startswith(reply)
    assert (await asked(front, address.replace(".0.", ".1."), "<>")).startswith("550")
    assert (await asked(front, f"<garage@{domain}>", ANNA)).startswith("550 5.7.1")


async def test_a_bounce_of_mail_long_forgotten_goes_to_the_postmaster(front):
    reply = await send(front.mx(), "<>", bounce("longgone"))
    assert reply.code == 250
    assert (await front.spool.find(reply.text))[0].deliveries[0].company == ""


async def test_a_secret_that_goes_out_of_use_during_a_transaction_stops_nothing(front):
    session = front.mx()
    content = await begin(session, "<>", bounce())
    content.write(MAIL)
    front.configure(secrets=(b"the new one",))
    reply = await session.accept(content)
    assert reply.code == 250
    assert (await front.spool.find(reply.text))[0].deliveries[0].company == ""


async def test_messages_keep_their_octets_behind_the_trace(front):
    octets = b"Subject: x\r\nX-Odd :  kept \r\n\tas it is\r\n\r\n.dot\r\n\xff\r\n"
    reply = await send(front.mx(), ANNA, BAKERY, octets)
    stored = front.octets(await front.message(reply.text))
    assert stored.endswith(octets)
    trace = stored[: -len(octets)].replace(b"\r\n ", b" ")
    assert trace.startswith(
        b"Received: from mail.outside.example ([198.51.100.9]) by mx1.my.relay.example with ESMTP id"
    )
    assert b"for <bakery@my.relay.example>;" in trace
    assert trace.count(b"\r\n") == 1


async def test_the_trace_says_how_it_came(front):
    session = front.mx("2001:db8::9")
    session.hello(Hello("strange\u00ff name", "TLSv1.3", esmtp=True))
    reply = await send(session, ANNA + " SMTPUTF8", BAKERY)
    trace = front.octets(await front.message(reply.text)).replace(b"\r\n ", b" ")
    assert trace.startswith(b"Received: from unknown ([IPv6:2001:db8::9]) by mx1.my.relay.example with UTF8SMTPS id")


@pytest.mark.parametrize(("hops", "code"), [(100, 250), (101, 554)])
async def test_loops_end(front, hops, code):
    reply = await send(front.mx(), ANNA, BAKERY, b"Received: from a by b; x\r\n" * hops + b"\r\nHi\r\n")
    assert reply.code == code


@pytest.mark.parametrize("octets", [b"", b"\r\n", b"\r\nonly a body\r\n", b"Subject: only a header\r\n", MAIL])
async def test_mail_from_outside_may_lack_nearly_everything(front, octets):
    reply = await send(front.mx(), ANNA, BAKERY, octets)
    message = await front.message(reply.text)
    assert front.octets(message).endswith(octets)
    header = front.octets(message)[: message.content.header_size]
    assert header.startswith(b"Received: ")
    assert header.endswith(b"\r\n")


async def test_nobody_logs_in_here(front):
    session = front.mx()
    assert not session.offers_login
    assert (await session.login("web", "x")).code == 503


async def test_recipients_are_limited(front):
    front.configure(limits={"recipients": 1})
    session = front.mx()
    mail(session, ANNA)
    assert [(await rcpt(session, BAKERY)).code for _ in range(2)] == [250, 452]
