"""What the harness needs of a program under test, and the two smallest ones: a foreground process, and none."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_READY_TIMEOUT = 60.0
_STOP_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program runs: a fresh directory, its port and the sink's, the load to expect, the key to sign with."""

    directory: Path
    port: int
    sink_port: int
    sessions: int
    signing_key: Path


@dataclass(frozen=True, slots=True)
class Running:
    """A program that answers 220 on its port; `roots` are the processes whose trees are measured."""

    port: int
    roots: tuple[int, ...]


class Program(Protocol):
    """A program under test. `run` starts it, waits until it is ready, and stops it cleanly at the end."""

    @property
    def name(self) -> str: ...

    @property
    def signs(self) -> bool: ...

    def run(self, place: Place) -> AbstractContextManager[Running]: ...


class Direct:
    """No program at all: the source sends straight to the sink. Shows how far away the harness's own limit is."""

    name = "direct"
    signs = False

    @contextlib.contextmanager
    def run(self, place: Place) -> Iterator[Running]:
        yield Running(place.sink_port, ())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_greeting(port: int) -> None:
    """Returns as soon as an SMTP server greets on this port; raises TimeoutError when none does within a minute."""
    deadline = time.monotonic() + _READY_TIMEOUT
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                if connection.recv(4096).startswith(b"220"):
                    connection.sendall(b"QUIT\r\n")
                    connection.recv(4096)
                    return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nothing greets on port {port}")


def wait_for_socket(path: Path) -> None:
    """Returns as soon as there is a socket at `path`; raises TimeoutError when there is none within a minute."""
    deadline = time.monotonic() + _READY_TIMEOUT
    while not path.is_socket():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no socket at {path}")
        time.sleep(0.05)


@contextlib.contextmanager
def process(command: list[str], log: Path, *, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A foreground process with its output in `log`, ended by SIGTERM, and by SIGKILL when that does not help."""
    with log.open("ab") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd)
        try:
            yield child
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
