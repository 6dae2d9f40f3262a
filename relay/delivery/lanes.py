"""Who goes next: one lane a destination, fair among companies, with limits on both.

In charge of order and concurrency only; what a job is and how it is carried is the business of the callbacks.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Job(Protocol):
    """Work for one destination on behalf of one company."""

    @property
    def lane(self) -> str:
        """The destination's key."""
        ...

    @property
    def company(self) -> str:
        """The company's slug."""
        ...


J = TypeVar("J", bound=Job)
J_contra = TypeVar("J_contra", bound=Job, contravariant=True)


class Carrier(Protocol[J_contra]):
    """Carries jobs of one lane, one after the other, and may keep a connection between them."""

    async def carry(self, job: J_contra) -> None:
        """Do the job; must not raise."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Width:
    """How much happens at once, and how long (seconds) an idle carrier keeps its connection."""

    per_lane: int
    per_company: int
    idle: float


@dataclass(slots=True)
class _Lane(Generic[J]):
    key: str
    waiting: OrderedDict[str, deque[J]] = field(default_factory=OrderedDict)
    carriers: int = 0
    idle: deque["asyncio.Future[bool]"] = field(default_factory=deque)
    count: int = 0  # of jobs that wait


class Lanes(Generic[J]):
    """All lanes of one worker."""

    def __init__(
        self, width: Callable[[], Width], carrier: Callable[[], Carrier[J]], start: Callable[[Awaitable[None]], object]
    ) -> None:
        """`carrier` makes one for a lane, `start` runs a carrier's life as a task of its owner."""
        self._width = width
        self._carrier = carrier
        self._start = start
        self._lanes: dict[str, _Lane[J]] = {}
        self._busy: Counter[str] = Counter()
        self._closing = False

    def add(self, job: J) -> None:
        """Queue a job."""
        lane = self._lanes.get(job.lane)
        if lane is None:
            lane = self._lanes[job.lane] = _Lane(job.lane)
        lane.waiting.setdefault(job.company, deque()).append(job)
        lane.count += 1
        self._serve(lane)

    def close(self) -> None:
        """Let idle carriers go; those at work end after their job, and what waits stays undone."""
        self._closing = True
        for lane in list(self._lanes.values()):
            self._wake(lane, len(lane.idle))

    def waiting(self, key: str) -> int:
        """How many jobs wait in a lane."""
        lane = self._lanes.get(key)
        return 0 if lane is None else lane.count

    def _serve(self, lane: _Lane[J]) -> None:
        if lane.idle:
            self._wake(lane, 1)
        elif lane.carriers < self._width().per_lane and not self._closing:
            lane.carriers += 1
            self._start(self._run(lane))

    def _wake(self, lane: _Lane[J], count: int) -> None:
        for _ in range(min(count, len(lane.idle))):
            future = lane.idle.popleft()
            if not future.done():
                future.set_result(True)

    async def _run(self, lane: _Lane[J]) -> None:
        """A carrier's life."""
        carrier = self._carrier()
        try:
            while not self._closing:
                job = self._next(lane)
                if job is None:
                    if not await self._idle(lane):
                        break
                    continue
                try:
                    await carrier.carry(job)
                finally:
                    self._finished(job)
        finally:
            carrier.close()
            lane.carriers -= 1
            if not lane.carriers and not lane.waiting:
                self._lanes.pop(lane.key, None)

    def _next(self, lane: _Lane[J]) -> J | None:
        """The next job whose company has room, companies in turn."""
        most = self._width().per_company
        for company, jobs in lane.waiting.items():
            if self._busy[company] >= most:
                continue
            job = jobs.popleft()
            lane.count -= 1
            if jobs:
                lane.waiting.move_to_end(company)
            else:
                del lane.waiting[company]
            self._busy[company] += 1
            return job
        return None

    async def _idle(self, lane: _Lane[J]) -> bool:
        """Wait for a job; False when it is time to go."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        lane.idle.append(future)
        timer = loop.call_later(self._width().idle, _end_wait, future)
        try:
            woken = await future
        finally:
            timer.cancel()
            if future in lane.idle:
                lane.idle.remove(future)
        # A lane whose companies are all at their limit must not run dry of carriers.
        return (woken or bool(lane.waiting)) and not self._closing

    def _finished(self, job: J) -> None:
        company = job.company
        self._busy[company] -= 1
        if not self._busy[company]:
            del self._busy[company]
        if self._busy[company] == self._width().per_company - 1:
            # The company was at its limit: wherever it waits, it may go on.
            for lane in list(self._lanes.values()):
                if company in lane.waiting:
                    self._serve(lane)


def _end_wait(future: "asyncio.Future[bool]") -> None:
    if not future.done():
        future.set_result(False)
