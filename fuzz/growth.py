"""Looks for octets that cost more than they should: a piece of a seed, over and over.

    .venv/bin/python -m fuzz.growth                        every target for half a minute
    .venv/bin/python -m fuzz.growth texts --seconds 300

Each example is made twice, of 64 and of 256 KiB. Four times as many octets may cost four times as much, and a little
for chance; what costs more, or more than any mail should, is printed with its piece, dearest first. Numbers of a clock:
for people to look at, on a quiet machine, and nothing for a test. What is found is mended with a test that counts.
"""

import argparse
import importlib
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from fuzz.run import KEPT, NAMES

_SMALL, _LARGE = 64 * 1024, 256 * 1024
# What is asked about: a ratio well beyond chance, from a cost on that is more than noise, and a cost beyond all reason.
_STEEP, _NOTED, _DEAR = 7.0, 0.05, 0.5
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Growth:
    """What an example costs in seconds of CPU, small and large."""

    small: float
    large: float
    example: tuple[bytes, bytes, bytes]

    @property
    def is_noted(self) -> bool:
        """Whether somebody should have a look."""
        return self.large > _DEAR or (self.large > _NOTED and self.large > _STEEP * self.small)


def main() -> int:
    """1 when there is something to look at."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.growth", description=(__doc__ or "").partition("\n")[0])
    # The empty list is what argparse takes for a choice when no target is named.
    parser.add_argument("targets", nargs="*", choices=[*NAMES, []], metavar="target", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=float, default=30, help="for each target (30)")
    given = parser.parse_args()
    is_noted = False
    for name in given.targets or NAMES:
        found = sorted(_look(name, given.seconds), key=lambda each: each.large, reverse=True)
        noted = [each for each in found if each.is_noted]
        is_noted = is_noted or bool(noted)
        print(f"== {name}: {len(found)} examples, the dearest {found[0].large:.3f} s" if found else f"== {name}")
        for each in noted[:_SHOWN]:
            before, piece, after = each.example
            print(f"   {each.small:.3f} s, {each.large:.3f} s: {before!r} + {piece!r} * n + {after!r}", flush=True)
    return int(is_noted)


def _look(name: str, seconds: float) -> list[Growth]:
    target = importlib.import_module(f"fuzz.targets.{name}")
    examples = [*target.SEEDS, *(path.read_bytes() for path in sorted((KEPT / name).glob("*")))]
    chance, found, until = random.Random(name), [], time.monotonic() + seconds
    while time.monotonic() < until:
        seed = chance.choice(examples)
        start = chance.randrange(len(seed) + 1)
        end = min(len(seed), start + chance.choice((1, 2, 5, 20, 100, 400)))
        example = seed[:start], seed[start:end] or b"x", seed[chance.choice((start, end, len(seed))) :]
        small = _cost(target.check, example, _SMALL)
        large = _cost(target.check, example, _LARGE)
        if large > _NOTED:
            # Once more: a machine that is busy is no finding.
            small, large = (
                min(small, _cost(target.check, example, _SMALL)),
                min(large, _cost(target.check, example, _LARGE)),
            )
        found.append(Growth(small, large, example))
    return found


def _cost(check: Callable[[bytes], None], example: tuple[bytes, bytes, bytes], size: int) -> float:
    before, piece, after = example
    data = before + piece * (size // len(piece)) + after
    started = time.thread_time()
    try:
        check(data)
    except Exception:
        print(f"   fails: {before!r} + {piece!r} * n + {after!r}")
        raise
    return time.thread_time() - started


if __name__ == "__main__":
    sys.exit(main())
