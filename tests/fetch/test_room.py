"""Mails are read as long as there is room for them, in the order in which they come."""

import asyncio

import pytest

from relay.fetch.room import Room


class Visitors:
    """Those who come into a room, and stay until they are sent out."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.within: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def come(self, name: str, octets: int) -> None:
        self._ends[name] = asyncio.Event()

        async def stay() -> None:
            async with self._room.of(octets):
                self.within.append(name)
                await self._ends[name].wait()
            self.within.remove(name)

        self._tasks[name] = asyncio.create_task(stay())
        await settle()

    async def go(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks[name]
        await settle()

    async def give_up(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.wait([self._tasks[name]])
        await settle()


async def settle() -> None:
    """Let everybody do what can be done now."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def visitors():
    return Visitors(Room(10))


async def test_there_is_room_for_so_many_octets(visitors):
    for name in "abc":
        await visitors.come(name, 4)
    assert visitors.within == ["a", "b"]
    await visitors.go("a")
    assert visitors.within == ["b", "c"]


async def test_who_is_small_does_not_pass_who_waits(visitors):
    await visitors.come("a", 6)
    await visitors.come("large", 9)
    await visitors.come("small", 1)
    assert visitors.within == ["a"]
    await visitors.go("a")
    assert visitors.within == ["large", "small"]


async def test_who_is_larger_than_the_room_has_it_alone(visitors):
    await visitors.come("a", 1)
    await visitors.come("giant", 11)
    await visitors.come("b", 1)
    assert visitors.within == ["a"]
    await visitors.go("a")
    assert visitors.within == ["giant"]
    await visitors.go("giant")
    assert visitors.within == ["b"]


async def test_who_gives_up_waiting_or_is_cut_off_leaves_room(visitors):
    await visitors.come("a", 9)
    await visitors.come("b", 9)
    await visitors.come("c", 9)
    await visitors.give_up("b")
    assert visitors.within == ["a"]
    await visitors.give_up("a")
    assert visitors.within == ["a", "c"]  # it was cut off before it could say that it goes
