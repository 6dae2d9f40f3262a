"""One run: a fresh program, a warm-up, the load, and what came of it. A run in which any mail is wrong raises."""

import contextlib
import math
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dkim

from bench.throughput.load import DOMAIN, SELECTOR, Arrival, Content, LoadError, Sent, Sink, Source, Tools, send
from bench.throughput.programs import Place, Program, Running, free_port
from bench.throughput.usage import MemoryWatch, busy_seconds, cpu_seconds

_DRAIN_TIMEOUT = 300.0
_WARM_UP_SECONDS = 1.0
_SETTLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """How hard to push: new messages for so many `seconds`, at most `messages`; `rate` a second, 0 for no limit."""

    size: int
    sessions: int
    seconds: float
    messages: int | None
    rate: float
    pipelining: bool


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs share."""

    tools: Tools
    directory: Path
    signing_key: Path
    dns_record: bytes


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds: the median and the 99th percentile."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Result:
    """What one run showed. CPU times are seconds for each message; memory is bytes."""

    messages: int
    seconds: float
    throughput: float
    cpu: float
    memory: int
    processes: int
    accept: Latency
    """from MAIL FROM to the 250 after the final dot: how long the app waits"""
    transit: Latency
    """from that 250 to the arrival at the sink: how long the mail is in the program's hands only"""
    journey: Latency
    """from MAIL FROM to the arrival at the sink"""
    load_cpu: float
    """CPU of source and sink, for each message"""
    foreign_cpu: float
    """share of the machine that others used meanwhile, 0 to 1: a run with much of it says little"""


def measure(program: Program, load: Load, content: Content, bench: Bench) -> Result:
    _drop_caches()
    with _fresh_directory(bench.directory) as directory:
        sink = Sink(bench.tools, directory)
        with sink:
            place = Place(directory, free_port(), sink.port, load.sessions, bench.signing_key)
            with program.run(place) as running:
                run = _Run(running, sink, load, content, bench.tools, directory)
                warm = run.warm_up()
                sent, seen = run.measured(warm)
        arrivals = sink.arrivals()
        check_arrivals(arrivals, {*range(warm), *sent}, content.body_size, signed=program.signs)
        _check_kept(sink.kept.read_bytes(), content, bench, signed=program.signs)
        return _result(sent, {arrival.number: arrival.at for arrival in arrivals}, seen)


@dataclass(frozen=True, slots=True)
class _Seen:
    cpu: float
    load_cpu: float
    foreign_cpu: float
    memory: int
    processes: int


@dataclass(frozen=True, slots=True)
class _Run:
    running: Running
    sink: Sink
    load: Load
    content: Content
    tools: Tools
    directory: Path

    def warm_up(self) -> int:
        """Lets the program start its processes and open its connections. Returns the number of messages."""
        sent = self._send(first=0, limit=10 * self.load.sessions, seconds=_WARM_UP_SECONDS)
        self.sink.wait_for(len(sent), _DRAIN_TIMEOUT)
        time.sleep(_SETTLE_SECONDS)
        return len(sent)

    def measured(self, warm: int) -> tuple[dict[int, Sent], _Seen]:
        roots = self.running.roots
        before, busy_before, load_before, start = cpu_seconds(roots), busy_seconds(), self._load_cpu(), time.monotonic()
        with MemoryWatch(roots) as memory:
            sent = self._send(first=warm, limit=self.load.messages, seconds=self.load.seconds)
            self.sink.wait_for(warm + len(sent), _DRAIN_TIMEOUT)
            time.sleep(_SETTLE_SECONDS)
        cpu, load_cpu = cpu_seconds(roots) - before, self._load_cpu() - load_before
        known = cpu + load_cpu
        available = (time.monotonic() - start) * (os.cpu_count() or 1)
        foreign = max(0.0, busy_seconds() - busy_before - known) / available
        return sent, _Seen(cpu, load_cpu, foreign, memory.peak, memory.processes)

    def _send(self, *, first: int, limit: int | None, seconds: float) -> dict[int, Sent]:
        source = Source(self.load.sessions, first, limit, seconds, self.load.rate, self.load.pipelining)
        return send(self.tools, self.content, source, port=self.running.port, directory=self.directory)

    def _load_cpu(self) -> float:
        sources = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cpu_seconds([self.sink.pid]) + sources.ru_utime + sources.ru_stime


def check_arrivals(arrivals: list[Arrival], sent: set[int], body_size: int, *, signed: bool) -> None:
    """Raises LoadError unless every message has arrived exactly once, whole, and with a signature where one is due."""
    numbers = [arrival.number for arrival in arrivals]
    if set(numbers) != sent or len(numbers) != len(sent):
        raise LoadError(f"{len(sent)} messages sent, {len(numbers)} arrived, {len(set(numbers))} of them different")
    if any(arrival.body_size != body_size for arrival in arrivals):
        raise LoadError("a message has arrived with a body of another size")
    if any(arrival.signed != signed for arrival in arrivals):
        raise LoadError("a message has arrived unsigned" if signed else "a message has arrived signed")


def _check_kept(wire: bytes, content: Content, bench: Bench, *, signed: bool) -> None:
    message = re.sub(rb"(?m)^\.\.", b".", wire)
    body = message[message.index(b"\r\n\r\n") + 4 :]
    if body != content.body.read_bytes()[: content.body_size]:
        raise LoadError("a message has arrived with another body")
    if signed and not _verifies(message, bench.dns_record):
        raise LoadError(f"no valid DKIM signature by {SELECTOR}._domainkey.{DOMAIN}")


def _verifies(message: bytes, dns_record: bytes) -> bool:
    def look_up(name: bytes | str, timeout: int = 5) -> bytes | None:  # noqa: ARG001
        text = name.decode() if isinstance(name, bytes) else name
        return dns_record if text.rstrip(".") == f"{SELECTOR}._domainkey.{DOMAIN}" else None

    return bool(dkim.verify(message, dnsfunc=look_up))


def _result(sent: dict[int, Sent], arrived: dict[int, float], seen: _Seen) -> Result:
    count = len(sent)
    seconds = max(arrived[number] for number in sent) - min(message.start for message in sent.values())
    return Result(
        messages=count,
        seconds=seconds,
        throughput=count / seconds,
        cpu=seen.cpu / count,
        memory=seen.memory,
        processes=seen.processes,
        accept=_latency([message.accepted - message.start for message in sent.values()]),
        transit=_latency([arrived[number] - message.accepted for number, message in sent.items()]),
        journey=_latency([arrived[number] - message.start for number, message in sent.items()]),
        load_cpu=seen.load_cpu / count,
        foreign_cpu=seen.foreign_cpu,
    )


def _latency(samples: list[float]) -> Latency:
    ordered = sorted(samples)
    return Latency(*(ordered[math.ceil(len(ordered) * share) - 1] for share in (0.5, 0.99)))


def _drop_caches() -> None:
    subprocess.run(["sync"], check=True)
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


@contextlib.contextmanager
def _fresh_directory(parent: Path) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)
