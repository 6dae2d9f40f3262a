"""Mail that smells of payment fraud is taken, with a warning; ordinary mail has none."""

import pytest

from relay.events import EventType
from relay.facts.account_numbers import AccountNumbers
from relay.incoming.warnings import warning_fields
from relay.store.spool import Message

from .front import MAIL, SECRET, Front, send

ANNA = "<anna@customer.example>"
BAKERY = "<bakery@my.relay.example>"
OURS, THEIRS, FOREIGN = "BE71096123456769", "NL91ABNA0417164300", "DE89370400440532013000"
DAY = 86400.0


async def submitted(front: Front) -> str:
    return (await send(await front.app(), BAKERY, ANNA)).text


async def comes(front: Front, text: str = "Hello", *fields: str, author: str = "anna@customer.example") -> Message:
    header = "".join(f"{field}\r\n" for field in (f"From: {author}", *fields))
    reply = await send(front.mx(), ANNA, BAKERY, f"{header}\r\n{text}\r\n".encode())
    assert reply.code == 250
    return await front.message(reply.text)


def codes(message: Message) -> list[str]:
    return [warning["code"] for warning in message.findings.get("warnings", ())]


ANSWERS = "In-Reply-To: <1@app>"


async def test_an_answer_with_an_account_that_we_did_not_send(front):
    queue_id = await submitted(front)
    await AccountNumbers(front.spool.facts, (SECRET,)).sent("bakery", [OURS], front.clock.now())

    assert codes(await comes(front, f"I have paid to {OURS}", ANSWERS)) == []
    message = await comes(front, "Please use DE89 3704 0044 0532 0130 00 from now on", ANSWERS)

    assert codes(message) == ["other-account"]
    (event,) = [each for each in await front.spool.timeline(message.queue_id) if each.type is EventType.SUSPICIOUS]
    assert event.data["warnings"] == ["other-account"]
    told = [each for each in await front.spool.timeline(queue_id) if each.type is EventType.REPLIED]
    assert [each.data.get("warnings") for each in told] == [None, ["other-account"]]
    field = warning_fields(message.findings, "bakery").replace(b"\r\n ", b" ")
    assert field.startswith(b"Relay-Warning: other-account; it names an account that was not known before (DE...3000)")


async def test_a_supplier_whose_account_changes(front):
    assert codes(await comes(front, f"Pay to {THEIRS}")) == []
    assert codes(await comes(front, f"Pay to {THEIRS}")) == []
    assert codes(await comes(front, f"Pay to {FOREIGN}")) == ["other-account"]
    assert codes(await comes(front, f"Pay to {FOREIGN}")) == ["other-account"]
    front.clock.at += 31 * DAY
    assert codes(await comes(front, f"Pay to {FOREIGN}")) == ["other-account"]
    assert codes(await comes(front, f"Pay to {FOREIGN}")) == []


async def test_a_number_is_stored_as_a_seal(front):
    await comes(front, f"Pay to {THEIRS}")

    (fact,) = await front.spool.facts.list("account-numbers")
    assert fact.key == "bakery customer.example"
    assert THEIRS not in str(fact.value)
    assert "1643" not in str(fact.value)


async def test_answers_that_would_go_elsewhere_are_strange_once(front):
    assert codes(await comes(front, "Hello", "Reply-To: anna@elsewhere.example")) == ["answers-elsewhere"]
    assert codes(await comes(front, "Hello", "Reply-To: other@elsewhere.example")) == []
    assert codes(await comes(front, "Hello", "Reply-To: anna@third.example")) == ["answers-elsewhere"]
    assert codes(await comes(front, "Hello", "Reply-To: <<")) == []


async def test_a_domain_that_looks_like_that_of_the_customer_we_wrote_to(front):
    await submitted(front)

    assert codes(await comes(front, "Hello", ANSWERS, author="anna@custorner.example")) == ["look-alike"]


async def test_a_long_mail_is_read_beside_the_others(front):
    text = "x" * 70 + "\r\n"
    assert codes(await comes(front, f"Our new bank details: {THEIRS}\r\n" + text * 1000)) == ["new-account"]


@pytest.mark.parametrize(
    "fields", [(), ("Reply-To: anna@mail.customer.example",), ("List-Id: <l.example>", "Reply-To: l@lists.example")]
)
async def test_ordinary_mail(front, fields):
    message = await comes(front, "Hello", *fields)

    assert codes(message) == []
    assert warning_fields(message.findings, "bakery") == b""


async def test_mail_for_the_operator_and_mail_without_an_author_is_only_taken(front):
    assert (await send(front.mx(), ANNA, "<postmaster>", MAIL)).code == 250
    assert codes(await comes(front, f"Pay to {FOREIGN}", author="<<")) == []


async def test_our_own_fault_refuses_no_mail(front, monkeypatch):
    monkeypatch.setattr("relay.incoming.warnings.readable_text", lambda _: 1 / 0)

    message = await comes(front)

    assert EventType.FAULT in [event.type for event in await front.spool.timeline(message.queue_id)]


async def test_a_company_hears_nothing_of_the_customers_of_another(front):
    queue_id = await submitted(front)
    mail = b"From: anna@custorner.example\r\nIn-Reply-To: <1@app>\r\n\r\nHello\r\n"
    reply = await send(front.mx(), ANNA, (BAKERY, "<garage@my.relay.example>"), mail)
    message = await front.message(reply.text)

    assert b"look-alike" in warning_fields(message.findings, "bakery")
    assert warning_fields(message.findings, "garage") == b""
    told = [each for each in await front.spool.timeline(queue_id) if each.type is EventType.REPLIED]
    assert [each.data.get("warnings") for each in told] == [["look-alike"]]


async def test_an_app_hears_the_warnings_of_its_own_mail_alone(front):
    queue_id = await submitted(front)
    mail = b"From: Garage <anna@customer.example>\r\nIn-Reply-To: <1@app>\r\n\r\nHello\r\n"
    reply = await send(front.mx(), ANNA, (BAKERY, "<garage@my.relay.example>"), mail)
    message = await front.message(reply.text)

    assert warning_fields(message.findings, "bakery") == b""
    assert b"borrowed-name" in warning_fields(message.findings, "garage")
    told = [each for each in await front.spool.timeline(queue_id) if each.type is EventType.REPLIED]
    assert [each.data.get("warnings") for each in told] == [None]
