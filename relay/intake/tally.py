"""Counts that the workers of one machine keep together, in memory that all of them see.

Each worker writes only its own section of a table and adds up all sections when it asks: nobody waits for anybody, no
lock can outlive the worker that took it, and nothing is written to disk. A worker that dies leaves its section to the
one that takes its place. Counts fade by themselves, over a window of time, so there is nothing to tidy up.

A table has a fixed number of places. Names are found by a keyed hash, so that nobody can choose to share a place with
somebody else; where places run out, the name with the smallest count is forgotten. A number may be read while it is
being written: an answer may then be off by that one count.
"""

import hashlib
import mmap
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

# The variable of the environment that leads workers to their memory.
TALLIES = "RELAY_TALLIES"
_KEY = 32  # octets of the key that names are hashed with, at the beginning of the memory
_FIELDS = 4  # 64 bits each: the name's hash, the number of its window, the count in it, the count in the one before
_WAYS = 8  # places where a name may stand
_ROWS = 1024
_SECTION = _ROWS * _WAYS * _FIELDS
_TABLES = 8

_NAME, _WINDOW, _COUNT, _BEFORE = range(_FIELDS)


def memory_size(workers: int) -> int:
    """How many octets the tables of so many workers take; pages that nothing was counted in take none."""
    return _KEY + _TABLES * workers * _SECTION * 8


def make_memory(path: Path, workers: int) -> None:
    """Make the file that `workers` workers will share; best in a file system that is memory."""
    with path.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(secrets.token_bytes(_KEY))
        file.truncate(memory_size(workers))


@dataclass(frozen=True, slots=True)
class Share:
    """One worker's view of the memory: where it is (None: nobody shares it), its own place, and how many there are."""

    path: Path | None = None
    slot: int = 0
    workers: int = 1

    @classmethod
    def of_worker(cls, name: str) -> "Share":
        """What the environment says for the worker of that name, "<instance>.<slot>.<count>"."""
        workers, _, path = os.environ.get(TALLIES, "").partition(":")
        return cls(Path(path), int(name.split(".")[1]), int(workers)) if path else cls()


class Tallies:
    """The tables of one machine, as one worker sees them."""

    def __init__(self, share: Share | None = None) -> None:
        """Raises OSError or ValueError when the memory is not as `make_memory` made it."""
        self.share = share = share or Share()
        size = memory_size(share.workers)
        if share.path is None:
            self._memory = mmap.mmap(-1, size)
            self._memory[:_KEY] = secrets.token_bytes(_KEY)
        else:
            with share.path.open("r+b") as file:
                self._memory = mmap.mmap(file.fileno(), size)
        self.key = self._memory[:_KEY]
        self.numbers = memoryview(self._memory)[_KEY:].cast("Q")
        self._tables = 0

    def tally(self, window: float | None) -> "Tally":
        """The next table, for counts that fade over `window` seconds; None: for counts that stay until taken back.

        Workers ask for the same tables in the same order.
        """
        self._tables += 1
        return Tally(self, self._tables - 1, window)


class Tally:
    """One table: a count for each name, over all workers of the machine."""

    def __init__(self, tallies: Tallies, table: int, window: float | None) -> None:
        assert table < _TABLES  # noqa: S101 -- a matter of this program alone
        share = tallies.share
        self._numbers = tallies.numbers
        self._key = tallies.key
        self._window = window
        first = table * share.workers * _SECTION
        self._own = first + share.slot * _SECTION
        self._sections = range(first, first + share.workers * _SECTION, _SECTION)
        if window is None:
            # Whoever had this place before has ended, and so has what it counted.
            self._numbers[self._own : self._own + _SECTION] = memoryview(bytes(8 * _SECTION)).cast("Q")

    def add(self, name: str, *, now: float = 0.0, count: int = 1) -> None:
        """Count `count` more for `name`, or less; never below nothing."""
        numbers, (row, mark), window = self._numbers, self._place(name), self._window_at(now)
        places = range(self._own + row, self._own + row + _WAYS * _FIELDS, _FIELDS)
        place = next((place for place in places if numbers[place] == mark), None)
        if place is None:
            if count <= 0:
                return
            place = min(places, key=lambda place: self._worth(place, now))
            numbers[place : place + _FIELDS] = memoryview(bytes(8 * _FIELDS)).cast("Q")
            numbers[place + _WINDOW] = window
            numbers[place + _NAME] = mark
        elif numbers[place + _WINDOW] != window:
            follows = numbers[place + _WINDOW] == window - 1
            numbers[place + _BEFORE] = numbers[place + _COUNT] if follows else 0
            numbers[place + _COUNT] = 0
            numbers[place + _WINDOW] = window
        numbers[place + _COUNT] = max(0, numbers[place + _COUNT] + count)

    def total(self, name: str, *, now: float = 0.0) -> float:
        """What all workers have counted for `name` in the last window, as if it had come evenly in the one before."""
        numbers, (row, mark) = self._numbers, self._place(name)
        total = 0.0
        for section in self._sections:
            first = section + row
            marks = numbers[first : first + _WAYS * _FIELDS : _FIELDS].tolist()
            if mark in marks:
                total += self._worth(first + marks.index(mark) * _FIELDS, now)
        return total

    def _place(self, name: str) -> tuple[int, int]:
        digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=12, key=self._key).digest()
        # 0 is the mark of an empty place.
        return int.from_bytes(digest[8:]) % _ROWS * _WAYS * _FIELDS, int.from_bytes(digest[:8]) or 1

    def _window_at(self, now: float) -> int:
        return 0 if self._window is None else int(now // self._window)

    def _worth(self, place: int, now: float) -> float:
        numbers = self._numbers
        if self._window is None:
            return numbers[place + _COUNT]
        age = self._window_at(now) - numbers[place + _WINDOW]
        left = 1 - now % self._window / self._window
        if age == 0:
            return numbers[place + _COUNT] + numbers[place + _BEFORE] * left
        return numbers[place + _COUNT] * left if age == 1 else 0.0
