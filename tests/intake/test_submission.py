"""Who may send for which company, and what a message must look like."""

import pytest

from relay.events import EventType
from relay.intake.gate import Hello
from relay.mail.address import Address
from relay.mail.envelope import TlsWish

from .front import BAKERY as BAKERY_ITSELF
from .front import MAIL, PASSWORD, begin, mail, rcpt, send

BAKERY = "<bakery@my.relay.example>"
ANNA = "<anna@customer.example>"


async def test_who_is_not_logged_in_may_not_send(front):
    assert str(mail(front.submission(), BAKERY)).startswith("530 5.7.0")


async def test_a_login_lets_an_app_send_for_its_companies(front):
    session = await front.app()
    reply = await send(session, BAKERY, ANNA)
    assert (reply.code, reply.enhanced) == (250, "2.0.0")
    message = await front.message(reply.text)
    assert (message.app, message.peer, message.message_id) == ("web", "203.0.113.5", "<1@app>")
    assert message.envelope.reverse_path == Address("bakery", "my.relay.example")


@pytest.mark.parametrize(
    "sender", ["<BAKERY@MY.RELAY.EXAMPLE>", "<Bakery@my.relay.example>", '<"bakery"@my.relay.example>']
)
async def test_an_alias_is_the_same_in_whatever_case(front, sender):
    assert mail(await front.app(), sender).code == 250


@pytest.mark.parametrize(
    ("sender", "reply"),
    [
        ("<>", "550 5.7.1"),
        ("<nobody@my.relay.example>", "550 5.1.0"),
        ("<info@bakery.example>", "550 5.1.0"),
        ("<bakery@evil.my.relay.example>", "550 5.1.0"),
        ("<bakery@example>", "550 5.1.0"),
        ("<b\u00e4kery@my.relay.example> SMTPUTF8", "550 5.1.0"),
        ("<postmaster>", "550 5.1.0"),
    ],
)
async def test_the_reverse_path_must_name_a_company(front, sender, reply):
    assert str(mail(await front.app(), sender)).startswith(reply)


async def test_an_app_sends_for_its_own_companies_only(front):
    session = front.submission("10.1.2.3")
    assert str(mail(session, "<garage@my.relay.example>")).startswith("550 5.7.1")
    assert mail(session, BAKERY).code == 250
    refused = front.sink.of(EventType.REFUSED)[0]
    assert refused.data["verb"] == "mail"
    assert refused.data["app"] == "shop"


@pytest.mark.parametrize(("peer", "code"), [("10.1.255.255", 250), ("fd00::1", 250), ("10.2.0.1", 530), ("::1", 530)])
async def test_an_app_is_known_by_its_network(front, peer, code):
    assert mail(front.submission(peer), BAKERY).code == code


async def test_a_login_counts_more_than_the_network(front):
    session = front.submission("10.1.2.3")
    assert (await session.login("web", PASSWORD)).code == 235
    assert mail(session, "<garage@my.relay.example>").code == 250


async def test_an_app_that_is_gone_after_a_reload_sends_no_more(front):
    session = await front.app()
    front.configure(apps={})
    assert mail(session, BAKERY).code == 530


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        ("<anna@customer.example>", "250 2.1.5"),
        ("<anna@[192.0.2.1]>", "250 2.1.5"),
        ("<anna@customer>", "550 5.1.2"),
        ("<postmaster>", "250 2.1.5"),
    ],
)
async def test_recipients_need_a_whole_domain(front, recipient, reply):
    session = await front.app()
    mail(session, BAKERY)
    assert str(await rcpt(session, recipient)).startswith(reply)


async def test_recipients_are_limited_for_all_and_for_an_app(front):
    apps = {"shop": {"networks": ["10.0.0.0/8"], "companies": "all", "limits": {"recipients_per_message": 2}}}
    front.configure(apps=apps, limits={"recipients": 3})
    session = front.submission("10.0.0.1")
    assert session.limits.recipients == 2
    mail(session, BAKERY)
    replies = [str(await rcpt(session, f"<r{number}@customer.example>"))[:9] for number in range(3)]
    assert replies == ["250 2.1.5", "250 2.1.5", "452 4.5.3"]
    content = session.content()
    content.write(MAIL)
    assert (await session.accept(content)).code == 250  # the others may come in another transaction


async def test_too_many_messages_in_a_minute_come_later(front):
    apps = {"shop": {"networks": ["10.0.0.0/8"], "companies": "all", "limits": {"messages_per_minute": 2}}}
    front.configure(apps=apps)
    session = front.submission("10.0.0.1")
    replies = [(await send(session, BAKERY, ANNA)).code for _ in range(3)]
    assert replies == [250, 250, 451]
    assert (await send(front.submission("10.0.0.2"), BAKERY, ANNA)).code == 451  # of the app, wherever it runs
    front.clock.at += 120
    assert (await send(session, BAKERY, ANNA)).code == 250


FROM = b"From: Web <web@app.example>\r\n"
DATE = b"Date: Thu, 1 Jan 2026 10:00:00 +0100\r\n"


@pytest.mark.parametrize(
    ("header", "reply"),
    [
        (FROM + DATE, "250"),
        (FROM.lower() + DATE.upper().replace(b"JAN", b"Jan"), "250"),
        (b"", "550 5.6.0 The message has no From field"),
        (DATE, "550 5.6.0 The message has no From field"),
        (FROM, "550 5.6.0 The message has no Date field"),
        (FROM + FROM + DATE, "550 5.6.0 The message has more than one From field"),
        (FROM + DATE + DATE, "550 5.6.0 The message has more than one Date field"),
        (b"From: \r\n" + DATE, "550 5.6.0 The From field cannot be read"),
        (b"From: no address here\r\n" + DATE, "550 5.6.0 The From field cannot be read"),
        (b"From: a@b.example, c@d.example\r\n" + DATE, "550 5.6.0 The From field must name exactly one author"),
        (FROM + b"Date: yesterday\r\n", "550 5.6.0 The Date field cannot be read"),
        (FROM + b"Date:\r\n", "550 5.6.0 The Date field cannot be read"),
        (FROM + DATE + b"Received: x\r\n" * 100, "250"),
        (FROM + DATE + b"Received: x\r\n" * 101, "554 5.4.6"),
        (FROM + DATE + b"To: anna@customer.example\r\n" * 100, "250"),
        (FROM + DATE + b"To: anna@customer.example\r\n" * 101, "550 5.6.0 The message has far too many To fields"),
        (FROM + DATE + b"subject: x\r\n" * 101, "550 5.6.0 The message has far too many Subject fields"),
        (FROM + DATE + b"no field\r\n", "550 5.6.0 The header"),
        (b" continues nothing\r\n" + FROM + DATE, "550 5.6.0 The header"),
    ],
)
async def test_the_header_is_judged(front, header, reply):
    assert str(await send(await front.app(), BAKERY, ANNA, header + b"\r\nHello\r\n")).startswith(reply)


async def test_the_trace_tells_the_app_and_not_where_it_runs(front):
    reply = await send(await front.app(), BAKERY, ANNA)
    octets = front.octets(await front.message(reply.text))
    trace, rest = octets[: -len(MAIL)], octets[-len(MAIL) :]
    assert rest == MAIL
    assert trace.startswith(b"Received: from web by mx1.my.relay.example with ESMTPSA id ")
    assert b"203.0.113.5" not in trace
    assert reply.text.encode() in trace
    assert b"for <anna@customer.example>" in trace.replace(b"\r\n ", b" ")


async def test_several_recipients_do_not_see_each_other_in_the_trace(front):
    reply = await send(await front.app(), BAKERY, [ANNA, "<bert@customer.example>"])
    assert b" for <" not in front.octets(await front.message(reply.text))


async def test_the_envelope_is_kept_whole(front):
    sender = BAKERY + " BODY=8BITMIME RET=HDRS ENVID=invoice+2B7 SMTPUTF8"
    session = await front.app()
    recipient = ANNA + " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;anna@old.example"
    reply = await send(session, sender, [recipient, "<bert@customer.example>"])
    envelope = (await front.message(reply.text)).envelope
    assert (envelope.body, envelope.ret, envelope.envid, envelope.smtputf8) == ("8BITMIME", "HDRS", "invoice+7", True)
    first, second = envelope.recipients
    assert (first.notify, first.orcpt) == ({"SUCCESS", "DELAY"}, "rfc822;anna@old.example")
    assert (second.notify, second.orcpt) == (set(), None)


async def test_a_listener_for_apps_offers_logins(front):
    assert front.submission().offers_login
    assert front.submission().hostname == "mx1.my.relay.example"


async def test_limits_are_those_of_the_moment(front):
    session = await front.app()
    front.configure(limits={"message_size": "1MiB", "idle_timeout": "7s"})
    assert (session.limits.message_size, session.limits.idle_timeout) == (1 << 20, 7.0)
    session.hello(Hello("x", None, esmtp=True))


async def test_what_the_edge_refuses_is_heard_of(front):
    session = front.submission()
    reply = mail(session, BAKERY)
    session.refused("RCPT", reply)
    assert [event.data["verb"] for event in front.sink.of(EventType.REFUSED)] == ["mail", "RCPT"]


async def test_a_new_transaction_forgets_the_company_of_the_last(front):
    session = await front.app()
    await begin(session, BAKERY, ANNA)
    session.reset()
    reply = await send(session, "<garage@my.relay.example>", ANNA)
    entry = (await front.spool.find(reply.text))[0]
    assert entry.deliveries[0].company == "garage"


# A company that has not confirmed its address


async def test_mail_of_an_unconfirmed_company_is_taken_and_left_to_be_held(front):
    front.configure(verification={"required": True})
    reply = await send(await front.app(), BAKERY, ANNA)
    assert reply.code == 250


async def test_an_app_that_wants_it_so_is_refused_for_good_and_the_company_is_asked(front):
    front.configure(verification={"required": True})
    session = front.submission("10.1.2.3")
    reply = await send(session, BAKERY, ANNA)
    assert str(reply) == (
        "550 5.7.1 The company has not confirmed its address info@bakery.example yet: a mail there asks for it"
    )
    assert (await front.addresses.state(BAKERY_ITSELF)).sent == 1
    assert [event.data["verb"] for event in front.sink.of(EventType.REFUSED)] == ["data"]
    assert not front.outbox.entries
    await front.addresses.mark(BAKERY_ITSELF, "known")
    assert (await send(session, BAKERY, ANNA)).code == 250


@pytest.mark.parametrize(
    ("parameters", "fields", "wish"),
    [
        ("", b"", None),
        (" REQUIRETLS", b"", TlsWish.REQUIRED),
        (" REQUIRETLS", b"TLS-Required: No\r\n", TlsWish.REQUIRED),
        ("", b"TLS-Required: no \r\n", TlsWish.IGNORED),
        ("", b"TLS-Required: Yes\r\n", None),
        ("", b"TLS-Required: No\r\n" * 2, None),
    ],
)
async def test_what_the_sender_wants_of_tls_is_kept(front, parameters, fields, wish):
    reply = await send(await front.app(), BAKERY + parameters, ANNA, octets=fields + MAIL)
    assert (await front.message(reply.text)).envelope.tls is wish
