"""What the look at mail from outside costs: port 25 with all checks, and without any.

Run by hand: `.venv/bin/python -m bench.reception [seconds] [rounds]`. One worker's port 25 runs with a real store in a
process of its own, where its CPU is counted; mails come over twenty connections that are kept, in plain text: what is
done once a connection would make both sides dearer and the checks look cheaper. With checks the peer is a stranger, so
that limits and rates are counted as well; without, it is this machine, and nobody looks at what it brings. Answers of
the DNS are at hand, as they are for whoever writes often. Authors' domains publish SPF and DMARC; signatures are real
(RSA-2048, relaxed). The mails answer one that nobody knows, so the store is asked in vain.

Both sides get the same mails at the same rate, below what either can take: so the store writes groups of the same size.
After that each gets as many as it can take. Then the side without checks, which is faster, writes far larger groups, so
that each mail costs less of writing; this ratio says how many mails a core takes, and the first one what checks cost.

Turns alternate, and so does who begins; the median of the ratios counts. Exit code 1 when mail costs more than twice as
much with the checks at the same rate.
"""

import asyncio
import base64
import gc
import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop
from cryptography.hazmat.primitives.asymmetric import rsa

from relay.authn.claimed import Claimed
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
STRANGER = IPv4Address("198.51.100.7")
WRITERS = tuple(f"{name}{number}.example" for name in ("smith", "jansen", "dubois", "weber") for number in range(5))
WARM_UP = 0.5  # seconds
LEAST = 3  # mails a connection
RATE = 100  # mails a second that come when there is no more to do than that
MOST = 2.0
# By the writer's domain.
Mails = Mapping[str, bytes]
TEXT = (
    b"Beste, wij hebben uw factuur goed ontvangen en betalen ze volgende week.\r\n"
    b"Mag ik u vragen om voortaan ons bestelnummer 2026-117 te vermelden?\r\n"
    b"\r\n"
    b"> Op 23 november 2026 om 08:00 schreef Bakkerij:\r\n"
    b"> In bijlage vindt u onze factuur van 121,00 EUR, te betalen binnen 30 dagen.\r\n"
)
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

    async def examine(self, _arrival: Arrival, _claimed: Claimed) -> Examined:
        return Examined()


class NoLookDesk(MxDesk):
    """Hashes the body once, for ourselves."""

    def bodies(self, _header: Header) -> BodyHashes:
        return BodyHashes(())


def serve(pipe: Connection, texts: dict[str, str], *, is_looking: bool) -> None:
    """Run port 25; says the port, then the CPU used so far whenever it is asked, until killed."""
    start_like_a_worker()
    uvloop.run(_serve(pipe, texts, is_looking=is_looking))


def start_like_a_worker() -> None:
    """As `relay.start` and `relay.worker` do."""
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(0.0005)


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
            seen = replace(peer, address=STRANGER) if is_looking else peer
            return Session(office, desk(counter, seen), seen)

        sock = socket.create_server(("127.0.0.1", 0))
        await listen(sock, gates, tls=TlsMode.NONE, ssl_context=None)
        pipe.send(sock.getsockname()[1])
        while True:
            await asyncio.to_thread(pipe.recv)
            pipe.send(time.process_time())


def plain(size: int) -> bytes:
    """A text of about so many octets."""
    return b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + TEXT * (size // len(TEXT))


def with_file(size: int) -> bytes:
    """A short text with a file of about so many octets beside it."""
    file = base64.encodebytes(random.Random(17).randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")
    parts = (
        plain(2048),
        b'Content-Type: application/pdf; name="nota.pdf"\r\nContent-Disposition: attachment\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n" + file,
    )
    head = b'Content-Type: multipart/mixed; boundary="=-17"\r\n\r\n'
    return head + b"".join(b"--=-17\r\n" + part + b"\r\n" for part in parts) + b"--=-17--\r\n"


def make_mail(domain: str, content: bytes, signer: Signer | None) -> bytes:
    """An answer from that domain with this content, signed if there is somebody to sign it."""
    head = (
        f"From: Jan Peeters <jan@{domain}>\r\nTo: Bakkerij <bakery@{DOMAIN}>\r\nMessage-ID: <17@{domain}>\r\n".encode()
    )
    head += b"Subject: Re: Factuur 17\r\nDate: Mon, 23 Nov 2026 09:00:00 +0100\r\n"
    head += b"In-Reply-To: <16@elsewhere.example>\r\nReferences: <16@elsewhere.example>\r\nMIME-Version: 1.0\r\n"
    more, _, body = content.partition(b"\r\n\r\n")
    head += more + b"\r\n"
    if signer is not None:
        hashed = BodyHash()
        hashed.update(body)
        head = signer.sign(parse_header(head), hashed.digest(), int(time.time())) + head
    return head + b"\r\n" + body


async def bring(port: int, domain: str, mail: bytes, until: float, pause: float) -> int:
    """Bring the mail over one connection again and again; how often it was taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.monotonic() + random.random() * pause
    await asyncio.sleep(due - time.monotonic())

    async def say(line: bytes, wanted: bytes) -> None:
        writer.write(line)
        while (reply := await reader.readline())[3:4] == b"-":
            pass
        if not reply.startswith(wanted):
            raise RuntimeError(reply)

    await say(b"", b"220")
    await say(f"EHLO mx.{domain}\r\n".encode(), b"250")
    count = 0
    while count < LEAST or time.monotonic() < until:
        await say(f"MAIL FROM:<jan@{domain}>\r\n".encode(), b"250")
        await say(b"RCPT TO:<bakery@my.relay.example>\r\n", b"250")
        await say(b"DATA\r\n", b"354")
        await say(mail + b".\r\n", b"250")
        count += 1
        await asyncio.sleep(due + count * pause - time.monotonic())
    writer.close()
    return count


async def run(port: int, mails: Mails, seconds: float, pause: float) -> int:
    """How many mails were taken."""
    until = time.monotonic() + seconds
    return sum(await asyncio.gather(*(bring(port, domain, mail, until, pause) for domain, mail in mails.items())))


def cost(mails: Mails, texts: dict[str, str], seconds: float, pause: float, *, is_looking: bool) -> tuple[float, float]:
    """Milliseconds of CPU a mail, and mails a second, after a short time of warming up."""
    ours, theirs = Pipe()
    process = Process(target=serve, args=(theirs, texts), kwargs={"is_looking": is_looking}, daemon=True)
    process.start()
    try:
        port = ours.recv()
        asyncio.run(run(port, mails, WARM_UP, pause))
        ours.send(None)
        before = ours.recv()
        count = asyncio.run(run(port, mails, seconds, pause))
        ours.send(None)
        return (ours.recv() - before) / count * 1e3, count / seconds
    finally:
        process.kill()
        process.join()


def compare(mails: Mails, texts: dict[str, str], seconds: float, rounds: int, pause: float) -> tuple[str, float]:
    """What was found, in words, and the median of the ratios."""
    turns = []
    for number in range(rounds):
        order = (False, True) if number % 2 else (True, False)
        turn = {looks: cost(mails, texts, seconds, pause, is_looking=looks) for looks in order}
        turns.append((turn[True][0] / turn[False][0], turn))
    turns.sort(key=lambda each: each[0])
    middle, turn = turns[len(turns) // 2]
    return (
        f"{turn[True][0]:.2f} ms of CPU a mail with the checks ({turn[True][1]:.0f} mails/s), {turn[False][0]:.2f} "
        f"without ({turn[False][1]:.0f} mails/s), ratio {middle:.2f} ({turns[0][0]:.2f} to {turns[-1][0]:.2f})"
    ), middle


def prepare() -> tuple[dict[str, str], dict[str, Mails]]:
    """What the DNS says, and the mails of each kind."""
    signers = {domain: Signer(domain, "s1", rsa.generate_private_key(65537, 2048)) for domain in WRITERS}
    texts = {}
    for domain, signer in signers.items():
        texts[domain] = f"v=spf1 ip4:{STRANGER} -all"
        texts[f"s1._domainkey.{domain}"] = signer.record
        texts[f"_dmarc.{domain}"] = f"v=DMARC1; p=reject; rua=mailto:dmarc@{domain}"
    contents = {
        "4 KiB of text": plain(4096),
        "100 KiB of text": plain(102400),
        "a file of 100 KiB": with_file(102400),
    }
    kinds: dict[str, Mails] = {
        f"signed, {name}": {domain: make_mail(domain, content, signer) for domain, signer in signers.items()}
        for name, content in contents.items()
    }
    kinds["not signed, 4 KiB of text"] = {
        domain: make_mail(domain, contents["4 KiB of text"], None) for domain in signers
    }
    return texts, kinds


def main() -> int:
    """Print a line for each kind of mail; 1 when the limit is not kept."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    texts, kinds = prepare()
    worst = 0.0
    for load, pause in ((f"{RATE} mails a second", len(WRITERS) / RATE), ("as many as can be", 0.0)):
        print(f"{load}:")
        for name, mails in kinds.items():
            said, ratio = compare(mails, texts, seconds, rounds, pause)
            worst = max(worst, ratio) if pause else worst
            print(f"  {name}: {said}", flush=True)
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
