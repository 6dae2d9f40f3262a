"""What companies' own domains cost: DNS questions and CPU of looking at them again, and of deciding for one mail.

Run by hand: `.venv/bin/python bench/own_domains.py [companies]`. A name server in a process of its own answers for
every domain; the store is a real one in a temporary directory. All domains are looked at once as mail would do it, and
again as the watch does when their time has come. From what one look costs follows what 100,000 companies cost.
Exit code 1 when looks are not spread, or when deciding costs more than it may.
"""

import asyncio
import os
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from relay.config.keyring import Active, Keyring
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.delivery.plan import Facts, Planner
from relay.dns import Resolver
from relay.facts.dead_addresses import DeadAddresses
from relay.facts.domains import KIND, DomainFacts
from relay.mail.address import Address
from relay.mail.challenge import challenge_text
from relay.mail.dkim import Signer
from relay.policy.company import Company, IdentityKind
from relay.policy.standing import State
from relay.store.sqlite.spool import SqliteSpool

DOMAIN = "my.relay.example"
SECRET = b"the secret of the benchmark"
TTL = 3600
MANY = 100_000
DECISIONS = 20_000
MAIL = 1e-3  # seconds of CPU that one mail takes at least (bench/throughput)
MOST_OF_A_MAIL = 0.05
TXT, SOA, IN = 16, 6, 1


class Clock:
    """The time of day, which can be put forward."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


def serve_names(sock: socket.socket, key_record: str) -> None:
    """Answer for every company's domain, until killed. The number of questions so far is the answer for `count`."""
    count = 0
    while True:
        query, peer = sock.recvfrom(4096)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
            at += query[at] + 1
        question = query[12 : at + 5]
        name = ".".join(labels)
        (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
        text = str(count) if name == "count" else text_of(name, labels, key_record) if kind == TXT else ""
        count += name != "count"
        sock.sendto(answer(query[:2], question, text), peer)


def text_of(name: str, labels: list[str], key_record: str) -> str:
    """The TXT record of a name; empty when there is none."""
    company = labels[-2]
    if name == DOMAIN:
        return "v=spf1 ip4:192.0.2.1 -all"
    if name.startswith("d1._domainkey."):
        return key_record
    if name.startswith("_relay-challenge."):
        return challenge_text(company, f"{company}.example", secrets=(SECRET,))
    if name.startswith("_dmarc."):
        return "v=DMARC1; p=reject" if len(labels) == 3 else ""
    return f"v=spf1 include:{DOMAIN} -all" if len(labels) == 2 else ""


def answer(number: bytes, question: bytes, text: str) -> bytes:
    """A message with one TXT record, or with none and an SOA record for how long that holds."""
    header = number + b"\x81\x80" + struct.pack("!HHHH", 1, bool(text), not text, 0)
    if text:
        strings = [text[start : start + 255].encode() for start in range(0, len(text), 255)]
        data, kind = b"".join(bytes([len(string)]) + string for string in strings), TXT
    else:
        data, kind = b"\0\0" + struct.pack("!IIIII", 1, TTL, TTL, TTL, TTL), SOA
    return header + question + b"\xc0\x0c" + struct.pack("!HHIH", kind, IN, TTL, len(data)) + data


async def measure(companies: int, names: str, signer: Signer) -> bool:
    """Print what looking and deciding cost; whether the limits are kept."""
    clock = Clock()
    given = {
        "hostname": f"mx1.{DOMAIN}",
        "domain": DOMAIN,
        "postmaster": "postmaster@operator.example",
        "sending_addresses": ["192.0.2.1"],
        "secrets": {"signing": [{"file": "never-read"}]},
    }
    tenants = [
        Company(f"c{n}", f"Company {n}", Address("info", f"c{n}.example"), f"c{n}", IdentityKind.OWN_DOMAIN)
        for n in range(companies)
    ]
    active = Active(Snapshot.of(Settings.model_validate(given), tenants), Keyring((SECRET,), {}, delegated=(signer,)))
    with tempfile.TemporaryDirectory() as place:
        spool = SqliteSpool(Path(place) / "relay.db", worker="bench.1.1", pid=os.getpid(), clock=clock)
        await spool.start()
        resolver = Resolver([names], clock=clock)
        facts = DomainFacts(lambda: active, lambda: spool.facts, resolver, clock, lambda _: None)
        turns = asyncio.Semaphore(20)

        async def look(company: Company) -> None:
            async with turns:
                assert (await facts.about(company)).state is State.PASSES

        async def look_at_all() -> None:
            await asyncio.gather(*(look(company) for company in tenants))

        print(f"{companies} companies, answers hold for {TTL} s")
        await report("first looks", companies, resolver, look_at_all())
        due = [fact.due or 0.0 for fact in await spool.facts.list(KIND, limit=companies)]
        is_spread = report_spread(due)
        clock.ahead += 1.2 * TTL
        per_look, questions = await report("looked at again", companies, resolver, facts.recheck())
        print(
            f"{MANY} companies: {MANY / TTL:.0f} looks/s, {MANY / TTL * questions:.0f} questions/s, "
            f"{MANY / TTL * per_look:.1%} of one core"
        )
        dead = DeadAddresses(lambda: spool.facts, clock)
        planner = Planner(lambda: active, Facts(facts, is_confirmed, was_released, dead))
        is_cheap = await report_decisions(planner, tenants[-1])
        await spool.stop()
    return is_spread and is_cheap


async def report(what: str, looks: int, resolver: Resolver, work: Awaitable[object]) -> tuple[float, float]:
    """Seconds of CPU and questions of one look."""
    before, cpu, began = await asked(resolver), time.process_time(), time.perf_counter()
    await work
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    questions = await asked(resolver) - before
    print(
        f"{what}: {looks / wall:.0f} looks/s, {questions / wall:.0f} questions/s, {questions / looks:.1f} questions "
        f"and {cpu / looks * 1e3:.2f} ms of CPU a look"
    )
    return cpu / looks, questions / looks


async def asked(resolver: Resolver) -> int:
    """How many questions the name server has had."""
    resolver.forget()
    (count,) = (await resolver.lookup_txt("count")).records
    return int(count)


def report_spread(due: list[float]) -> bool:
    """Whether domains that were looked at together come back spread over a tenth of their time."""
    minutes = Counter(int(at // 60) for at in due)
    most, mean = max(minutes.values()), len(due) / (TTL * 0.1 / 60)
    print(f"come back over {len(minutes)} minutes, at most {most} in one ({most / mean:.1f} times an even share)")
    return most <= 2 * mean


async def is_confirmed(_company: Company) -> bool:
    """Every company's address is confirmed."""
    return True


async def was_released(_queue_id: str, _number: int) -> bool:
    """Nobody has let anything go by hand."""
    return False


async def report_decisions(planner: Planner, company: Company) -> bool:
    """Whether deciding with facts at hand costs little of what a mail costs."""
    await planner.choose_for(company, company.slug)
    began = time.process_time()
    for _ in range(DECISIONS):
        await planner.choose_for(company, company.slug)
    one = (time.process_time() - began) / DECISIONS
    print(f"one decision: {one * 1e6:.0f} µs, {one / MAIL:.1%} of a mail of {MAIL * 1e3:g} ms of CPU")
    return one <= MOST_OF_A_MAIL * MAIL


def main() -> int:
    """Measure, with the number of companies from the command line."""
    companies = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    signer = Signer(DOMAIN, "d1", rsa.generate_private_key(65537, 2048))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind(("127.0.0.1", 0))
        child = os.fork()
        if not child:
            serve_names(sock, signer.record)
        try:
            return 0 if asyncio.run(measure(companies, f"127.0.0.1:{sock.getsockname()[1]}", signer)) else 1
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)


if __name__ == "__main__":
    sys.exit(main())
