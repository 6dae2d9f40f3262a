"""Ends of data that are none (RFC 5321 4.1.1.4): no form ends a message early, and no message with one is taken."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from itertools import product

import pytest

from relay.smtpd import TlsMode

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


@pytest.mark.parametrize("form", [*FORMS, b"\r\n.\r\n", b"\r\n..\r\n", b"\r\n.\r\n.\r\n"], ids=repr)
async def test_no_border_between_chunks_ends_a_message(form: bytes, house: Callable[..., Awaitable[House]]) -> None:
    """A chunk says how long it is: what is in it is content, and so are dots, wherever the next chunk begins."""
    made = await house(errors=1000)
    client = await made.greeted()
    body = b"Subject: x\r\n\r\nbody" + form + SMUGGLED + b"\r\n"
    start = body.index(b"body") + 3
    for cut in range(start, start + 3 + len(form)):
        first, second = body[:cut], body[cut:]
        client.send(ENVELOPE + b"BDAT %d\r\n%sBDAT %d LAST\r\n%sNOOP\r\n" % (len(first), first, len(second), second))
        replies = [await client.reply() for _ in range(5)]
        if is_flawed(body):
            # At the chunk that shows it; what is left of the message has no transaction any more.
            assert [reply for reply in replies[2:4] if reply.startswith("550 5.6.0")], replies
        else:
            assert replies[3].startswith("250 2.0.0 queued"), replies
        assert replies[-1] == "250 2.0.0 Ok"
    assert all(bytes(message.octets) == body for message in made.gate.messages)
    assert all(str(message.reverse_path) == "a@here.example" for message in made.gate.messages)


@pytest.mark.parametrize(
    "end", [b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\0\r\n", b"\r\0\n", b"\x0b\r\n", b"\xe2\x80\xa8\r\n"]
)
async def test_no_command_hides_behind_another(end: bytes, house: Callable[..., Awaitable[House]]) -> None:
    """A line that is ended otherwise than by CRLF, or has a control in it, is no command: nor is what follows in it."""
    made = await house(errors=1000)
    client = await made.greeted()
    client.send(b"MAIL FROM:<a@here.example>" + end + b"RCPT TO:<victim@there.example>\r\nDATA\r\nRSET\r\nQUIT\r\n")
    assert not [line for line in (await client.rest()).split(b"\r\n") if line.startswith(b"354")]
    assert not made.gate.contents


@pytest.mark.parametrize(
    "answer",
    [b"MAIL FROM:<a@here.example>\r\n", b"*\r\n", b"\r\n", b"AGFwcAA=\nMAIL FROM:<a@here.example>\r\n", b"\0\r\n"],
)
async def test_what_follows_auth_unasked_is_its_answer_and_no_command(
    answer: bytes, house: Callable[..., Awaitable[House]], client_tls: ssl.SSLContext
) -> None:
    made = await house(tls=TlsMode.STARTTLS, errors=1000)
    client = await made.greeted()
    assert (await client.ask("STARTTLS")).startswith("220")
    await client.start_tls(client_tls)
    await client.ask("EHLO client.example")
    client.send(b"AUTH PLAIN\r\n" + answer + b"NOOP\r\n")
    replies = [await client.reply() for _ in range(3)]
    assert replies[0].startswith("334")
    assert replies[1][0] == "5"
    assert replies[2] == "250 2.0.0 Ok"
    assert not made.gate.logins or made.gate.logins == [("", "")]


@pytest.mark.parametrize(
    "after", [b"N", b"\r\n", b"NOOP\r\n", b"EHLO evil.example\r\nMAIL FROM:<evil@here.example>\r\n"]
)
async def test_nothing_said_in_plain_text_counts_under_tls(
    after: bytes, house: Callable[..., Awaitable[House]]
) -> None:
    made = await house(tls=TlsMode.STARTTLS)
    client = await made.greeted()
    client.send(b"STARTTLS\r\n" + after)
    assert b"220" not in await client.rest()
    assert [hello.name for hello in made.gate.hellos] == ["client.example"]
