"""The parent process: starts equal workers, restarts what dies, passes signals on, tells systemd. Handles no mail.

Workers are forked from a parent that has loaded the program and nothing else - no thread, no event loop, no open
database - so that they share its memory. Each holds the end of a pipe that closes when the parent is gone, whatever
way it went, and then stops by itself.
"""

import contextlib
import fcntl
import gc
import os
import secrets
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from relay.config.settings import Settings
from relay.config.values import Endpoint
from relay.store.open import store_path

EX_CONFIG = 78
_TICK = 1.0
_SILENT = 90.0  # seconds without a sign of life after which a worker is ended
_STOP = 60.0
_PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
_LONG_LIFE = 30.0

log = structlog.get_logger("relay.supervisor")


class StartError(Exception):
    """The relay cannot start here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What a worker gets from its parent: its name, the pipe that ends with the parent, the pipe to say words into."""

    name: str
    lifeline: int
    notices: int


Work = Callable[[Path, Ends], int]


@dataclass(slots=True)
class _Slot:
    number: int
    started: int = 0
    failures: int = 0
    pid: int = 0
    notices: int = -1
    ready: bool = False
    started_at: float = 0.0
    alive_at: float = 0.0
    start_again_at: float = 0.0


class Supervisor:
    """Runs the workers of one relay until told to stop."""

    def __init__(self, config: Path, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._slots = [_Slot(number) for number in range(settings.workers or os.cpu_count() or 1)]
        self._instance = secrets.token_hex(4)
        self._selector = selectors.DefaultSelector()
        self._stopping_since: float | None = None
        self._exit_code = 0
        self._told_ready = False

    def run(self, load: Callable[[], Work]) -> int:
        """Run until SIGTERM or SIGINT; the exit code. Raises StartError when there is no starting at all.

        `load` brings in the program of a worker. It is called when the environment is ready for that.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, _lock_store(store_path(self._settings.store)))
            _check_ports(self._settings)
            metrics = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="relay-metrics-", ignore_cleanup_errors=True)
            )
            # prometheus_client looks for it when it is imported.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
            self._work = load()
            self._lifeline = os.pipe()
            self._listen_for_signals(stack)
            # What is loaded stays loaded: a collection must not touch, and so copy, the pages shared by all.
            gc.collect()
            gc.freeze()
            while self._is_needed():
                self._start_due()
                for key, _ in self._selector.select(_TICK):
                    key.data()
                self._reap()
                self._watch()
        return self._exit_code

    def _is_needed(self) -> bool:
        return self._stopping_since is None or any(slot.pid for slot in self._slots)

    # Workers.

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if not slot.pid and self._stopping_since is None and now >= slot.start_again_at:
                self._start(slot)

    def _start(self, slot: _Slot) -> None:
        slot.started += 1
        slot.ready = False
        slot.started_at = slot.alive_at = time.monotonic()
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        slot.pid = os.fork()
        if not slot.pid:
            self._be_worker(slot, reading, writing)
        os.close(writing)
        os.set_blocking(reading, False)
        slot.notices = reading
        self._selector.register(reading, selectors.EVENT_READ, lambda: self._hear(slot))

    def _be_worker(self, slot: _Slot, reading: int, writing: int) -> None:
        """The child's life; never returns."""
        code = 70
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            # A worker that is about to read the configuration need not be told that it changed.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            self._selector.close()
            os.close(self._lifeline[1])
            os.close(reading)
            for other in self._slots:
                if other.notices >= 0:
                    os.close(other.notices)
            name = f"{self._instance}.{slot.number}.{slot.started}"
            code = self._work(self._config, Ends(name, self._lifeline[0], writing))
        except BaseException:
            log.exception("a worker failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _hear(self, slot: _Slot) -> None:
        """A worker has something to say: that it is ready, that it lives; or nothing more, ever."""
        with contextlib.suppress(BlockingIOError):
            words = os.read(slot.notices, 4096)
            slot.alive_at = time.monotonic()
            slot.ready = slot.ready or b"ready" in words
            if not words:
                self._deafen(slot)

    def _deafen(self, slot: _Slot) -> None:
        if slot.notices >= 0:
            self._selector.unregister(slot.notices)
            os.close(slot.notices)
            slot.notices = -1

    def _reap(self) -> None:
        for slot in self._slots:
            if slot.pid:
                pid, status = os.waitpid(slot.pid, os.WNOHANG)
                if pid:
                    self._ended(slot, os.waitstatus_to_exitcode(status))

    def _ended(self, slot: _Slot, code: int) -> None:
        slot.pid = 0
        self._deafen(slot)
        if self._stopping_since is not None:
            return
        if code == EX_CONFIG and not slot.ready:
            self._exit_code = EX_CONFIG
            self._stop()
            return
        now = time.monotonic()
        slot.failures = 0 if now - slot.started_at > _LONG_LIFE else slot.failures + 1
        pause = _PAUSES[min(slot.failures, len(_PAUSES)) - 1] if slot.failures else 0.0
        slot.start_again_at = now + pause
        log.error("a worker died", slot=slot.number, code=code, again_in=pause)

    def _watch(self) -> None:
        """Tell systemd how things are; end workers that have gone silent, and those that will not stop."""
        now = time.monotonic()
        if not self._told_ready and all(slot.ready for slot in self._slots):
            self._told_ready = True
            _notify("READY=1")
        _notify("WATCHDOG=1")
        overdue = self._stopping_since is not None and now - self._stopping_since > _STOP
        for slot in self._slots:
            if slot.pid and (overdue or now - slot.alive_at > _SILENT):
                log.error("a worker is silent, ending it", slot=slot.number)
                self._signal(signal.SIGKILL, slot)

    # Signals.

    def _listen_for_signals(self, stack: contextlib.ExitStack) -> None:
        """Turn signals into input, so that nothing is ever interrupted half-way."""
        hearing, telling = socket.socketpair()
        for end in (hearing, telling):
            end.setblocking(False)  # noqa: FBT003 -- its only argument
            stack.callback(end.close)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
        stack.callback(signal.set_wakeup_fd, -1)

        def hear() -> None:
            for number in hearing.recv(4096):
                if number in (signal.SIGTERM, signal.SIGINT):
                    self._stop()
                elif number == signal.SIGHUP:
                    self._signal(signal.SIGHUP, *self._slots)

        self._selector.register(hearing, selectors.EVENT_READ, hear)

    def _stop(self) -> None:
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            _notify("STOPPING=1")
            self._signal(signal.SIGTERM, *self._slots)

    def _signal(self, number: signal.Signals, *slots: _Slot) -> None:
        for slot in slots:
            if slot.pid:
                os.kill(slot.pid, number)


def _lock_store(path: Path) -> int:
    """Make sure that nobody else works on this store: all other workers known there are then dead."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".instance"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StartError(f"another relay is working on {path}; stop it first, or give this one its own store") from None
    # The workers inherit it: as long as one of them lives, this store is taken.
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
