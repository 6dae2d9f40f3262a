"""What the configuration of many companies costs: cold load, restart, one changed file, memory.

Run by hand: `.venv/bin/python bench/config_load.py [companies]`. Makes a tree in a temporary directory, measures each
step in a fresh process, and prints ratios beside the limits they have to keep. Exit code 1 when one is not kept.
Ratios are of CPU time, so that they do not depend on what else the machine is doing; the files are in the page cache.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTINGS = """\
hostname: mx1.my.relay.example
domain: my.relay.example
postmaster: postmaster@operator.example
sending_addresses: ["203.0.113.7"]
verification: {required: false}
secrets: {signing: [{env: BENCH_SIGNING_SECRET}]}
apps:
  billit-web: {networks: [127.0.0.0/8], companies: all}
"""
ALIAS = """\
# yaml-language-server: $schema=../../relay/config/schema/company.schema.json
name: Company {n} BV
address: info@company-{n}.example   # "My company"
alias: company-{n}
"""
OWN_DOMAIN = (
    ALIAS
    + """\
outgoing:
  identity: own-domain
  from: facturen@company-{n}.example
  otherwise: alias
"""
)
OWN_SERVER = (
    ALIAS
    + """\
outgoing:
  identity: own-server
  from: facturen@company-{n}.example
  otherwise: hold
  server:
    host: smtp.company-{n}.example
    port: 587
    username: facturen@company-{n}.example
    password: {{file: /etc/relay/secrets/company-{n}}}
"""
)
REPEATS = 5


def make_tree(root: Path, companies: int) -> None:
    (root / "companies").mkdir(parents=True)
    (root / "relay.yaml").write_text(SETTINGS)
    for n in range(companies):
        text = (ALIAS, OWN_DOMAIN, OWN_SERVER)[n % 3]
        (root / "companies" / f"company-{n:06d}.yaml").write_text(text.format(n=f"{n:06d}"))


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure_start(root: Path) -> dict[str, float]:
    """Load as a starting worker does; memory is what a worker then holds, all indexes included."""
    from relay.config.watch import Watcher  # noqa: PLC0415 - before the first resident() nothing of it may be counted

    before, started, cpu = resident(), time.perf_counter(), time.process_time()
    watcher = Watcher(root / "relay.yaml", root / "cache")
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "parsed": watcher.parsed, "memory": resident() - before}


def measure_change(root: Path) -> dict[str, float]:
    """Take over one changed file, again and again, with the kernel's notices and by looking at every file."""
    from relay.config.watch import Watcher  # noqa: PLC0415

    watcher = Watcher(root / "relay.yaml", root / "cache")
    file = root / "companies" / "company-000000.yaml"
    result = {}
    for name, full in (("noticed", False), ("full", True)):
        seconds = []
        watcher.check(full=True)
        for repeat in range(REPEATS):
            file.write_text(ALIAS.format(n="000000").replace("BV", f"{name} {repeat}"))
            started = time.process_time()
            change = watcher.check(full=full)
            seconds.append(time.process_time() - started)
            assert change
            assert change.changed == {"company-000000"}
        result[name] = sorted(seconds)[REPEATS // 2]
    return result


def run(step: str, root: Path) -> dict[str, float]:
    environment = {**os.environ, "BENCH_SIGNING_SECRET": "only-for-this-measurement"}
    command = [sys.executable, __file__, step, str(root)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def verdict(what: str, value: float, limit: float, unit: str = "") -> bool:
    kept = value <= limit
    print(f"{what:58} {value:9.4f}{unit}  limit {limit:g}{unit}  {'kept' if kept else 'NOT KEPT'}")
    return kept


def main(companies: int) -> int:
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as directory:
        root = Path(directory) / "config"
        print(f"making {companies} companies …", flush=True)
        make_tree(root, companies)
        cold = run("start", root)
        print(
            f"cold load: {cold['seconds']:.2f} s, {cold['cpu']:.2f} s of CPU, {cold['parsed']:.0f} parsed",
            flush=True,
        )
        restarts = sorted((run("start", root) for _ in range(3)), key=lambda restart: restart["cpu"])
        restart = restarts[1]
        print(
            f"restart:   {restart['seconds']:.2f} s, {restart['cpu']:.2f} s of CPU, {restart['parsed']:.0f} parsed",
            flush=True,
        )
        change = run("change", root)
        print(f"one changed file: {change['noticed'] * 1000:.0f} ms; looking at all: {change['full'] * 1000:.0f} ms")
        kept = [
            verdict("restart without changes / cold load", restart["cpu"] / cold["cpu"], 1 / 5),
            verdict("files parsed by a restart without changes", restart["parsed"], 0),
            verdict("one changed file / cold load", change["noticed"] / cold["cpu"], 1 / 50),
            verdict("memory a company after a cold load", cold["memory"] / companies / 1024, 4, " KiB"),
            verdict("memory a company after a restart", restart["memory"] / companies / 1024, 4, " KiB"),
        ]
        print(f"one changed file without notices of the kernel / cold load: {change['full'] / cold['cpu']:.4f}")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["start", root]:
            print(json.dumps(measure_start(Path(root))))
        case ["change", root]:
            print(json.dumps(measure_change(Path(root))))
        case _:
            sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
