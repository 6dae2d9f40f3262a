"""Peers that do not wait where every mail server waits: for the greeting, and for answers (RFC 2920 3.1)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from .conftest import House
from .recording import RecordingGate

Open = Callable[..., Awaitable[House]]
ENVELOPE = b"MAIL FROM:<a@here.example>\r\nRCPT TO:<b@there.example>\r\n"


def pausing(seconds: float) -> Callable[[RecordingGate], None]:
    return lambda gate: setattr(gate, "greeting_pause", seconds)


def strict(gate: RecordingGate) -> None:
    gate.is_strict = True


@pytest.mark.parametrize("said", [b"EHLO client.example\r\n", b"x", b"\r\n", b"\x16\x03\x01\0"])
async def test_who_speaks_before_the_greeting_is_refused(said: bytes, house: Open) -> None:
    made = await house(pausing(3600.0))
    client = await made.call()
    client.send(said)
    assert await client.rest() == b"554 5.5.1 Wait for the greeting before you speak\r\n"
    assert [(verb, reply.code) for verb, reply in made.gate.refusals] == [("connect", 554)]


async def test_who_waits_is_greeted(house: Open) -> None:
    made = await house(pausing(0.01))
    client = await made.greeted()
    assert await client.ask("NOOP") == "250 2.0.0 Ok"
    assert not made.gate.refusals


@pytest.mark.parametrize("end", ["close", "abort", "stop"])
async def test_who_leaves_before_the_greeting_is_gone(end: str, house: Open) -> None:
    made = await house(pausing(3600.0))
    client = await made.call()
    while not made.gates:  # noqa: ASYNC110 - the client cannot see it
        await asyncio.sleep(0)
    if end == "close":
        await client.close()
    elif end == "abort":
        client.writer.transport.abort()
    else:
        await made.server.stop(0)
    await made.gate.ended.wait()
    assert not made.troubles


@pytest.mark.parametrize(
    "group",
    [
        b"EHLO client.example\r\nMAIL FROM:<a@here.example>\r\n",
        b"HELO client.example\r\nM",
        b"EHLO client.example\r\n" + ENVELOPE + b"DATA\r\nFrom: x\r\n\r\nx\r\n.\r\nQUIT\r\n",
    ],
)
async def test_who_does_not_wait_for_the_answer_to_ehlo_is_refused(group: bytes, house: Open) -> None:
    made = await house(strict)
    client = await made.call()
    await client.reply()
    client.send(group)
    assert await client.rest() == b"554 5.5.1 Wait for the answer to this command\r\n"
    assert not made.gate.messages


async def test_who_does_not_wait_for_354_is_refused(house: Open) -> None:
    made = await house(strict)
    client = await made.greeted()
    client.send(ENVELOPE + b"DATA\r\nFrom: x\r\n\r\nx\r\n.\r\n")
    assert (await client.rest()).endswith(b"554 5.5.1 Wait for the answer to this command\r\n")
    assert not made.gate.messages


async def test_pipelining_as_it_should_be_is_no_trouble(house: Open) -> None:
    made = await house(strict)
    client = await made.greeted()
    client.send(ENVELOPE + b"DATA\r\n")
    assert [(await client.reply())[:3] for _ in range(3)] == ["250", "250", "354"]
    client.send(b"From: x\r\n\r\nx\r\n.\r\n" + ENVELOPE + b"BDAT 9 LAST\r\nFrom: x\r\nQUIT\r\n")
    assert [(await client.reply())[:3] for _ in range(5)] == ["250", "250", "250", "250", "221"]
    assert len(made.gate.messages) == 2
