"""What the kernel says has changed in a directory (inotify, Linux).

In charge of hints only: they make looking at 100,000 files cheap, but network file systems give none. Whoever uses
them also looks for itself now and then. Never blocks.
"""

import ctypes
import errno
import os
import struct
from pathlib import Path
from typing import Self

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_CHANGES = _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_UNKNOWN = _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _OVERFLOW | _IGNORED
_ONLY_DIRECTORIES = 0x1000000
_HEAD = struct.Struct("iIII")


class Notices:
    """The kernel's notices about one directory. `close` it after use."""

    def __init__(self, descriptor: int, inode: tuple[int, int]) -> None:
        """Hold an open inotify descriptor and the identity of the directory it watches."""
        self._descriptor = descriptor
        self._inode = inode

    @classmethod
    def of(cls, directory: Path) -> Self | None:
        """Notices about `directory` from now on; None where there are none to be had."""
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError):
            return None
        if descriptor < 0:
            return None
        mask = _CHANGES | _DELETE_SELF | _MOVE_SELF | _ONLY_DIRECTORIES
        notices = cls(descriptor, _inode(directory))
        if libc.inotify_add_watch(descriptor, os.fsencode(directory), mask) < 0:
            notices.close()
            return None
        return notices

    def names(self, directory: Path) -> set[str] | None:
        """Names in `directory` that may have changed since the last call; None when that cannot be known."""
        names: set[str] = set()
        certain = _inode(directory) == self._inode
        while True:
            try:
                block = os.read(self._descriptor, 64 * 1024)
            except OSError as error:
                return names if certain and error.errno == errno.EAGAIN else None
            offset = 0
            while offset < len(block):
                _, mask, _, length = _HEAD.unpack_from(block, offset)
                offset += _HEAD.size
                certain = certain and not mask & _UNKNOWN
                names.add(os.fsdecode(block[offset : offset + length].rstrip(b"\0")))
                offset += length

    def close(self) -> None:
        """Let the kernel forget about it."""
        os.close(self._descriptor)


def _inode(directory: Path) -> tuple[int, int]:
    try:
        found = directory.stat()
    except OSError:
        return (0, 0)
    return found.st_dev, found.st_ino
