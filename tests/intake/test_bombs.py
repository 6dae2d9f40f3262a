"""Mail that is made to break what reads it: taken as it is, or refused with a code that says why; others are served."""

import asyncio

import pytest

from relay.events import EventType
from relay.mail.verp import bounce_address

from .front import DOMAIN, SECRET, Front, begin, send

ANNA, BAKERY = "<anna@customer.example>", "<bakery@my.relay.example>"
BOUNCE = f"<{bounce_address('q1', 0, domain=DOMAIN, secrets=(SECRET,))}>"
HEAD = b"From: Anna <anna@customer.example>\r\nSubject: x\r\nMIME-Version: 1.0\r\n"


def parts(count: int) -> bytes:
    head = HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    return head + b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * count + b"--b--\r\n"


def nested(depth: int, *, kind: bytes = b"mixed") -> bytes:
    opening = b"".join(
        b'Content-Type: multipart/%s; boundary="b%d"\r\n\r\n--b%d\r\n' % (kind, level, level) for level in range(depth)
    )
    closing = b"".join(b"\r\n--b%d--\r\n" % level for level in reversed(range(depth)))
    return HEAD + opening + b"Content-Type: text/plain\r\n\r\nx" + closing


def within(depth: int) -> bytes:
    return HEAD + b"Content-Type: message/rfc822\r\n\r\n" * depth + b"\r\nx\r\n"


def report(depth: int) -> bytes:
    head = HEAD + b'Content-Type: multipart/report; report-type=delivery-status; boundary="r"\r\n\r\n--r\r\n'
    return head + b"Content-Type: message/delivery-status\r\n\r\n" + b"Final-Recipient: rfc822; x@y\r\n\r\n" * depth


BOMBS = {
    "10,000 parts": parts(10_000),
    "nesting of 1,000": nested(1000),
    "nesting of 1,000, as reports": nested(1000, kind=b"report"),
    "mail in mail, 1,000 times": within(1000),
    "a report with 20,000 groups": report(20_000),
    "an endless boundary": HEAD + b"Content-Type: multipart/mixed; boundary=" + b"b" * 60_000 + b"\r\n\r\nx\r\n",
    "no boundary": HEAD + b"Content-Type: multipart/mixed\r\n\r\n" + b"--\r\n" * 100_000,
    "10,000 parameters": HEAD + b"Content-Type: text/plain" + b";\r\n a*0=b" * 10_000 + b"\r\n\r\nx\r\n",
    "comments in comments": HEAD + b"To: " + b"(" * 50_000 + b"\r\n\r\nx\r\n",
    "quotes without end": HEAD + b'Cc: "' + b'\\"' * 50_000 + b"\r\n\r\nx\r\n",
    "encoded words": HEAD + b"Cc: " + b"=?utf-8?q?=41?=\r\n " * 10_000 + b"x\r\n\r\nx\r\n",
    "20,000 references": HEAD + b"References:" + b"\r\n <a@b>" * 20_000 + b"\r\n\r\nx\r\n",
    "60,000 empty continuations": HEAD + b"X: y\r\n" + b" \x0b\r\n" * 60_000 + b"\r\nx\r\n",
    "20,000 fields": HEAD + b"X: y\r\n" * 20_000 + b"\r\nx\r\n",
    "10,000 authors": b"From: " + b"a@b.example,\r\n " * 10_000 + b"c@d.example\r\n\r\nx\r\n",
    "one field of 200 KiB": HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\nx\r\n",
    "one line of 1 MiB": HEAD + b"\r\n" + b"x" * 2**20 + b"\r\n",
    "only at signs": HEAD + b"\r\n" + b"@" * 500_000 + b"\r\n",
    "account numbers": HEAD + b"\r\n" + b"BE68 5390 0754 7034 " * 20_000 + b"\r\n",
    "base64 without end": HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"AAAA" * 200_000 + b"\r\n",
}
TOO_MUCH = {
    "a header of 1 MiB": HEAD + b"X: " + b"y" * 2**20 + b"\r\n\r\nx\r\n",
    "100,000 fields": HEAD + b"X: y\r\n" * 100_000 + b"\r\nx\r\n",
    "a header without end": HEAD + b"X: y\r\n" * 60_000,
}
WAYS = [(ANNA, BAKERY), ("<>", BAKERY), ("<>", BOUNCE)]


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("way", WAYS, ids=["a letter", "an automatic one", "a bounce"])
async def test_what_is_strange_is_taken_as_it_is(front: Front, bomb: str, way: tuple[str, str]):
    reply = await send(front.mx(), *way, BOMBS[bomb])
    assert str(reply).startswith("250 2.0.0"), reply
    assert front.octets(await front.message(reply.text)).endswith(BOMBS[bomb])
    assert not front.sink.of(EventType.FAULT)


@pytest.mark.parametrize("bomb", TOO_MUCH)
async def test_a_header_beyond_all_measure_is_refused(front: Front, bomb: str):
    assert str(await send(front.mx(), ANNA, BAKERY, TOO_MUCH[bomb])).startswith("552 5.3.4")


@pytest.mark.parametrize("octets", [b"no field at all\r\n\r\nx\r\n", b" x: y\r\n\r\nx\r\n", b": x\r\n\r\nx\r\n"])
async def test_what_is_no_header_is_refused(front: Front, octets: bytes):
    assert str(await send(front.mx(), ANNA, BAKERY, octets)).startswith("550 5.6.0")


@pytest.mark.parametrize("bomb", BOMBS)
async def test_others_are_served_while_one_comes_in(front: Front, bomb: str):
    """Block by block, as the edge hands them over: between any two blocks another session brings its mail."""
    content = await begin(session := front.mx(), ANNA, BAKERY)
    octets = BOMBS[bomb]
    for start in range(0, len(octets), 65536):
        content.write(octets[start : start + 65536])
        assert (await send(front.mx("198.51.100.10"), "<bert@customer.example>", BAKERY)).code == 250
    bomb_is_taken = asyncio.create_task(session.accept(content))
    assert (await send(front.mx("198.51.100.10"), "<bert@customer.example>", BAKERY)).code == 250
    assert (await bomb_is_taken).code == 250
