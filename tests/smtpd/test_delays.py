"""Errors that are answered late: the session waits, and nobody else does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from .conftest import House

Open = Callable[..., Awaitable[House]]


async def test_an_answer_is_held_back_and_others_are_served(house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "delay", 3600.0))
    slow = await made.greeted()
    slow.send(b"NONSENSE\r\nNOOP\r\n")
    other = await made.greeted()
    assert await other.ask("NOOP") == "250 2.0.0 Ok"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await slow.line()
    assert made.gates[0].refusals[0][0] == "NONSENSE"


async def test_it_comes_when_its_time_has_come(house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "delay", 0.01))
    client = await made.greeted()
    client.send(b"NONSENSE\r\nNOOP\r\n")
    assert (await client.reply()).startswith("500")
    assert await client.reply() == "250 2.0.0 Ok"


async def test_it_comes_although_the_timer_is_a_moment_early(house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "delay", 0.01))
    client = await made.greeted()
    connection = next(iter(made.server._surroundings.connections))
    time = asyncio.get_running_loop().time
    connection._clock = lambda: time() - 0.005
    assert (await client.ask("NONSENSE")).startswith("500")


@pytest.mark.parametrize("end", ["close", "cut"])
async def test_a_held_back_answer_keeps_no_session_alive(end: str, house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "delay", 3600.0))
    client = await made.greeted()
    client.send(b"NONSENSE\r\n")
    while not made.gate.refusals:  # noqa: ASYNC110 - the client cannot see it
        await asyncio.sleep(0)
    if end == "close":
        client.writer.transport.abort()
    else:
        await made.server.stop(0)
    await made.gate.ended.wait()


async def test_input_that_piles_up_meanwhile_is_held_back_too(house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "delay", 3600.0))
    client = await made.greeted()
    client.send(b"NONSENSE\r\n")
    connection = next(iter(made.server._surroundings.connections))
    client.send(b"NOOP\r\n" * 100_000)
    while not connection._held_up:  # noqa: ASYNC110 - the client cannot see it
        await asyncio.sleep(0)
    assert len(connection._lines) < 1_000_000
