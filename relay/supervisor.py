"""The parent process at work: restarts what dies, passes signals on, tells systemd. Handles no mail.

`relay.start` forks the workers and then becomes this program, which loads next to nothing: a parent that kept all it
had loaded would cost as much memory as a worker. Workers that are started later are programs of their own. Each
worker holds the end of a pipe that closes when the parent is gone, whatever way it went, and then stops by itself.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import time

EX_CONFIG = 78
_TICK = 1.0
_SILENT = 90.0  # seconds without a sign of life after which a worker is ended
_STOP = 60.0
_PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
_LONG_LIFE = 30.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Slot:
    """The place of one worker, and what is known of the one in it; `pid` 0: nobody."""

    def __init__(self, number: int, pid: int, notices: int) -> None:
        self.number = number
        self.pid = pid
        self.notices = notices
        self.started = 1
        self.failures = 0
        self.ready = False
        self.started_at = self.alive_at = time.monotonic()
        self.start_again_at = 0.0


class Supervisor:
    """Keeps the workers of one relay alive until told to stop.

    `instance` names this relay's life, `lifeline` is the pipe (reading, writing) whose end tells workers to stop.
    """

    def __init__(self, config: str, instance: str, lifeline: tuple[int, int], slots: list[Slot]) -> None:
        self._config = config
        self._instance = instance
        self._lifeline = lifeline
        self._slots = slots
        self._selector = selectors.DefaultSelector()
        self._stopping_since: float | None = None
        self._exit_code = 0
        self._told_ready = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; the exit code."""
        with contextlib.ExitStack() as stack:
            self._listen_for_signals(stack)
            for slot in self._slots:
                self._listen_to(slot)
            while self._stopping_since is None or any(slot.pid for slot in self._slots):
                self._reap()
                self._start_due()
                for key, _ in self._selector.select(_TICK):
                    key.data()
                self._watch()
        return self._exit_code

    # Workers.

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if not slot.pid and self._stopping_since is None and now >= slot.start_again_at:
                self._start(slot)

    def _start(self, slot: Slot) -> None:
        slot.started += 1
        slot.ready = False
        slot.started_at = slot.alive_at = time.monotonic()
        slot.notices, writing = os.pipe()
        os.set_inheritable(writing, True)  # noqa: FBT003 -- its only form
        name = f"{self._instance}.{slot.number}.{slot.started}"
        words = (sys.executable, "-m", "relay.worker", self._config, name, str(self._lifeline[0]), str(writing))
        # A worker that is about to read the configuration need not be told that it changed.
        slot.pid = os.posix_spawn(sys.executable, words, os.environ, setsigdef=(signal.SIGTERM, signal.SIGINT))
        os.close(writing)
        self._listen_to(slot)

    def _listen_to(self, slot: Slot) -> None:
        os.set_blocking(slot.notices, False)
        self._selector.register(slot.notices, selectors.EVENT_READ, lambda: self._hear(slot))

    def _hear(self, slot: Slot) -> None:
        """A worker has something to say: that it is ready, that it lives; or nothing more, ever."""
        with contextlib.suppress(BlockingIOError):
            words = os.read(slot.notices, 4096)
            slot.alive_at = time.monotonic()
            slot.ready = slot.ready or b"ready" in words
            if not words:
                self._deafen(slot)

    def _deafen(self, slot: Slot) -> None:
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

    def _ended(self, slot: Slot, code: int) -> None:
        slot.pid = 0
        self._deafen(slot)
        if self._stopping_since is not None:
            return
        if code == EX_CONFIG and not self._told_ready:
            self._exit_code = EX_CONFIG
            self._stop()
            return
        now = time.monotonic()
        slot.failures = 0 if now - slot.started_at > _LONG_LIFE else slot.failures + 1
        pause = _PAUSES[min(slot.failures, len(_PAUSES)) - 1] if slot.failures else 0.0
        slot.start_again_at = now + pause
        _say("worker-died", slot=slot.number, code=code, again_in=pause)

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
                _say("worker-silent", slot=slot.number)
                self._signal(signal.SIGKILL, slot)

    # Signals.

    def _listen_for_signals(self, stack: contextlib.ExitStack) -> None:
        """Turn signals into input, so that nothing is ever interrupted half-way."""
        hearing, telling = socket.socketpair()
        for end in (hearing, telling):
            end.setblocking(False)  # noqa: FBT003 -- its only argument
            stack.callback(end.close)
        signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
        stack.callback(signal.set_wakeup_fd, -1)
        self._selector.register(hearing, selectors.EVENT_READ, lambda: self._obey(hearing.recv(4096)))
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        # Those that came before there was anybody to hear them were kept by the kernel.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _obey(self, numbers: bytes) -> None:
        for number in numbers:
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            elif number == signal.SIGHUP:
                self._signal(signal.SIGHUP, *(slot for slot in self._slots if slot.ready))

    def _stop(self) -> None:
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            _notify("STOPPING=1")
            self._signal(signal.SIGTERM, *self._slots)

    def _signal(self, number: signal.Signals, *slots: Slot) -> None:
        for slot in slots:
            if slot.pid:
                os.kill(slot.pid, number)


def command(config: str, instance: str, lifeline: tuple[int, int], workers: list[tuple[int, int]]) -> list[str]:
    """The command line that makes a process the supervisor of these workers, given as (pid, notices)."""
    return [sys.executable, "-m", "relay.supervisor", json.dumps([config, instance, lifeline, workers])]


def main() -> int:
    """Become the supervisor of workers that run already; see `command`."""
    config, instance, (reading, writing), workers = json.loads(sys.argv[1])
    # Workers must be able to see the end of the lifeline, so none of them may hold its other end.
    os.set_inheritable(writing, False)  # noqa: FBT003 -- its only form
    for _, notices in workers:
        os.set_inheritable(notices, False)  # noqa: FBT003 -- its only form
    slots = [Slot(number, pid, notices) for number, (pid, notices) in enumerate(workers)]
    try:
        return Supervisor(config, instance, (reading, writing), slots).run()
    finally:
        import shutil  # noqa: PLC0415 -- not before: a parent of little memory is what this program is for

        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)


def _say(event: str, **words: float) -> None:
    line = {"event": event, **words, "level": "error", "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201 -- the log, without what a log library loads


def _notify(state: str) -> None:
    """Say something to systemd, where there is one (sd_notify)."""
    where = os.environ.get("NOTIFY_SOCKET")
    if not where:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock, contextlib.suppress(OSError):
        sock.sendto(state.encode(), "\0" + where[1:] if where.startswith("@") else where)


if __name__ == "__main__":
    sys.exit(main())
