"""Looks for examples that break a target, with atheris; what it finds is kept for the tests.

    make fuzz                               installs atheris; every target for a minute each
    python -m fuzz.run                      the same, when it is installed
    python -m fuzz.run headers --seconds 600

An example that breaks something is laid into `fuzz/corpus/<target>/`, from where the tests replay it.
"""

import argparse
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

from fuzz import targets

_HOUSE = Path(__file__).resolve().parents[1]
KEPT = _HOUSE / "fuzz" / "corpus"
# Where `make fuzz` lays atheris: beside what the relay and its tests need, which never see it.
_ATHERIS = _HOUSE / ".cache" / "atheris"
# What was interesting so far: new code is reached by going on from there. Nothing is lost with it.
_GROWN = _HOUSE / ".cache" / "fuzz"
NAMES = sorted(each.name for each in pkgutil.iter_modules(targets.__path__))
# The readers of others that strangers' octets reach through ours.
_WATCHED = ["relay", "flufl", "imapclient", "spf"]
_LONGEST = 4096


def main() -> int:
    """Each target in a process of its own, as the fuzzer ends its process. 1 when something broke."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.run", description=(__doc__ or "").partition("\n")[0])
    # The empty list is what argparse takes for a choice when no target is named.
    parser.add_argument("targets", nargs="*", choices=[*NAMES, []], metavar="target", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        _fuzz(given.targets[0], given.seconds)
    if not _ATHERIS.is_dir():
        parser.error("atheris is not installed: run `make fuzz`")
    paths = os.pathsep.join([str(_ATHERIS), os.environ.get("PYTHONPATH", "")])
    broken = []
    for name in given.targets or NAMES:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", "fuzz.run", "--here", name, "--seconds", str(given.seconds)]
        if subprocess.run(command, check=False, cwd=_HOUSE, env={**os.environ, "PYTHONPATH": paths}).returncode:
            broken.append(name)
    print(f"broken: {', '.join(broken)}; see {KEPT}" if broken else "nothing broke")
    return bool(broken)


def _fuzz(name: str, seconds: int) -> None:
    import atheris  # noqa: PLC0415 -- only here, and installed by `make fuzz` alone

    with atheris.instrument_imports(include=_WATCHED):
        target = importlib.import_module(f"fuzz.targets.{name}")
    seeds, grown, kept = _GROWN / "seeds" / name, _GROWN / name, KEPT / name
    for folder in (seeds, grown, kept):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.SEEDS):
        (seeds / str(number)).write_bytes(seed)
    bounds = [f"-max_total_time={seconds}", f"-max_len={_LONGEST}", "-timeout=10", "-rss_limit_mb=1500"]
    folders = [str(folder) for folder in (grown, seeds, kept)]
    atheris.Setup(
        [sys.argv[0], *folders, *bounds, f"-artifact_prefix={kept}/", "-verbosity=0", "-print_final_stats=1"],
        target.check,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
