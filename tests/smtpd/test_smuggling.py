"""Ends of data that are none (RFC 5321 4.1.1.4): no form ends a message early, and no message with one is taken."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import product

import pytest

from .conftest import House

ENDS = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r", b"\r\0\n", b""]
# Every pair of line ends around a dot, and some longer ones, unless the true end is in it.
PAIRS = {first + b"." + last for first, last in product(ENDS, ENDS)} - {b".", b"\r\n.", b".\r\n"}
OTHERS = [b"\n\n.\n\n", b"\r\r.\r\r", b"\r\n.\n.\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\0\n", b"\r\n\n.\r\n"]
FORMS = [form for form in [*sorted(PAIRS), *OTHERS] if b"\r\n.\r\n" not in form]
SMUGGLED = b"MAIL FROM:<evil@here.example>\r\nRCPT TO:<victim@there.example>\r\nDATA\r\nsmuggled"
ENVELOPE = b"MAIL FROM:<a@here.example>\r\nRCPT TO:<b@there.example>\r\n"


def test_there_are_many_forms() -> None:
    assert len(FORMS) >= 30


def is_flawed(body: bytes) -> bool:
    rest = body.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest or b"\0" in rest


@pytest.mark.parametrize("form", FORMS, ids=repr)
@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
async def test_no_form_ends_a_message(form: bytes, verb: str, house: Callable[..., Awaitable[House]]) -> None:
    made = await house(errors=1000)
    client = await made.greeted()
    body = b"Subject: x\r\n\r\nbody" + form + SMUGGLED + b"\r\n"
    message = b"DATA\r\n" + body + b".\r\n" if verb == "DATA" else b"BDAT %d LAST\r\n%s" % (len(body), body)
    stream = ENVELOPE + message + b"NOOP\r\n"
    start = stream.index(b"body")
    # Whole, and cut in two at every octet of the form.
    for cut in [None, *range(start + 3, start + 6 + len(form))]:
        client.send(stream if cut is None else stream[:cut])
        if cut is not None:
            await asyncio.sleep(0)
            client.send(stream[cut:])
        replies = [await client.reply() for _ in range(5 if verb == "DATA" else 4)]
        wanted = "550 5.6.0" if is_flawed(body) else "250 2.0.0 queued"
        assert replies[-2].startswith(wanted), replies
        assert replies[-1] == "250 2.0.0 Ok"
    assert all(str(message.reverse_path) == "a@here.example" for message in made.gate.messages)
    assert all(b"smuggled" in message.octets for message in made.gate.messages)


async def test_a_flawed_message_is_read_to_its_true_end(house: Callable[..., Awaitable[House]]) -> None:
    made = await house()
    client = await made.invited()
    client.send(b"a\n.\r\nQUIT\r\nmore\r\n.\r\nNOOP\r\n")
    assert await client.reply() == "550 5.6.0 Message contains a CR or LF that is not part of CRLF"
    assert await client.reply() == "250 2.0.0 Ok"
    assert not made.gate.messages
