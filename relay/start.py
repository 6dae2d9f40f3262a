"""From `relay serve` to a running relay: the last checks, the workers, and the parent that watches over them.

Workers are forked from a process that has loaded the program and nothing else - no thread, no event loop, no open
database - so that they share its memory. That process then becomes the supervisor.
"""

import fcntl
import gc
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import structlog

from relay.config.settings import Settings
from relay.config.values.network import Endpoint
from relay.intake.tally import TALLIES, make_memory
from relay.store.open import store_path
from relay.supervisor import command

_METRICS = "relay-metrics-"
_MOST_PATH = 4096

log = structlog.get_logger("relay.start")

# A worker's program: the configuration, its name, the pipe that ends with the parent, the pipe to say words into.
Work = Callable[[Path, str, int, int], int]


class StartError(Exception):
    """The relay cannot start here; the message says why and what to do."""


def start(config: Path, settings: Settings, load: Callable[[], Work]) -> NoReturn:
    """Start the relay in this process; raises StartError when that cannot be.

    `load` brings in the program of a worker. It is called when the environment is ready for that.
    """
    lock = _lock_store(store_path(settings.store))
    _check_ports(settings)
    # prometheus_client looks for it when it is imported.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder = _metrics_folder(lock)
    workers_wanted = settings.workers or os.cpu_count() or 1
    # Names of metrics end in .db, and nothing else in there is looked at.
    memory = Path(folder, "tallies")
    make_memory(memory, workers_wanted)
    os.environ[TALLIES] = f"{workers_wanted}:{memory}"
    work = load()
    instance = secrets.token_hex(4)
    lifeline = os.pipe()
    # Until the supervisor hears them, signals wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD))
    # What is loaded stays loaded: a collection must not touch, and so copy, the pages that all share.
    gc.collect()
    gc.freeze()
    workers: list[tuple[int, int]] = []
    for number in range(workers_wanted):
        name = f"{instance}.{number}.1"
        workers.append(_fork(partial(work, config, name, lifeline[0]), lifeline, workers))
    for fd in (*lifeline, *(notices for _, notices in workers)):
        os.set_inheritable(fd, True)  # noqa: FBT003 -- its only form
    words = command(str(config), instance, lifeline, workers)
    os.execv(words[0], words)  # noqa: S606 -- this very program


def _fork(work: Callable[[int], int], lifeline: tuple[int, int], others: list[tuple[int, int]]) -> tuple[int, int]:
    """Start one worker; its process id, and the pipe that it says words into."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        _be_worker(lambda: work(writing), (lifeline[1], reading, *(notices for _, notices in others)))
    os.close(writing)
    return pid, reading


def _be_worker(work: Callable[[], int], not_ours: tuple[int, ...]) -> NoReturn:
    """The child's life."""
    code = 70
    try:
        for fd in not_ours:
            os.close(fd)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        code = work()
    except BaseException:
        log.exception("a worker failed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _metrics_folder(lock: int) -> str:
    """A folder for one instance's metrics; that of the last one goes, which may have had no time to tidy up.

    Its name stands in the file of the lock: whoever holds that knows that nobody uses the folder any more.
    """
    stale = Path(os.pread(lock, _MOST_PATH, 0).decode(errors="replace"))
    if stale.is_absolute() and stale.name.startswith(_METRICS) and not stale.is_symlink():
        shutil.rmtree(stale, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=_METRICS, dir=_memory())
    os.ftruncate(lock, 0)
    os.pwrite(lock, os.fsencode(folder), 0)
    return folder


def _memory() -> str | None:
    """A folder in memory, None where there is none: metrics are mapped files, and a full disk would end who writes."""
    shared = "/dev/shm"  # noqa: S108 -- the folder made in it is ours alone
    return shared if os.access(shared, os.W_OK | os.X_OK) else None


def _lock_store(path: Path) -> int:
    """Make sure that nobody else works on this store: all other workers known there are then dead.

    The lock lives as long as any process of this relay: all inherit it, and nobody ever gives it back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".instance"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StartError(f"another relay is working on {path}; stop it first, or give this one its own store") from None
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
