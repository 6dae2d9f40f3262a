"""Files as they are right now: what they hold, and a stamp that changes when they do.

In charge of looking without being fooled: a file that changed while it was read, or so recently that another change
might not show in its times, gets a stamp that matches nothing, so it is looked at again.
"""

import hashlib
import os
import stat
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from relay.config.reader import MAX_OCTETS

UNSURE = bytes(32)
_JUST_NOW = 2_000_000_000
_pack = struct.Struct("<4q").pack


def stamp_of(found: os.stat_result) -> bytes:
    """32 octets that change when the file does."""
    return _pack(found.st_mtime_ns, found.st_size, found.st_ino & 2**63 - 1, found.st_ctime_ns)


def stamp_at(path: Path) -> bytes:
    """The stamp of the file there; empty when there is none to be seen."""
    try:
        return stamp_of(path.stat())
    except OSError:
        return b""


def digest_of(raw: bytes) -> bytes:
    """16 octets that stand for the content."""
    return hashlib.blake2b(raw, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Content:
    """What a file held. `stamp` is UNSURE when the file has to be read again at the next look."""

    raw: bytes
    stamp: bytes


def read_file(path: str | Path, directory: int | None = None) -> Content:
    """The content of a regular file, a little more than MAX_OCTETS at most. Raises OSError."""
    # O_NONBLOCK: opening a named pipe must not wait for somebody to write into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
    try:
        before = os.fstat(descriptor)
        if stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError(21, "Is a directory")
        if not stat.S_ISREG(before.st_mode):
            raise OSError(22, "not a regular file")
        raw = os.read(descriptor, min(before.st_size, MAX_OCTETS) + 1)
        while len(raw) <= MAX_OCTETS and (more := os.read(descriptor, 2**20)):
            raw += more
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    stamp = stamp_of(before)
    settled = time.time_ns() - max(before.st_mtime_ns, before.st_ctime_ns) > _JUST_NOW
    return Content(raw, stamp if settled and stamp == stamp_of(after) else UNSURE)
