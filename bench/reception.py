"""What the look at mail from outside costs: port 25 with all checks, and without any.

Run by hand: `.venv/bin/python bench/reception.py [seconds]`. One worker's port 25 runs with a real store in a process
of its own, where its CPU is counted; mails come over twenty connections. Answers of the DNS are at hand, as they are
for whoever writes often. The mails are signed (RSA-2048, relaxed), and their domains publish SPF and DMARC. Turns
alternate, the median of the ratios counts. Exit code 1 when mail costs more than twice as much with the checks.
"""

import asyncio
import os
import socket
import statistics
import sys
import tempfile
import time
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from relay.clock import SystemClock
from relay.config.keyring import Active, Keyring
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.dns import Answer, Resolver, Status
from relay.events import Event
from relay.facts.addresses import Addresses
from relay.facts.homes import Homes
from relay.facts.peers import Peers
from relay.incoming.arrival import Arrival, Examined
from relay.incoming.examine import Examiner
from relay.intake.gate import Peer
from relay.intake.limits import Connections, Errors, Rate, Receiving
from relay.intake.mx import Counter, MxDesk
from relay.intake.session import Office, Session
from relay.intake.tally import Tallies
from relay.mail.address import Address
from relay.mail.body_forms import BodyHashes
from relay.mail.dkim import BodyHash, Signer
from relay.mail.message import Header, parse_header
from relay.policy.company import Company
from relay.smtpd.listener import TlsMode, listen
from relay.store.spool import Entry
from relay.store.sqlite.spool import SqliteSpool

DOMAIN = "my.relay.example"
SECRET = b"the secret of the benchmark"
SIZES = {"4 KiB": 4096, "100 KiB": 102400}
CONNECTIONS = 20
ROUNDS = 3
MOST = 2.0
GIVEN: dict[str, Any] = {
    "hostname": f"mx1.{DOMAIN}",
    "domain": DOMAIN,
    "postmaster": "postmaster@operator.example",
    "sending_addresses": ["192.0.2.1"],
    "secrets": {"signing": [{"file": "never-read"}]},
    "verification": {"required": False},
    "limits": {"messages_per_peer": 10_000_000, "connections_per_peer": 1000, "greeting_pause": "10ms"},
}


class Names(Resolver):
    """A resolver that has every answer."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__(["127.0.0.1:9"])
        self._texts = texts

    async def _find(self, name: str, rdtype: str) -> Answer[Any]:
        until = time.time() + 3600
        if rdtype == "TXT" and name in self._texts:
            return Answer(Status.OK, (self._texts[name].encode(),), until)
        return Answer(Status.NXDOMAIN, (), until, reason="no such name")


class Outbox:
    """Whatever is taken stays in the store, and nothing is sent."""

    def has_room(self, _company: str) -> bool:
        return False

    def take(self, _entry: Entry) -> None:
        raise AssertionError("nothing is born leased")


class Silent:
    """Nobody hears of events."""

    def emit(self, _event: Event) -> None:
        pass


class NoLook(Examiner):
    """Takes mail as it is."""

    async def examine(self, _arrival: Arrival) -> Examined:
        return Examined()


class NoLookDesk(MxDesk):
    """Hashes the body once, for ourselves."""

    def bodies(self, _header: Header) -> BodyHashes:
        return BodyHashes(())


def serve(pipe: Connection, texts: dict[str, str], *, is_looking: bool) -> None:
    """Run port 25; says the port, then the CPU used so far whenever it is asked, until killed."""
    asyncio.run(_serve(pipe, texts, is_looking=is_looking))


async def _serve(pipe: Connection, texts: dict[str, str], *, is_looking: bool) -> None:
    clock = SystemClock()
    bakery = Company("bakery", "Bakery", Address("info", "bakery.example"), "bakery")
    active = Active(Snapshot.of(Settings.model_validate(GIVEN), (bakery,)), Keyring((SECRET,), {}))
    resolver = Names(texts)
    with tempfile.TemporaryDirectory() as place:
        spool = SqliteSpool(Path(place) / "relay.db", worker="bench.1.1", pid=os.getpid(), clock=clock)
        await spool.start()
        addresses = Addresses(lambda: active, spool, clock)
        homes = Homes(lambda: active, lambda: spool.facts, addresses, clock)
        examiner = (Examiner if is_looking else NoLook)(lambda: active, spool, clock, resolver)
        counter = Counter(lambda: active, examiner, homes, Peers(lambda: active, resolver), clock)
        desk = MxDesk if is_looking else NoLookDesk
        tallies = Tallies()
        office = Office(
            lambda: active,
            spool,
            clock,
            Silent(),
            Outbox(),
            Connections(tallies),
            Receiving(),
            Errors(tallies),
            Rate(tallies),
        )

        def gates(peer: Peer) -> Session:
            return Session(office, desk(counter, peer), peer)

        sock = socket.create_server(("127.0.0.1", 0))
        await listen(sock, gates, tls=TlsMode.NONE, ssl_context=None)
        pipe.send(sock.getsockname()[1])
        while True:
            await asyncio.to_thread(pipe.recv)
            pipe.send(time.process_time())


def make_mail(size: int, signer: Signer) -> bytes:
    """A signed answer of so many octets."""
    head = b"From: Jan <jan@writer.example>\r\nTo: <bakery@my.relay.example>\r\nSubject: Re: Factuur 17\r\n"
    head += b"Date: Mon, 23 Nov 2026 07:00:00 +0000\r\nMessage-ID: <17@writer.example>\r\nMIME-Version: 1.0\r\n"
    line = b"Beste, wij hebben uw factuur goed ontvangen en betalen ze volgende week.\r\n"
    body = line * (size // len(line))
    hashed = BodyHash()
    hashed.update(body)
    return signer.sign(parse_header(head), hashed.digest(), int(time.time())) + head + b"\r\n" + body


async def bring(port: int, mail: bytes, until: float) -> int:
    """Bring the mail over one connection again and again; how often it was taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def say(line: bytes, wanted: bytes) -> None:
        writer.write(line)
        while (reply := await reader.readline())[3:4] == b"-":
            pass
        if not reply.startswith(wanted):
            raise RuntimeError(reply)

    await say(b"", b"220")
    await say(b"EHLO mx.writer.example\r\n", b"250")
    count = 0
    while time.monotonic() < until:
        await say(b"MAIL FROM:<jan@writer.example>\r\n", b"250")
        await say(b"RCPT TO:<bakery@my.relay.example>\r\n", b"250")
        await say(b"DATA\r\n", b"354")
        await say(mail + b".\r\n", b"250")
        count += 1
    writer.close()
    return count


async def run(port: int, mail: bytes, seconds: float) -> int:
    """How many mails were taken."""
    until = time.monotonic() + seconds
    return sum(await asyncio.gather(*(bring(port, mail, until) for _ in range(CONNECTIONS))))


def cost(mail: bytes, texts: dict[str, str], seconds: float, *, is_looking: bool) -> tuple[float, float]:
    """Milliseconds of CPU a mail, and mails a second, after half a second of warming up."""
    ours, theirs = Pipe()
    process = Process(target=serve, args=(theirs, texts), kwargs={"is_looking": is_looking}, daemon=True)
    process.start()
    try:
        port = ours.recv()
        asyncio.run(run(port, mail, 0.5))
        ours.send(None)
        before = ours.recv()
        count = asyncio.run(run(port, mail, seconds))
        ours.send(None)
        return (ours.recv() - before) / count * 1e3, count / seconds
    finally:
        process.kill()
        process.join()


def main() -> int:
    """Print a line for each size; 1 when the limit is not kept."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    signer = Signer("writer.example", "s1", rsa.generate_private_key(65537, 2048))
    texts = {
        "writer.example": "v=spf1 ip4:127.0.0.1 -all",
        "s1._domainkey.writer.example": signer.record,
        "_dmarc.writer.example": "v=DMARC1; p=reject",
    }
    worst = 0.0
    for name, size in SIZES.items():
        mail = make_mail(size, signer)
        ratios, pairs = [], []
        for _ in range(ROUNDS):
            without, checked = (cost(mail, texts, seconds, is_looking=looks) for looks in (False, True))
            ratios.append(checked[0] / without[0])
            pairs.append((without, checked))
        without, checked = pairs[ratios.index(statistics.median(ratios))]
        ratio = statistics.median(ratios)
        worst = max(worst, ratio)
        print(
            f"{name}: {checked[0]:.2f} ms of CPU a mail with the checks ({checked[1]:.0f} mails/s), "
            f"{without[0]:.2f} without ({without[1]:.0f} mails/s), ratio {ratio:.2f}"
        )
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
