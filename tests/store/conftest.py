"""What the tests of the store share: the implementations to try, a clock that stands still, and mail to put in."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from relay.mail.address import parse_address
from relay.mail.envelope import Envelope, Recipient
from relay.store.spool import Acceptance, Change, Content, Entry, Message, Origin, Spool, State
from relay.store.sqlite import segments
from relay.store.sqlite.spool import LEASE_TIME, SqliteSpool


class StandingClock:
    """A clock that only goes on when told."""

    def __init__(self, at: float = 1_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def advance(self, seconds: float) -> float:
        self.at += seconds
        return self.at


class Implementation(Protocol):
    """A store under test: how its workers come to life, and how they die without a word."""

    lease_time: float

    async def start(self, slot: int) -> Spool: ...

    async def kill(self, spool: Spool) -> None:
        """Let the worker go away as its process would: locks and files are gone, nothing else is tidied."""


class SqliteStore:
    lease_time = LEASE_TIME

    def __init__(self, folder: Path, clock: StandingClock) -> None:
        self.path = folder / "relay.db"
        self.clock = clock
        self._count = 0

    async def start(self, slot: int) -> SqliteSpool:
        self._count += 1
        spool = SqliteSpool(self.path, worker=f"test.{slot}.{self._count}", pid=1000 + self._count, clock=self.clock)
        await spool.start()
        return spool

    async def kill(self, spool: SqliteSpool) -> None:
        await spool._writer.close()
        spool._segments.close()


class Bench:
    """Workers on one store, and short ways to put mail into it and to say what became of it."""

    def __init__(self, implementation: Implementation, clock: StandingClock) -> None:
        self.clock = clock
        self.lease_time = implementation.lease_time
        self._implementation = implementation
        self._running: list[Spool] = []
        self._count = 0

    @property
    def now(self) -> float:
        return self.clock.now()

    async def start(self, slot: int = 1) -> Spool:
        spool = await self._implementation.start(slot)
        self._running.append(spool)
        return spool

    async def stop(self, spool: Spool) -> None:
        self._running.remove(spool)
        await spool.stop()

    async def kill(self, spool: Spool) -> None:
        self._running.remove(spool)
        await self._implementation.kill(spool)

    async def close(self) -> None:
        for spool in list(self._running):
            await self.stop(spool)

    async def outlive(self, spool: Spool) -> int:
        """Let the leases of all but `spool` run out, and have it notice; how many it freed."""
        self.clock.advance(self.lease_time)
        await spool.heartbeat(now=self.now, detail={})
        return await spool.heartbeat(now=self.now, detail={})

    def content(self, spool: Spool, octets: bytes) -> Content:
        writer = spool.writer()
        writer.write(octets)
        return writer.finish(header_size=0, body_hash="hash")

    def message(self, content: Content, recipients: Sequence[str] = ("anna@shop.example",), **fields) -> Message:
        self._count += 1
        given = {
            "queue_id": f"id{self._count:06d}",
            "origin": Origin.SUBMISSION,
            "received_at": self.now,
            "app": "billing",
            "peer": "192.0.2.1",
            "message_id": f"<{self._count}@app.example>",
            "envelope": Envelope(
                parse_address("app@sender.example"), tuple(Recipient(parse_address(text)) for text in recipients)
            ),
            "content": content,
        }
        return Message(**(given | fields))

    def acceptance(
        self,
        spool: Spool,
        *recipients: str,
        octets: bytes = b"\r\nHello\r\n",
        companies: tuple[str, ...] = (),
        leased: bool = False,
        events=(),
        **fields,
    ) -> Acceptance:
        message = self.message(self.content(spool, octets), recipients or ("anna@shop.example",), **fields)
        return Acceptance(message, companies or ("shop",) * len(message.envelope.recipients), leased, events)

    async def put(self, spool: Spool, *recipients: str, **fields) -> Message:
        acceptance = self.acceptance(spool, *recipients, **fields)
        await spool.commit(acceptance)
        return acceptance.message

    async def lease(self, spool: Spool, *, limit: int = 100, busy: tuple[str, ...] = ()) -> list[tuple[str, int]]:
        return keys(await spool.lease(now=self.now, limit=limit, busy=busy))

    def change(self, queue_id: str, number: int = 0, state: State = State.DELIVERED, **fields) -> Change:
        given = {"attempts": 1, "next_attempt": self.now, "last": "250 2.0.0 OK"}
        return Change(queue_id, number, state, **(given | fields))

    async def states(self, spool: Spool, queue_id: str) -> list[State]:
        return [delivery.state for entry in await spool.find(queue_id) for delivery in entry.deliveries]

    def octets(self, spool: Spool, message: Message) -> bytes:
        return spool.read(message.content, 0, message.content.size)


def keys(entries: Sequence[Entry]) -> list[tuple[str, int]]:
    """The deliveries of `entries`, by name."""
    return [(entry.message.queue_id, delivery.number) for entry in entries for delivery in entry.deliveries]


IMPLEMENTATIONS: dict[str, Callable[[Path, StandingClock], Implementation]] = {"sqlite": SqliteStore}


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    """A few messages fill a segment, where it takes thousands in life."""
    monkeypatch.setattr(segments, "SEGMENT_SIZE", 500_000)
    monkeypatch.setattr(segments, "BLOCK_SIZE", 64_000)


@pytest.fixture(params=IMPLEMENTATIONS)
def new_bench(request, tmp_path) -> Callable[[], Bench]:
    """Makes a bench over a new and empty store."""
    count = 0

    def make() -> Bench:
        nonlocal count
        count += 1
        clock = StandingClock()
        return Bench(IMPLEMENTATIONS[request.param](tmp_path / str(count), clock), clock)

    return make


@pytest.fixture
async def bench(new_bench) -> AsyncIterator[Bench]:
    bench = new_bench()
    yield bench
    await bench.close()


@pytest.fixture
async def spool(bench: Bench) -> Spool:
    """The only worker, when a test needs just one."""
    return await bench.start()


@pytest.fixture
async def sqlite(tmp_path) -> AsyncIterator[Bench]:
    """A bench over SQLite, for what only that one promises."""
    clock = StandingClock()
    bench = Bench(SqliteStore(tmp_path, clock), clock)
    yield bench
    await bench.close()
