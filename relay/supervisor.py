"""The parent process: starts equal workers, restarts what dies, passes signals on, tells systemd. Handles no mail.

Workers are separate programs rather than forks, so none inherits threads or half-used connections. Each holds the
end of a pipe that closes when the parent is gone, whatever way it went, and then stops by itself.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from relay.config.settings import Settings
from relay.config.values import Endpoint
from relay.store.open import store_path

EX_CONFIG = 78
_SILENT = 90.0  # seconds without a sign of life after which a worker is ended
_STOP = 60.0
_PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
_LONG_LIFE = 30.0

log = structlog.get_logger("relay.supervisor")


class StartError(Exception):
    """The relay cannot start here; the message says why and what to do."""


@dataclass(slots=True)
class _Slot:
    number: int
    started: int = 0
    failures: int = 0
    process: asyncio.subprocess.Process | None = None
    alive_at: float = 0.0
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Runs the workers of one relay until told to stop."""

    def __init__(self, config: Path, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._slots = [_Slot(number) for number in range(settings.workers or os.cpu_count() or 1)]
        self._instance = secrets.token_hex(4)
        self._stop = asyncio.Event()
        self._exit_code = 0
        self._lifeline: tuple[int, int] = (-1, -1)
        self._metrics = ""

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT; the exit code. Raises StartError when there is no starting at all."""
        lock = _lock_store(store_path(self._settings.store))
        _check_ports(self._settings)
        self._lifeline = os.pipe()
        self._metrics = tempfile.mkdtemp(prefix="relay-metrics-")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._signal_workers, signal.SIGHUP)
        try:
            async with asyncio.TaskGroup() as tasks:
                keepers = [tasks.create_task(self._keep(slot)) for slot in self._slots]
                tell = tasks.create_task(self._tell())
                await self._stop.wait()
                _notify("STOPPING=1")
                self._signal_workers(signal.SIGTERM)
                _, late = await asyncio.wait(keepers, timeout=_STOP)
                if late:
                    self._signal_workers(signal.SIGKILL)
                tell.cancel()
        finally:
            os.close(self._lifeline[1])
            os.close(self._lifeline[0])
            os.close(lock)
            shutil.rmtree(self._metrics, ignore_errors=True)
        return self._exit_code

    async def _keep(self, slot: _Slot) -> None:
        """Keep one worker alive."""
        while not self._stop.is_set():
            started_at = time.monotonic()
            code = await self._run_worker(slot)
            if self._stop.is_set():
                return
            if code == EX_CONFIG and not slot.ready.is_set():
                self._exit_code = EX_CONFIG
                self._stop.set()
                return
            slot.failures = 0 if time.monotonic() - started_at > _LONG_LIFE else slot.failures + 1
            pause = _PAUSES[min(slot.failures, len(_PAUSES) - 1)]
            log.error("a worker died", slot=slot.number, code=code, again_in=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)

    async def _run_worker(self, slot: _Slot) -> int:
        slot.started += 1
        reading, writing = os.pipe()
        name = f"{self._instance}.{slot.number}.{slot.started}"
        environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": self._metrics, "RELAY_WORKER": name}
        try:
            process = slot.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "relay.worker",
                str(self._config),
                str(self._lifeline[0]),
                str(writing),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(self._lifeline[0], writing),
                env=environment,
                start_new_session=True,
            )
        finally:
            os.close(writing)
        slot.alive_at = time.monotonic()
        listening = asyncio.ensure_future(self._listen(slot, reading))
        code = await process.wait()
        slot.process = None
        await listening
        return code

    async def _listen(self, slot: _Slot, reading: int) -> None:
        """Hear what the worker has to say: that it is ready, and that it lives."""
        loop = asyncio.get_running_loop()
        stream = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb")
        )
        try:
            async for line in stream:
                slot.alive_at = time.monotonic()
                if line == b"ready\n":
                    slot.ready.set()
        finally:
            transport.close()

    async def _tell(self) -> None:
        """Tell systemd when all is ready, and then that all is well; end workers that have gone silent."""
        for slot in self._slots:
            await slot.ready.wait()
        _notify("READY=1")
        while True:
            await asyncio.sleep(5)
            _notify("WATCHDOG=1")
            for slot in self._slots:
                if slot.process is not None and time.monotonic() - slot.alive_at > _SILENT:
                    log.error("a worker is silent, ending it", slot=slot.number)
                    slot.process.kill()

    def _signal_workers(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    slot.process.send_signal(number)


def _lock_store(path: Path) -> int:
    """Make sure that nobody else works on this store: all other workers known there are then dead."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".instance"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StartError(f"another relay is working on {path}; stop it first, or give this one its own store") from None
    # The workers hold it too: as long as one of them lives, this store is taken.
    os.set_inheritable(lock, True)  # noqa: FBT003 -- its only form
    return lock


def _check_ports(settings: Settings) -> None:
    """Find out now whether the ports are free: workers share ports, and would share them with a stranger too."""
    listeners = settings.listeners
    for name, listener in (
        ("submission", listeners.submission),
        ("submissions", listeners.submissions),
        ("mx", listeners.mx),
        ("web", listeners.web),
    ):
        if listener is not None:
            _check_port(name, listener.address)


def _check_port(name: str, where: Endpoint) -> None:
    with socket.socket(socket.AF_INET6 if ":" in where.host else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((where.host, where.port))
        except OSError as error:
            raise StartError(f"listeners.{name}: cannot listen on {where}: {error.strerror}") from None


def _notify(state: str) -> None:
    """Say something to systemd, where there is one (sd_notify)."""
    where = os.environ.get("NOTIFY_SOCKET")
    if not where:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock, contextlib.suppress(OSError):
        sock.sendto(state.encode(), "\0" + where[1:] if where.startswith("@") else where)
