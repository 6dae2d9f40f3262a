"""A place with a configuration in it, and the program to run there."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from relay.cli import main
from relay.clock import SystemClock
from relay.events import Event, EventType, Json
from relay.mail.address import parse_address
from relay.mail.envelope import Envelope, Recipient
from relay.store.spool import Acceptance, Change, Message, Origin, Selection, State
from relay.store.sqlite.spool import SqliteSpool

SETTINGS = """\
hostname: mx1.my.relay.example
domain: my.relay.example
postmaster: postmaster@operator.example
store: sqlite:var/relay.db
sending_addresses: [127.0.0.1]
apps:
  billit-web: {networks: [127.0.0.0/8], companies: all}
verification: {required: false}
secrets: {signing: [{file: var/signing-secret}]}
dns: {servers: ["127.0.0.1:9"], timeout: 1s}
workers: 1
log: {format: console}
"""
COMPANY = """\
name: Bakkerij Peeters BV
address: info@bakkerij-peeters.example
alias: bakkerij-peeters
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Place:
    """A working directory with a configuration."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys
        (path / "var").mkdir()
        (path / "var/signing-secret").write_text("not-a-real-secret-only-a-test\n")
        self.write("relay.yaml", SETTINGS)
        self.write("companies/bakkerij-peeters.yaml", COMPANY)

    def write(self, name: str, text: str) -> None:
        file = self.path / "config" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, *arguments: str) -> Ended:
        """Run the program in this process."""
        self._capsys.readouterr()
        code = _exit_code(arguments)
        printed = self._capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    async def ask(self, *arguments: str) -> Ended:
        """Run the program beside what runs on this event loop."""
        return await asyncio.to_thread(self.run, *arguments)


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RELAY_CONFIG", raising=False)
    monkeypatch.delenv("RELAY_DEBUG", raising=False)
    return Place(tmp_path, capsys)


class Store:
    """A live worker's hold on the place's store, with short ways to put mail into it."""

    def __init__(self, spool: SqliteSpool) -> None:
        self.spool = spool

    async def put(
        self,
        queue_id: str,
        *recipients: str,
        leased: bool = False,
        company: str = "bakkerij-peeters",
        header: bytes = b"Subject: x\r\n",
        message_id: str = "",
        findings: Mapping[str, Json] = MappingProxyType({}),
    ):
        """Accept a message that `app` submitted for these recipients."""
        writer = self.spool.writer()
        writer.write(header + b"\r\nbody\r\n")
        content = writer.finish(header_size=len(header) + 2, body_hash="")
        envelope = Envelope(
            parse_address("bakkerij-peeters@my.relay.example"),
            tuple(Recipient(parse_address(recipient)) for recipient in recipients),
        )
        now = time.time()
        message = Message(
            queue_id=queue_id,
            origin=Origin.SUBMISSION,
            received_at=now,
            app="billit-web",
            peer="127.0.0.1",
            message_id=message_id or f"<{queue_id}@app.example>",
            envelope=envelope,
            content=content,
            findings=findings,
        )
        arrival = {
            "origin": "submission",
            "app": "billit-web",
            "peer": "127.0.0.1",
            "tls": "TLSv1.3",
            "reverse_path": str(envelope.reverse_path),
            "recipients": list(recipients),
            "message_id": message.message_id,
            "size": 20,
        }
        event = Event(EventType.RECEIVED, now, queue_id, None, arrival)
        await self.spool.commit(Acceptance(message, (company,) * len(recipients), leased, (event,)))

    async def settle(self, queue_id: str, state: State, *events: Event, number: int = 0, last: str = "") -> None:
        """Record what an attempt at a leased delivery came to."""
        upcoming = time.time() + 3600 if state is State.QUEUED else 0.0
        await self.spool.record([Change(queue_id, number, state, 1, upcoming, last)], events)

    async def hold(self, queue_id: str, key: str) -> None:
        """Let a leased delivery wait for `key`."""
        await self.spool.record([Change(queue_id, 0, State.HELD, 0, 0.0, "waits", hold_key=key)])

    async def states(self, queue_id: str) -> list[State]:
        entries = await self.spool.select(Selection(queue_ids=(queue_id,), states=tuple(State)))
        return [delivery.state for entry in entries for delivery in entry.deliveries]

    async def leases(self) -> list[tuple[str, str]]:
        """Queue ids of what is leased, and to whom."""
        entries = await self.spool.select(Selection())
        return [(entry.message.queue_id, each.worker) for entry in entries for each in entry.deliveries if each.worker]


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    spool = SqliteSpool(place.path / "var/relay.db", worker="test.0.1", pid=os.getpid(), clock=SystemClock())
    await spool.start()
    yield Store(spool)
    await spool.stop()
