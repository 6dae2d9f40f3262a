"""`python -m bench.mailboxes`: figures of bench/README.md, on this machine, in one run."""

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
import trustme

from tests.peers.mailboxes import PASSWORD, Mailboxes

from .getmail import Getmail

PDF = 200 * 1024
# How long a worker waits before it begins, so that what it is without mailboxes can be seen.
PAUSE = 2
FULL = 20
WITHOUT_IDLE = "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS"
Boxes = dict[str, tuple[str, int]]


class Worker:
    """A running worker and what it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []
        self._new = asyncio.Event()

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(json.loads(line))
            self._new.set()

    async def until(self, wanted: Any, seconds: float = 900, since: float = 0.0) -> dict[str, Any]:
        """The first thing it says, from that time on, that is wanted."""
        seen = 0
        async with asyncio.timeout(seconds):
            while True:
                while seen < len(self.said):
                    if self.said[seen]["at"] >= since and wanted(self.said[seen]):
                        return self.said[seen]
                    seen += 1
                self._new.clear()
                await self._new.wait()

    @property
    def tally(self) -> dict[str, Any]:
        """What it said last of how far it is."""
        return next((said for said in reversed(self.said) if "uploads" in said), {"uploads": 0, "last": 0.0})

    @property
    def rss(self) -> int:
        """Octets in memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def readers(self) -> int:
        """Octets in memory of the processes that read mails, and of what they are forked from; shared ones once.

        The kernel counts for a while: not to be asked often.
        """
        programs = _children(self.process.pid)
        return sum(_shared_fairly(pid) for program in programs for pid in (program, *_children(program)))

    @property
    def cpu(self) -> float:
        """Seconds of computing so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _shared_fairly(pid: int) -> int:
    with suppress(OSError):  # it has gone meanwhile
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return 0


@asynccontextmanager
async def worker(
    place: Path, mailboxes: Boxes, *, slot: int = 1, count: bool, **settings: Any
) -> AsyncIterator[Worker]:
    """A worker for these mailboxes."""
    (place / "password").write_text(PASSWORD)
    plan = {
        "slot": slot,
        "store": str(place / "relay.db"),
        "invoices": str(place / "invoices"),
        "password": str(place / "password"),
        "ca": str(place / "ca.pem"),
        "mailboxes": mailboxes,
        "settings": settings,
        "count": count,
    }
    file = place / f"plan{slot}.json"
    file.write_text(json.dumps(plan))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.mailboxes.worker", str(file)), stdout=asyncio.subprocess.PIPE
    )
    running = Worker(process)
    listening = asyncio.create_task(running.listen())
    try:
        yield running
    finally:
        process.terminate()
        await process.wait()
        await listening


async def idle(place: Path, dovecot: Mailboxes, options: argparse.Namespace) -> dict[str, Any]:
    """Idle mailboxes: memory, computing, and how soon new mail is noticed."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    (place / "ca.pem").write_bytes(authority.cert_pem.bytes() + dovecot.ca.read_bytes())
    (place / "key.pem").write_bytes(certificate.private_key_pem.bytes())
    (place / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    port = options.port + 1
    light = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.mailboxes.stand_in", str(port), str(place / "cert.pem"), str(place / "key.pem")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert light.stdin is not None
    assert light.stdout is not None
    await light.stdout.readline()
    real = {f"real{number}": (f"real{number}", dovecot.port) for number in range(options.real)}
    boxes = {f"light{number}": (f"light{number}", port) for number in range(options.idle - options.real)} | real
    try:
        async with worker(place, boxes, count=False, poll="5m", at_once=64, per_host=64) as running:
            await running.until(lambda said: "ready" in said)
            before = running.rss
            begun = time.time()
            await running.until(lambda said: said.get("watched") == len(boxes))
            connected = time.time() - begun
            await asyncio.sleep(15)
            each = (running.rss - before) / len(boxes)
            start = running.cpu
            await asyncio.sleep(options.seconds)
            share = (running.cpu - start) / options.seconds
            delays = []
            names = random.sample(sorted(real), min(50, len(real))) + random.sample(sorted(set(boxes) - set(real)), 150)
            for name in names:
                at = time.time()
                if name in real:
                    await asyncio.to_thread(dovecot.put, name, mail(name, 0))
                else:
                    light.stdin.write(f"{name}\n".encode())
                told = await running.until(lambda said: said.get("company") == name)  # noqa: B023 -- awaited here
                delays.append(told["at"] - at)
            return {
                "mailboxes": len(boxes),
                "seconds to connect": round(connected, 1),
                "KiB each": round(each / 1024, 1),
                "CPU idle": f"{share:.1%}",
                "noticed, median s": round(statistics.median(delays), 3),
                "noticed, worst s": round(max(delays), 3),
            }
    finally:
        light.kill()
        await light.wait()


async def poll(place: Path, _: Mailboxes, options: argparse.Namespace) -> dict[str, Any]:
    """Looking at many mailboxes in which nothing is new, on a server that does not say so by itself."""
    async with Mailboxes(options.port + 2, more=f"imap_capability = {WITHOUT_IDLE}") as dovecot:
        shutil.copy(dovecot.ca, place / "ca.pem")
        boxes = {f"poll{number}": (f"poll{number}", dovecot.port) for number in range(options.polled)}
        settings = {"poll": "1s", "at_once": 32, "per_host": 32}
        async with worker(place, boxes, count=True, **settings) as running:
            await running.until(lambda said: said.get("watched") == len(boxes))  # the first time is another thing
        getmail = await _getmail(place)
        await getmail.run(place / "home", dovecot, list(boxes))
        theirs, kept, alone, cpu = [], [], [], []
        for _ in range(options.rounds):
            theirs.append(await getmail.run(place / "home", dovecot, list(boxes)))
            async with worker(place, boxes, count=True, **settings, idle_per_host=0) as running:
                ready = await running.until(lambda said: "ready" in said)
                done = await running.until(lambda said: said.get("looked") == len(boxes))
                alone.append(done["at"] - ready["at"] - PAUSE)
            async with worker(place, boxes, count=True, **settings) as running:
                await running.until(lambda said: said.get("watched") == len(boxes))
                begun, before = time.time(), running.cpu
                done = await running.until(lambda said: said.get("oldest", 0) > begun, since=begun)  # noqa: B023
                kept.append(done["at"] - begun)
                cpu.append(running.cpu - before)
        return {
            "mailboxes": len(boxes),
            **_beside(kept, theirs),
            "relay CPU s": round(statistics.median(cpu), 2),
            "relay, a login each, s": round(statistics.median(alone), 1),
        }


async def fetch(place: Path, dovecot: Mailboxes, options: argparse.Namespace) -> dict[str, Any]:
    """Fetching mails with a large PDF each, beside getmail, which only stores them."""
    shutil.copy(dovecot.ca, place / "ca.pem")
    getmail = await _getmail(place)
    ours, theirs, most, readers = [], [], 0, 0
    for turn in range(options.rounds):
        boxes = {f"full{turn}.{number}": (f"full{turn}.{number}", dovecot.port) for number in range(FULL)}
        async with worker(place, boxes, count=True) as running:
            await running.until(lambda said: said.get("watched") == FULL)
        await getmail.run(place / f"home{turn}", dovecot, list(boxes))
        for name in boxes:
            for number in range(options.mails // FULL):
                await asyncio.to_thread(dovecot.put, name, mail(name, PDF, number))
        theirs.append(await getmail.run(place / f"home{turn}", dovecot, list(boxes)))
        async with AsyncExitStack() as stack:
            slots = range(1, options.workers + 1)
            workers = [await stack.enter_async_context(worker(place, boxes, slot=slot, count=True)) for slot in slots]
            begun = min([(await each.until(lambda said: "ready" in said))["at"] for each in workers]) + PAUSE
            before = sum(each.rss for each in workers)
            while (count := sum(each.tally["uploads"] for each in workers)) < options.mails:
                await asyncio.sleep(0.1)
                most = max(most, sum(each.rss for each in workers) - before)
                if not readers and count > options.mails // 2:
                    readers = sum(each.readers for each in workers)
        ours.append(max(each.tally["last"] for each in workers) - begun)
    return {
        "mails": options.mails,
        **_beside(ours, theirs),
        "workers": options.workers,
        "workers MiB more": round(most / 2**20),
        "readers MiB": round(readers / 2**20),
    }


async def _getmail(place: Path) -> Getmail:
    getmail = Getmail(place / "getmail")
    await getmail.install()
    return getmail


def _beside(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    """Medians, and every single figure of runs that took turns."""
    ratio = statistics.median(theirs) / statistics.median(ours)
    return {
        "ratio": round(ratio, 1),
        "relay s": [round(each, 1) for each in ours],
        "getmail s": [round(each, 1) for each in theirs],
    }


def mail(name: str, size: int, number: int = 0) -> bytes:
    """A mail, with a PDF of so many octets."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "supplier@bench.example", f"{name}@bench.example", f"Factuur {number}"
    made["Message-ID"], made["Date"] = f"<{time.time_ns()}@bench.example>", format_datetime(datetime.now(UTC))
    made.set_content("Zie bijlage." if size else "Hallo.")
    if size:
        made.add_attachment(scan(f"{name} {number}", size),
                            maintype="application", subtype="pdf", filename=f"factuur {number}.pdf")  # fmt: skip
    return made.as_bytes()


def scan(title: str, size: int) -> bytes:
    """A PDF of about so many octets: a page with a picture, as scanners make them."""
    made = pikepdf.new()
    page = made.add_blank_page()
    name, grey = pikepdf.Name, {"ColorSpace": pikepdf.Name.DeviceGray, "BitsPerComponent": 8}
    picture = made.make_stream(
        random.randbytes(size), Type=name.XObject, Subtype=name.Image, Width=1, Height=size, **grey
    )
    page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Scan=picture))
    made.docinfo["/Title"] = title
    out = BytesIO()
    made.save(out)
    return out.getvalue()


async def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.mailboxes")
    parser.add_argument("--only", default="idle,poll,fetch")
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--real", type=int, default=500)
    parser.add_argument("--polled", type=int, default=1000)
    parser.add_argument("--mails", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long idle mailboxes are watched")
    parser.add_argument("--port", type=int, default=10143)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="that fetch (one a core, as by default)")
    parser.add_argument("--rounds", type=int, default=2, help="how often the relay and getmail take turns")
    options = parser.parse_args()
    async with Mailboxes(options.port) as dovecot:
        for name in options.only.split(","):
            place = Path(tempfile.mkdtemp(prefix="relay-bench-", dir="/var/tmp"))
            try:
                print(
                    name, json.dumps(await {"idle": idle, "poll": poll, "fetch": fetch}[name](place, dovecot, options))
                )
            finally:
                shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
