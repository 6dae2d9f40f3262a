"""What files need to be durable, and to belong to one worker."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from relay.store.spool import SpoolError, SpoolFull

# A limit on the size of files stops a program as a full disk does, and is lifted as well.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def store_failure(error: OSError) -> SpoolError:
    """The spool's word for a failed file operation."""
    if error.errno in NO_ROOM:
        return SpoolFull(str(error))
    return SpoolError(str(error))


def make_folder(folder: Path) -> None:
    """Make `folder` and those above it, on stable storage."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on stable storage."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def locked(fd: int) -> Iterator[None]:
    """Hold the lock on an open file; waits for it."""
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def claim(fd: int) -> bool:
    """Take the lock on an open file until it is closed; False when another has it or the file was removed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(fd).st_nlink > 0
