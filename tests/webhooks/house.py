"""What webhooks live in: a store, workers on it, a configuration, a clock that can be moved."""

import asyncio
import time
from pathlib import Path
from typing import Any

from relay.config.keyring import Active, Keyring
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.dns import Resolver
from relay.events import Event, EventType
from relay.http import HttpClient
from relay.mail.address import parse_address
from relay.mail.envelope import Envelope, Recipient
from relay.store.spool import Acceptance, Message, Origin
from relay.store.sqlite.spool import SqliteSpool
from relay.webhooks.courier import Telling, Webhooks
from relay.webhooks.progress import KIND, Progress

SECRET = "a secret between the relay and one app"


class MovingClock:
    """The real time, and a little more when told."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


class House:
    """Everything is real but the mail."""

    def __init__(self, path: Path) -> None:
        self._path = path
        (path.parent / "hook-secret").write_text(f"{SECRET}\n")
        self.clock = MovingClock()
        self.events: list[Event] = []
        self._happened = asyncio.Event()
        self._workers: list[tuple[SqliteSpool, asyncio.Task[None] | None]] = []
        self._count = 0

    def configure(self, *, secret: str = SECRET, **urls: str | dict[str, Any]) -> None:
        """Give apps webhooks: a URL, or more of its settings."""
        (self._path.parent / "hook-secret").write_text(f"{secret}\n")
        base = {"secret": {"file": str(self._path.parent / "hook-secret")}, "allow_private": True}
        hooks = {app: base | ({"url": hook} if isinstance(hook, str) else hook) for app, hook in urls.items()}
        settings = Settings.model_validate(
            {
                "hostname": "mx1.my.relay.example",
                "domain": "my.relay.example",
                "postmaster": "postmaster@operator.example",
                "sending_addresses": ["192.0.2.1"],
                "secrets": {"signing": [{"file": "never-read"}]},
                "apps": {app: self._app(hooks.get(app)) for app in {"billing", "shop", *hooks}},
            }
        )
        self.active = Active(Snapshot.of(settings), Keyring((b"the secret of the tests",), {}))

    @staticmethod
    def _app(webhook: dict[str, Any] | None) -> dict[str, Any]:
        return {"networks": ["127.0.0.0/8"], "companies": "all", "webhook": webhook}

    def emit(self, event: Event) -> None:
        """See EventSink.emit."""
        self.events.append(event)
        self._happened.set()

    async def until(self, kind: EventType) -> Event:
        """The first event of that type, once there is one."""
        while not (found := [event for event in self.events if event.type is kind]):
            self._happened.clear()
            await self._happened.wait()
        return found[0]

    async def start(self, *, sending: bool = True) -> SqliteSpool:
        """Start one more worker."""
        self._count += 1
        spool = SqliteSpool(self._path, worker=f"test.{self._count}.1", pid=self._count, clock=self.clock)
        await spool.start()
        client = HttpClient(Resolver(["127.0.0.1:9"], 1.0))
        webhooks = Webhooks(Telling(lambda: self.active, spool, client, self.clock, self))
        self._workers.append((spool, asyncio.create_task(webhooks.run()) if sending else None))
        return spool

    async def stop(self, spool: SqliteSpool) -> None:
        """End a worker in order."""
        task = next(task for each, task in self._workers if each is spool)
        self._workers = [pair for pair in self._workers if pair[0] is not spool]
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await spool.stop()

    async def kill(self, spool: SqliteSpool) -> None:
        """Let a worker go as kill -9 does: from one moment to the next it writes nothing any more."""
        await spool._writer.close()
        await self.stop_after(spool)

    async def stop_after(self, spool: SqliteSpool) -> None:
        task = next(task for each, task in self._workers if each is spool)
        self._workers = [pair for pair in self._workers if pair[0] is not spool]
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        spool._segments.close()

    async def close(self) -> None:
        for spool, _ in list(self._workers):
            await self.stop(spool)

    async def begun(self, spool: SqliteSpool, app: str = "billing") -> None:
        """Wait until somebody knows of the app's webhook: from here on, it hears of everything."""
        while await spool.facts.get(KIND, app) is None:  # noqa: ASYNC110 -- only the store knows
            await asyncio.sleep(0.005)

    async def progress(self, spool: SqliteSpool, app: str = "billing") -> Progress:
        fact = await spool.facts.get(KIND, app)
        assert fact is not None
        return Progress.of(fact)

    async def put(self, spool: SqliteSpool, app: str = "billing", recipient: str = "anna@shop.example") -> str:
        """Accept a mail of that app; its queue id."""
        self._count += 1
        writer = spool.writer()
        writer.write(b"Subject: secret content\r\n\r\nbody\r\n")
        queue_id = f"id{self._count:06d}"
        now = self.clock.now()
        envelope = Envelope(parse_address("shop@my.relay.example"), (Recipient(parse_address(recipient)),))
        content = writer.finish(header_size=0, body_hash="hash")
        message = Message(
            queue_id, Origin.SUBMISSION, now, app, "127.0.0.1", f"<{queue_id}@app.example>", envelope, content
        )
        data = {"origin": "submission", "app": app, "peer": "127.0.0.1", "recipients": [recipient], "size": 33}
        received = Event(EventType.RECEIVED, now, queue_id, None, data)
        await spool.commit(Acceptance(message, ("shop-bv",), leased=False, events=(received,)))
        return queue_id

    async def note(self, spool: SqliteSpool, queue_id: str, kind: EventType = EventType.DEFERRED, **data: Any) -> None:
        """Something happens to a mail."""
        await spool.note([Event(kind, self.clock.now(), queue_id, 0, data)])
