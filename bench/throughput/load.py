"""The load: what the messages look like, and the two C programs that send them and take them."""

import base64
import random
import select
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

HERE = Path(__file__).parent

DOMAIN = "relay.example"
SELECTOR = "bench"
COMPANIES = 20
REVERSE_PATH = f"company-$C@{DOMAIN}"
RECIPIENT = "customer-$N@customers-$C.example"

_HEADER = """\
From: "Company $C" <invoices@company-$C.example>
To: "Customer $N" <customer-$N@customers-$C.example>
Subject: Invoice 2024-$N
Date: Mon, 04 Nov 2024 09:30:00 +0000
Message-ID: <invoice-$N@company-$C.example>
X-Bench-Number: $N
MIME-Version: 1.0
Content-Type: application/pdf; name="invoice-$N.pdf"
Content-Disposition: attachment; filename="invoice-$N.pdf"
Content-Transfer-Encoding: base64

"""
_START_TIMEOUT = 10.0


class LoadError(Exception):
    """The load could not be carried through: a refusal, a lost mail, a hanging program."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the compiled programs are."""

    source: Path
    sink: Path


@dataclass(frozen=True, slots=True)
class Content:
    """The header pattern and the body, as files for the source; `body_size` is what must arrive of the body."""

    header: Path
    body: Path
    body_size: int


@dataclass(frozen=True, slots=True)
class Sent:
    """One message as the source saw it, in seconds."""

    start: float
    accepted: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as the sink saw it, in seconds and bytes."""

    number: int
    at: float
    body_size: int
    signed: bool


def compile_tools(directory: Path) -> Tools:
    for name in ("source", "sink"):
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-o", str(directory / name), str(HERE / f"{name}.c")]
        subprocess.run(command, check=True)
    return Tools(directory / "source", directory / "sink")


def write_content(directory: Path, size: int) -> Content:
    """A message of about `size` bytes: one base64 document, the same every time, in lines of 76 characters."""
    header = _HEADER.replace("\n", "\r\n").encode()
    lines = max(1, (size - len(header)) // 78)
    document = base64.encodebytes(random.Random(size).randbytes(lines * 57)).replace(b"\n", b"\r\n")
    paths = directory / f"header-{size}", directory / f"body-{size}"
    paths[0].write_bytes(header)
    paths[1].write_bytes(document + b".\r\n")
    return Content(*paths, body_size=len(document))


class Sink:
    """A running sink; leaving the `with` block ends it and makes `arrivals()` and `kept` readable."""

    def __init__(self, tools: Tools, directory: Path) -> None:
        self._notes = directory / "sink.notes"
        self.kept = directory / "sink.kept"
        command = [str(tools.sink), str(self._notes), str(self.kept)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.port = int(self._read_line(_START_TIMEOUT))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _pipe(self._process.stdin).close()
        self._process.wait(60)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, count: int, timeout: float) -> None:
        """Returns when `count` different messages have arrived since the sink started."""
        _pipe(self._process.stdin).write(f"{count}\n")
        if self._read_line(timeout) != "reached\n":
            raise LoadError("the sink has ended")

    def arrivals(self) -> list[Arrival]:
        rows = (line.split() for line in self._notes.read_text().splitlines())
        return [Arrival(int(number), int(at) / 1e9, int(size), flag == "1") for number, at, size, flag in rows]

    def _read_line(self, timeout: float) -> str:
        pipe = _pipe(self._process.stdout)
        if not select.select([pipe], [], [], timeout)[0]:
            raise LoadError(f"messages are missing at the sink after {timeout:.0f} s")
        return pipe.readline()


@dataclass(frozen=True, slots=True)
class Source:
    """What to send: `first` is the number of the first message; it ends after `limit` messages or `seconds`.

    With a `rate` above zero, messages fall due at that rate a second, and their start is the moment they fall due.
    """

    sessions: int
    first: int
    limit: int | None
    seconds: float
    rate: float
    pipelining: bool


def send(tools: Tools, content: Content, source: Source, *, port: int, directory: Path) -> dict[int, Sent]:
    """Sends, waits for the last 250, and returns what was sent, by number. Raises LoadError for any refusal."""
    notes = directory / "source.notes"
    command = [str(tools.source), f"-p{port}", f"-s{source.sessions}", f"-f{source.first}", f"-t{source.seconds}"]
    command += [f"-r{source.rate}", f"-c{COMPANIES}", f"-F{REVERSE_PATH}", f"-R{RECIPIENT}"]
    command += [f"-H{content.header}", f"-B{content.body}", f"-o{notes}"]
    command += [f"-n{source.limit}"] if source.limit else []
    command += [] if source.pipelining else ["-l"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise LoadError(done.stderr.strip())
    rows = (line.split() for line in notes.read_text().splitlines())
    return {int(number): Sent(int(start) / 1e9, int(accepted) / 1e9) for number, start, accepted in rows}


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise LoadError("no pipe to the sink")
    return pipe
