"""An answer is tied to the mail it answers, and the app that submitted that mail hears of it."""

import pytest

from relay.events import Event, EventType
from relay.mail.address import Address
from relay.mail.thread import answer_address, message_id_for
from relay.mail.verp import bounce_address

from .front import DOMAIN, MAIL, SECRET, Front, send

ANNA = "<anna@customer.example>"
BAKERY = "<bakery@my.relay.example>"
GARAGE = "<garage@my.relay.example>"
ANSWER = b"From: Anna <anna@customer.example>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\n\r\nDank u\r\n"


async def submitted(front: Front, *recipients: str) -> str:
    reply = await send(await front.app(), BAKERY, recipients or (ANNA,))
    assert reply.code == 250
    return reply.text


async def replied(front: Front, queue_id: str) -> list[Event]:
    return [event for event in await front.spool.timeline(queue_id) if event.type is EventType.REPLIED]


async def answer(
    front: Front, *, to: str = BAKERY, sender: str = ANNA, fields: str = "", octets: bytes = ANSWER
) -> str:
    reply = await send(front.mx(), sender, to, fields.encode() + octets)
    assert reply.code == 250, reply
    return reply.text


def tagged(queue_id: str, secret: bytes = SECRET) -> str:
    return f"<{answer_address(Address('bakery', DOMAIN), queue_id, secrets=(secret,))}>"


async def test_by_the_message_id_that_the_app_gave(front):
    queue_id = await submitted(front)
    (message_id,) = [line[12:] for line in MAIL.decode().splitlines() if line.startswith("Message-ID: ")]

    by = await answer(front, fields=f"In-Reply-To: {message_id}\r\n")

    (event,) = await replied(front, queue_id)
    assert event.number == 0
    evidence = event.data["evidence"]
    assert (evidence["author"], evidence["dmarc"]) == ("customer.example", "none")
    assert event.data == {
        "by": by,
        "writer": "anna@customer.example",
        "kind": "person",
        "tie": "message-id",
        "evidence": evidence,
    }
    assert (await front.message(by)).findings["answers"] == [
        {"queue_id": queue_id, "number": 0, "company": "bakery", "tie": "message-id"}
    ]


async def test_by_the_message_id_that_we_gave(front):
    queue_id = await submitted(front)
    ours = message_id_for(queue_id, domain=DOMAIN, secrets=(SECRET,))

    await answer(front, fields=f"References: <first@x.example>\r\n <{ours}> <later@x.example>\r\n")

    assert len(await replied(front, queue_id)) == 1


async def test_by_the_tag_in_the_address_when_a_program_leaves_out_everything_else(front):
    queue_id = await submitted(front)

    by = await answer(front, to=tagged(queue_id).upper())

    (event,) = await replied(front, queue_id)
    assert event.data["tie"] == "tag"
    assert [entry.deliveries[0].company for entry in await front.spool.find(by)] == ["bakery"]


async def test_an_out_of_office_message_to_the_return_address_is_an_answer_and_no_bounce(front):
    queue_id = await submitted(front, "<jan@customer.example>", ANNA)
    ours = bounce_address(queue_id, 1, domain=DOMAIN, secrets=(SECRET,))

    by = await answer(front, to=f"<{ours}>", sender="<>", fields="Auto-Submitted: auto-replied\r\n")

    (event,) = await replied(front, queue_id)
    assert (event.number, event.data["kind"], event.data["tie"]) == (1, "auto-reply", "return-address")
    assert not [each for each in await front.spool.timeline(queue_id) if each.type is EventType.BOUNCED]
    assert [entry.deliveries[0].company for entry in await front.spool.find(by)] == ["bakery"]


async def test_whoever_answers_is_named_among_the_recipients_or_not_at_all(front):
    queue_id = await submitted(front, "<jan@customer.example>", ANNA)

    await answer(front, to=tagged(queue_id))
    await answer(front, to=tagged(queue_id), sender="<x@y.example>", octets=ANSWER.replace(b"anna@", b"boss@"))

    assert [event.number for event in await replied(front, queue_id)] == [1, None]


async def test_a_bounce_is_no_answer(front):
    queue_id = await submitted(front)
    ours = bounce_address(queue_id, 0, domain=DOMAIN, secrets=(SECRET,))

    await answer(front, to=f"<{ours}>", sender="<>")

    assert await replied(front, queue_id) == []


@pytest.mark.parametrize(
    "fields",
    ["In-Reply-To: <no-such@x.example>\r\n", "References: anna@customer.example <anna@customer.example>\r\n", ""],
)
async def test_what_answers_nothing_is_only_delivered(front, fields):
    queue_id = await submitted(front)

    by = await answer(front, fields=fields)

    assert await replied(front, queue_id) == []
    assert "answers" not in (await front.message(by)).findings


async def test_mail_to_another_company_answers_nothing_of_this_one(front):
    queue_id = await submitted(front)
    ours = message_id_for(queue_id, domain=DOMAIN, secrets=(SECRET,))

    await answer(front, to=GARAGE, fields=f"In-Reply-To: <{ours}>\r\n")

    assert await replied(front, queue_id) == []


async def test_a_mail_from_outside_is_not_answered_by_mail_from_outside(front):
    first = await answer(front, fields="Message-ID: <a@customer.example>\r\n")

    await answer(front, fields="In-Reply-To: <a@customer.example>\r\n")

    assert await replied(front, first) == []


async def test_a_forged_tag_ties_nothing_and_loses_nothing(front):
    queue_id = await submitted(front)

    await answer(front, to=tagged(queue_id, secret=b"another"))
    await answer(front, to="<bakery+anything@my.relay.example>")
    await answer(front, octets=ANSWER.replace(b"<anna@customer.example>", b"<<"))

    assert await replied(front, queue_id) == []


async def test_a_plus_makes_no_address_of_what_is_none(front):
    assert (await send(front.mx(), ANNA, "<nobody+bakery@my.relay.example>")).code == 550
    assert (await send(front.mx(), ANNA, "<+@my.relay.example>")).code == 550


async def test_one_answer_to_two_recipients_is_told_once(front):
    queue_id = await submitted(front)

    reply = await send(front.mx(), ANNA, (tagged(queue_id), BAKERY), ANSWER)

    assert reply.code == 250
    assert len(await replied(front, queue_id)) == 1
