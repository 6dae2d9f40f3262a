"""Of many mailboxes at one host, the next one is read the moment another one is done."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from relay.config.settings import Mailboxes
from relay.fetch.turns import Turns


@pytest.fixture
def turns():
    return Turns(lambda: Mailboxes(at_once=4, per_host=2))


@pytest.fixture
async def begin(turns):
    """Begins to read a mailbox; `aclose` of what that gives ends it."""
    begun = []

    async def begin(host="a"):
        begun.append(AsyncExitStack())
        await begun[-1].enter_async_context(turns.turn(host))
        return begun[-1]

    yield begin
    for each in begun:
        await each.aclose()


@pytest.fixture
async def wait(begin):
    """Has a mailbox wait; the task ends when it is read."""
    tasks = []

    async def wait():
        tasks.append(asyncio.create_task(begin()))
        await asyncio.sleep(0)
        return tasks[-1]

    yield wait
    for each in tasks:
        each.cancel()


async def test_so_many_on_one_host_are_read_at_once_and_others_beside_them(turns, begin, wait):
    first, _ = await begin(), await begin()
    third = await wait()
    await begin("b")
    assert not third.done()
    assert turns.free == 1
    await first.aclose()
    await third
    assert turns.free == 1


async def test_whoever_waited_longest_is_next(begin, wait):
    first, second = await begin(), await begin()
    third, fourth = await wait(), await wait()
    await first.aclose()
    await third
    assert not fourth.done()
    await second.aclose()
    await fourth


async def test_who_gives_up_waiting_keeps_nobody_from_a_turn(turns, begin, wait):
    first, second = await begin(), await begin()
    third, fourth, fifth = await wait(), await wait(), await wait()
    third.cancel()
    await asyncio.sleep(0)
    await first.aclose()
    fourth.cancel()  # it has its turn, and has not heard so
    await asyncio.gather(third, fourth, return_exceptions=True)
    await (await fifth).aclose()
    await second.aclose()
    assert turns.free == 4


async def test_who_has_to_wait_for_long_is_told_when_to_come_again(turns, begin, wait):
    assert turns.come_again("a", 1000.0) is None
    await begin()
    assert turns.come_again("a", 1000.0) is None
    await begin()
    assert turns.come_again("a", 1000.0) is None
    turns._lines["a"].seconds = 4.0
    await wait()
    await wait()
    times = [turns.come_again("a", 1000.0) for _ in range(5)]
    assert times == sorted(set(times))
    assert 1000.0 < times[0] < 1006.0
    assert all(turns.come_again("a", 1000.0) <= 1060.0 for _ in range(100))
    assert turns.come_again("b", 1000.0) is None


async def test_the_pace_of_a_host_is_learned_and_forgotten_when_nobody_is_there(turns, begin):
    first = await begin()
    second = await begin()
    before = turns._lines["a"].seconds
    await first.aclose()
    assert turns._lines["a"].seconds < before
    await second.aclose()
    assert not turns._lines
