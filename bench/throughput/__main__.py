"""The command: python -m bench.throughput. Needs root, for Postfix and for dropping the caches."""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.throughput.load import LoadError, compile_tools, write_content
from bench.throughput.measure import Bench, Load, Result, measure
from bench.throughput.postfix import Postfix
from bench.throughput.programs import Direct, Program
from bench.throughput.relay import Relay
from bench.throughput.report import COMPARED, CONTEXT, absolute_rows, as_json, disturbed, ratio_rows, table

PROGRAMS: dict[str, Program] = {
    program.name: program for program in (Relay(), Postfix(signs=True), Postfix(signs=False), Direct())
}
DEFAULT = "relay,postfix+opendkim,postfix"
SIZES = {"4k": 4 << 10, "100k": 100 << 10, "1m": 1 << 20}


def main() -> int:
    options = _options()
    if os.geteuid() != 0:
        print("This needs root: Postfix starts as root, and caches are dropped between runs.", file=sys.stderr)
        return 2
    directory = Path(tempfile.mkdtemp(prefix="relay-bench-", dir=options.directory))
    directory.chmod(0o755)
    report: dict[str, object] = {}
    try:
        bench = _prepare(directory)
        for size in options.sizes:
            for sessions in options.sessions:
                load = Load(SIZES[size], sessions, options.seconds, options.messages, options.rate, options.pipelining)
                report[f"{size}, {sessions} sessions"] = _case(f"{size}, {sessions} sessions", load, bench, options)
                if options.json:
                    options.json.write_text(json.dumps(report, indent=1) + "\n")
    except (LoadError, TimeoutError, subprocess.CalledProcessError) as error:
        print(f"FAILED: {error}; what the programs wrote is in {directory}", file=sys.stderr)
        return 1
    shutil.rmtree(directory)
    return 0


def _case(title: str, load: Load, bench: Bench, options: argparse.Namespace) -> dict[str, object]:
    content = write_content(bench.directory, load.size)
    rounds: dict[str, list[Result]] = {name: [] for name in options.only}
    for turn in range(options.rounds):
        shift = turn % len(options.only)
        for name in options.only[shift:] + options.only[:shift]:
            result = measure(PROGRAMS[name], load, content, bench)
            rounds[name].append(result)
            note = f"{title}, round {turn + 1}, {name}: {result.messages} messages, {result.throughput:.0f}/s"
            print(note, file=sys.stderr, flush=True)
    print(f"\n{title}")
    print(table(["median of rounds", *(f.title for f in COMPARED + CONTEXT)], absolute_rows(rounds)))
    if ratios := ratio_rows(rounds, options.subject):
        print(table(["ratio, pair by pair", *(f.title for f in COMPARED)], ratios))
    if runs := disturbed(rounds):
        print(f"NOT TO BE CLAIMED: others used the machine during {', '.join(runs)}")
    sys.stdout.flush()
    return as_json(rounds, options.subject)


def _prepare(directory: Path) -> Bench:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = directory / "signing-key.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path.chmod(0o600)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    return Bench(compile_tools(directory), directory, path, record)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("--sizes", type=_words(SIZES), default="4k,100k,1m", help="of 4k, 100k, 1m")
    parser.add_argument("--sessions", type=_numbers, default="1,20,100", help="sessions at once")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program for each case, in turns")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each run starts new messages")
    parser.add_argument("--messages", type=int, help="end a run after so many messages, if that is sooner")
    parser.add_argument("--only", type=_words(PROGRAMS), default=DEFAULT, help=f"of {', '.join(PROGRAMS)}")
    parser.add_argument("--subject", default="relay", help="the program that the ratios are about")
    parser.add_argument("--rate", type=float, default=0, help="start so many messages a second; 0: as fast as they go")
    parser.add_argument("--lock-step", dest="pipelining", action="store_false", help="send without pipelining")
    parser.add_argument("--directory", default="/var/tmp", help="parent of all queues: on a real disk")
    parser.add_argument("--json", type=Path, help="write everything to this file, too")
    return parser.parse_args()


def _words(known: Collection[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        words = text.split(",")
        if unknown := set(words) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
        return words

    return parse


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
