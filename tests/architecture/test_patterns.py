"""What patterns must not use as long as the oldest Python that is supported gets it wrong."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# CPython before 3.11.5, Debian 12's among them: a possessive repetition of a group keeps what its last, failing turn
# took, so "a." passes for `a(?:\.a)*+`. An atomic group around a plain repetition says the same and is right.
POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)(?:[*+?]|\{[0-9,]+\})\+")


def test_no_group_is_repeated_possessively():
    offences = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "relay").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if POSSESSIVE_GROUP.search(line)
    ]

    assert not offences
