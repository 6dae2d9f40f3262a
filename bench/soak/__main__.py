"""`python -m bench.soak`: the figures of bench/README.md, on this machine, in one run."""

import argparse
import asyncio
import itertools
import multiprocessing
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.soak import attack, honest
from bench.soak.names import serve
from relay.mail.dkim import dns_record
from relay.sandbox.certificates import Authority
from relay.sandbox.default_world import default_plan
from relay.sandbox.prepare import prepare
from relay.sandbox.world import World
from tests.e2e.relay_process import Relay, write_certificate

HOST = "127.0.28.1"
# Seconds without a mail after which no more are awaited: hostile mail for the same host stands in the queue, too.
_PATIENCE = 90.0
# Every so many looks at the memory, one is kept: half a minute.
_CURVE = 60
_SPAWN = multiprocessing.get_context("spawn")


class Memory:
    """Resident memory of the worker, looked at twice a second."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.start = self.most = self.now
        self.curve: list[int] = []

    @property
    def now(self) -> int:
        """Octets at this moment."""
        (worker,) = self._relay.workers()
        text = Path(f"/proc/{worker}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS:"))

    async def watch(self) -> None:
        """Until cancelled."""
        for number in itertools.count():
            now = self.now
            self.most = max(self.most, now)
            if number % _CURVE == 0:
                self.curve.append(now)
            await asyncio.sleep(0.5)


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds of attack, seconds of calm before it, and how many attack at once."""

    seconds: float
    calm: float
    mob: int


class Arrivals:
    """The honest mails at the company's host, as often as they came; the world itself remembers only the last ones."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: set[int] = set()
        self.times: Counter[str] = Counter()

    def look(self) -> None:
        """Count what came since the last look."""
        for each in self._world.received():
            if each.number in self._seen:
                continue
            self._seen.add(each.number)
            name, _, domain = each.header("Message-ID").strip("<>").partition("@")
            if each.accepted and domain == honest.DOMAIN and each.is_for("bakkerij-peeters.example"):
                self.times[name] += 1

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(1)


async def soak(plan: Plan, place: Path) -> bool:
    """Print what became of it all; whether the relay kept what it promises."""
    folder = place / "var/demo"
    folder.mkdir(parents=True)
    write_certificate(folder, Authority(folder), HOST)
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    published = {
        honest.DOMAIN: {"TXT": f"v=spf1 ip4:{honest.ADDRESS} -all", "MX": f"10 mx.{honest.DOMAIN}."},
        f"mx.{honest.DOMAIN}": {"A": honest.ADDRESS},
        f"{honest.SELECTOR}._domainkey.{honest.DOMAIN}": {"TXT": dns_record(key)},
        f"_dmarc.{honest.DOMAIN}": {"TXT": "v=DMARC1; p=reject"},
    }
    records = {**prepare(folder).records, **published}
    async with World(default_plan(), records=records, folder=folder) as world:
        ours, theirs = _SPAWN.Pipe()
        names = _SPAWN.Process(target=serve, args=(world.zones, theirs), daemon=True)
        names.start()
        balanced = {name: {"proxy": ["127.0.0.0/8"]} for name in ("mx", "submission")}
        relay = Relay(place, world, HOST, {"listeners": balanced, "dns": {"servers": [ours.recv()]}})
        await relay.start()
        try:
            return await _soak(plan, relay, world, pem)
        finally:
            await relay.stop()
            names.kill()


async def _soak(plan: Plan, relay: Relay, world: World, pem: bytes) -> bool:
    where = attack.Where(HOST, relay.ports["mx"], relay.ports["submission"])
    memory = Memory(relay)
    arrivals = Arrivals(world)
    watches = [asyncio.create_task(memory.watch()), asyncio.create_task(arrivals.watch())]
    calm: honest.Log = await _in_a_process(honest.run, where, pem, "calm", plan.calm)
    before = memory.now
    told, besieged = await asyncio.gather(
        _in_a_process(attack.run, where, plan.mob, plan.seconds),
        _in_a_process(honest.run, where, pem, "besieged", plan.seconds),
    )
    attacked = memory.now
    names = [*calm.taken, *besieged.taken]
    waited = await _until_delivered(arrivals, set(names))
    for watch in watches:
        watch.cancel()
    lost = [name for name in names if not arrivals.times[name]]
    twice = [name for name in names if arrivals.times[name] > 1]
    faults = Counter(f"{each.get('step')}: {each.get('error')}" for each in relay.events("fault"))
    _print_memory(memory, before, attacked)
    _print_log("without the attack", calm)
    _print_log("with the attack", besieged)
    print(f"honest mails: {len(names)} taken, {len(lost)} lost, {len(twice)} delivered twice")
    print(f"the last of them was delivered {waited:.0f} s after the attack")
    print(f"faults: {dict(faults) or 'none'}")
    print(f"attacks: {sum(told.values())}, and what they were told last:")
    for kind in sorted({kind for kind, _ in told}):
        codes = sorted((code, count) for (each, code), count in told.items() if each == kind)
        print(f"   {kind}: {', '.join(f'{count} x {code}' for code, count in codes)}")
    return not (lost or twice or calm.refused or besieged.refused or faults)


async def _until_delivered(arrivals: Arrivals, wanted: set[str]) -> float:
    """Wait for the rest of the mails, as long as some still come; how many seconds that took."""
    loop = asyncio.get_running_loop()
    began = last = loop.time()
    left = wanted
    while left and loop.time() - last < _PATIENCE:
        await asyncio.sleep(1)
        before, left = left, left - set(arrivals.times)
        last = last if len(left) == len(before) else loop.time()
    return last - began


async def _in_a_process(run: Callable[..., None], *given: Any) -> Any:
    """What it sends through its pipe at the end."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=run, args=(*given, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        return await asyncio.to_thread(ours.recv)
    finally:
        process.kill()
        process.join()


def _print_memory(memory: Memory, before: int, attacked: int) -> None:
    figures = [memory.start, before, memory.most, attacked, memory.now]
    names = ("started", "after the calm", "at most", "when the attack ended", "at the end")
    print("memory, MiB: " + ", ".join(f"{each / 2**20:.0f} {name}" for name, each in zip(names, figures, strict=True)))
    print("every half minute: " + ", ".join(f"{each / 2**20:.0f}" for each in memory.curve))


def _print_log(name: str, log: honest.Log) -> None:
    print(f"{name}: {len(log.taken)} honest mails taken, {len(log.refused)} refused")
    for what, values in (("to the greeting", log.greetings), ("from there to the 250", log.sessions)):
        if len(values) > 1:
            last = statistics.quantiles(values, n=100)[98]
            print(f"   {what}: median {statistics.median(values):.3f} s, p99 {last:.3f} s, most {max(values):.3f} s")
    for reply, count in Counter(log.refused).most_common(5):
        print(f"   {count} x {reply}")


def main() -> int:
    """1 when a promise was broken: honest mail refused, lost or delivered twice, or a fault of our own."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--seconds", type=float, default=300, help="of attack (300)")
    parser.add_argument("--calm", type=float, default=60, help="seconds before it (60)")
    parser.add_argument("--mob", type=int, default=100, help="attackers at once (100)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        return int(not asyncio.run(soak(Plan(given.seconds, given.calm, given.mob), Path(place))))


if __name__ == "__main__":
    sys.exit(main())
