"""Who goes next: fairness and limits, with carriers that the test lets go one by one. Nothing waits for time."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest

from relay.delivery.lanes import Lanes, Width


@dataclass(frozen=True)
class Job:
    company: str
    lane: str = "there"
    number: int = 0


class Works:
    """Lanes whose carriers wait for the test."""

    def __init__(self, *, per_lane: int = 2, per_company: int = 10, idle: float = 1000.0) -> None:
        self.width = Width(per_lane, per_company, idle)
        self.tasks: set[asyncio.Future[None]] = set()
        self.carriers: list[Carrier] = []
        self.begun: list[Job] = []
        self.ended: list[Job] = []
        self.most: Counter[tuple[str, str]] = Counter()
        self._doors: dict[Job, asyncio.Event] = {}
        self.lanes: Lanes[Job] = Lanes(lambda: self.width, self._carrier, self._start)

    def _carrier(self) -> "Carrier":
        carrier = Carrier(self)
        self.carriers.append(carrier)
        return carrier

    def _start(self, work) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def add(self, *jobs: Job) -> None:
        for job in jobs:
            self.lanes.add(job)

    @property
    def at_work(self) -> list[Job]:
        return [job for job in self.begun if job not in self.ended]

    async def carry(self, job: Job) -> None:
        self.begun.append(job)
        door = self._doors[job] = asyncio.Event()
        for key in (("lane", job.lane), ("company", job.company)):
            busy = sum(getattr(other, key[0]) == key[1] for other in self.at_work)
            self.most[key] = max(self.most[key], busy)
        try:
            await door.wait()
        finally:
            self.ended.append(job)

    async def let_go(self, job: Job | None = None) -> Job:
        """End one job, the one that began first unless named, and let everybody move."""
        job = job or self.at_work[0]
        self._doors[job].set()
        await breathe()
        return job

    async def finish(self) -> list[Job]:
        """End all jobs in the order in which they began."""
        await breathe()
        while self.at_work:
            await self.let_go()
        return self.begun


class Carrier:
    def __init__(self, works: Works) -> None:
        self._works = works
        self.closed = False

    async def carry(self, job: Job) -> None:
        await self._works.carry(job)

    def close(self) -> None:
        self.closed = True


async def breathe() -> None:
    """Let all callbacks run that are due, and those they make due."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def make_works():
    made: list[Works] = []

    def make(**limits) -> Works:
        made.append(Works(**limits))
        return made[-1]

    yield make
    for works in made:
        works.lanes.close()
        await works.finish()


def jobs(company: str, count: int, lane: str = "there") -> list[Job]:
    return [Job(company, lane, number) for number in range(count)]


async def test_a_lane_is_as_wide_as_it_may_be(make_works):
    works = make_works(per_lane=3)
    works.add(*jobs("a", 10))
    await breathe()
    assert len(works.at_work) == 3
    assert works.lanes.waiting("there") == 7
    await works.finish()
    assert len(works.ended) == 10
    assert works.most["lane", "there"] == 3
    assert len(works.carriers) == 3
    assert works.lanes.waiting("there") == 0


async def test_lanes_do_not_wait_for_each_other(make_works):
    works = make_works(per_lane=1)
    works.add(*jobs("a", 3, "slow"), Job("a", "quick"))
    await breathe()
    assert {job.lane for job in works.at_work} == {"slow", "quick"}


async def test_companies_take_turns(make_works):
    works = make_works(per_lane=1)
    works.add(*jobs("many", 50), *jobs("few", 2), *jobs("one", 1))
    begun = await works.finish()
    assert [job.company for job in begun[:7]] == ["many", "few", "one", "many", "few", "many", "many"]
    assert len(begun) == 53
    assert [job.number for job in begun if job.company == "many"] == [*range(50)]


async def test_a_company_is_limited_over_all_lanes(make_works):
    works = make_works(per_lane=5, per_company=3)
    works.add(*jobs("a", 4, "x"), *jobs("a", 4, "y"), *jobs("b", 1, "y"))
    await breathe()
    assert Counter(job.company for job in works.at_work) == {"a": 3, "b": 1}
    await works.finish()
    assert len(works.ended) == 9
    assert works.most["company", "a"] == 3


@pytest.mark.parametrize("per_company", [1, 2])
async def test_a_company_at_its_limit_goes_on_in_the_other_lanes(make_works, per_company):
    works = make_works(per_lane=4, per_company=per_company)
    works.add(*[Job("a", f"lane{number}") for number in range(6)])
    await works.finish()
    assert len(works.ended) == 6
    assert works.most["company", "a"] == per_company


async def test_a_company_at_its_limit_does_not_block_those_behind_it(make_works):
    works = make_works(per_lane=2, per_company=1)
    works.add(*jobs("a", 5), *jobs("b", 1))
    await breathe()
    assert {job.company for job in works.at_work} == {"a", "b"}


async def test_an_idle_carrier_takes_the_next_job(make_works):
    works = make_works(per_lane=5)
    works.add(Job("a", number=0))
    await works.finish()
    works.add(Job("a", number=1))
    await works.finish()
    assert len(works.carriers) == 1
    assert not works.carriers[0].closed


async def test_a_carrier_that_is_idle_for_too_long_goes_and_another_comes(make_works):
    works = make_works(idle=0.0)
    works.add(Job("a", number=0))
    await works.finish()
    await asyncio.gather(*works.tasks, return_exceptions=True)
    assert works.carriers[0].closed
    assert works.lanes._lanes == {}
    works.add(Job("a", number=1))
    await works.finish()
    assert len(works.ended) == 2


async def test_new_limits_hold_at_once(make_works):
    works = make_works(per_lane=1)
    works.add(*jobs("a", 10))
    await breathe()
    works.width = Width(4, 2, 1000.0)
    works.add(Job("b", number=99))
    await breathe()
    await works.let_go()
    assert len(works.at_work) <= 4
    await works.finish()
    assert len(works.ended) == 11


async def test_closing_lets_the_idle_go_and_the_busy_finish(make_works):
    works = make_works(per_lane=2)
    works.add(*jobs("a", 1, "idle"))
    await works.finish()
    works.add(*jobs("a", 5, "busy"))
    await breathe()
    works.lanes.close()
    await breathe()
    assert works.carriers[0].closed
    assert len(works.at_work) == 2
    await works.finish()
    assert len(works.ended) == 3
    assert not works.tasks
    assert works.lanes.waiting("busy") == 3
    works.add(Job("b", "new"))
    assert not works.tasks


async def test_a_carrier_that_is_cancelled_lets_go_of_its_connection(make_works):
    works = make_works(per_lane=1)
    works.add(*jobs("a", 2))
    await breathe()
    for task in works.tasks:
        task.cancel()
    await asyncio.gather(*works.tasks, return_exceptions=True)
    assert works.carriers[0].closed
    assert not works.lanes._busy
