"""One worker takes configurations over, whatever else it is busy with."""

import asyncio

import pytest

from relay.app import Worker, WorkerName
from relay.events import Event, EventType

from .conftest import Config


class SlowDispatcher:
    """Lets go of what is held, and takes its time."""

    def __init__(self) -> None:
        self.begun = 0
        self.under_way = 0
        self.started = asyncio.Semaphore(0)
        self.may_end = asyncio.Semaphore(0)

    async def release_held(self) -> None:
        self.begun += 1
        self.under_way += 1
        assert self.under_way == 1
        self.started.release()
        await self.may_end.acquire()
        self.under_way -= 1


class Reloads:
    """Hears of reloads, and lets them be awaited."""

    def __init__(self) -> None:
        self.happened = asyncio.Semaphore(0)

    def emit(self, event: Event) -> None:
        if event.type is EventType.RELOADED:
            self.happened.release()

    def config_is_broken(self, *, broken: bool) -> None:
        assert not broken


async def test_changes_do_not_wait_until_what_was_held_is_let_go(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.app.set_up_log", lambda *_: None)
    monkeypatch.setattr("relay.app.Journal", Reloads)
    monkeypatch.setattr(Reloads, "certificate_ends", lambda *_: None, raising=False)
    worker = Worker(config.path, WorkerName("test.0.1", 1))
    reloads, dispatcher = worker._journal, SlowDispatcher()
    worker._dispatcher = dispatcher  # type: ignore[assignment]
    tasks = [
        asyncio.create_task(worker._keep_config()),
        asyncio.create_task(worker._every(3600, dispatcher.release_held, now=worker._release_now)),
    ]
    await dispatcher.started.acquire()
    for number in range(3):
        (config.root / "companies" / "new.yaml").write_text(
            f"name: Newcomer\naddress: info{number}@new.example\nalias: new\n"
        )
        worker.reload()
        await reloads.happened.acquire()  # type: ignore[attr-defined]
    assert dispatcher.begun == 1
    # What changed meanwhile is looked at once, after the look that was under way.
    dispatcher.may_end.release()
    await dispatcher.started.acquire()
    assert dispatcher.begun == 2
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
