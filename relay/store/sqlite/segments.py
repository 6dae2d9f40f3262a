"""Append-only files that hold the octets of messages.

Many messages share one segment and one fdatasync. A message's octets lie within one segment as a list of extents,
so that messages may stream in side by side. A segment's writer holds a lock on it for as long as messages are
being added; whoever finds one unlocked, with no live message in it, may remove it.
"""

import errno
import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from relay.store.spool import Content, SpoolError, SpoolFull

SEGMENT_SIZE = 64 * 1024 * 1024
BLOCK_SIZE = 256 * 1024
_OPEN_READERS = 16
_FULL = {errno.ENOSPC, errno.EDQUOT}


def store_failure(error: OSError) -> SpoolError:
    """The spool's word for a failed file operation."""
    if error.errno in _FULL:
        return SpoolFull(str(error))
    return SpoolError(str(error))


@dataclass(slots=True)
class _Segment:
    name: str
    fd: int
    size: int = 0
    messages: int = 0
    full: bool = False


class Segments:
    """This process's segments in `folder`: one that grows, older ones with messages still on their way in."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = name
        self._count = 0
        self._current: _Segment | None = None
        self._open: dict[str, _Segment] = {}
        self._readers: dict[str, int] = {}

    def writer(self) -> "SegmentWriter":
        """Begin a message; raises SpoolFull when no segment can be made."""
        segment = self._current
        if segment is None or segment.size >= SEGMENT_SIZE:
            segment = self._roll()
        segment.messages += 1
        return SegmentWriter(self, segment)

    def read(self, content: Content, start: int, length: int) -> bytes:
        """See Spool.read."""
        fd = self._reader(content.segment)
        parts = []
        for offset, size in content.extents:
            if start >= size:
                start -= size
                continue
            part = os.pread(fd, min(length, size - start), offset + start)
            parts.append(part)
            length -= len(part)
            start = 0
            if length <= 0:
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def sync(self, names: Iterable[str]) -> None:
        """Put what was written to these segments on stable storage; called off the event loop."""
        for name in names:
            segment = self._open.get(name)
            if segment is not None:
                os.fdatasync(segment.fd)

    def done(self, name: str) -> None:
        """A message that was begun in `name` is committed or given up."""
        segment = self._open.get(name)
        if segment is None:
            return
        segment.messages -= 1
        if segment.full and segment.messages <= 0:
            self._close(segment)

    def unlocked(self) -> list[str]:
        """The names of segments that nobody adds to any more: what they hold for good is decided."""
        names = []
        for entry in os.scandir(self._folder):
            if not entry.name.endswith(".segment") or entry.name in self._open:
                continue
            fd = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                names.append(entry.name)
            except BlockingIOError:
                pass
            finally:
                os.close(fd)
        return names

    def remove(self, name: str) -> int:
        """Remove an unlocked segment that holds no live message; octets freed."""
        path = self._folder / name
        size = path.stat().st_size
        path.unlink()
        fd = self._readers.pop(name, None)
        if fd is not None:
            os.close(fd)
        return size

    def close(self) -> None:
        """Close all files; messages on their way in are lost, as promised to nobody."""
        for segment in list(self._open.values()):
            self._close(segment)
        for fd in self._readers.values():
            os.close(fd)
        self._readers.clear()

    def _roll(self) -> _Segment:
        if self._current is not None:
            self._current.full = True
            if self._current.messages <= 0:
                self._close(self._current)
        self._count += 1
        name = f"{self._name}-{self._count}.segment"
        try:
            fd = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            self._current = None
            raise store_failure(error) from error
        segment = self._current = self._open[name] = _Segment(name, fd)
        return segment

    def _close(self, segment: _Segment) -> None:
        if self._open.pop(segment.name, None) is not None:
            os.close(segment.fd)
        if self._current is segment:
            self._current = None

    def _reader(self, name: str) -> int:
        segment = self._open.get(name)
        if segment is not None:
            return segment.fd
        fd = self._readers.get(name)
        if fd is None:
            if len(self._readers) >= _OPEN_READERS:
                os.close(self._readers.pop(next(iter(self._readers))))
            fd = self._readers[name] = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
        return fd


@dataclass(slots=True)
class SegmentWriter:
    """One message on its way into a segment. Holds at most one block in memory."""

    segments: Segments
    segment: _Segment
    _extents: list[tuple[int, int]] = field(default_factory=list)
    _blocks: list[bytes] = field(default_factory=list)
    _waiting: int = 0
    _size: int = 0
    _ended: bool = False

    def write(self, block: bytes) -> None:
        """See ContentWriter.write."""
        self._blocks.append(block)
        self._waiting += len(block)
        if self._waiting >= BLOCK_SIZE:
            self._flush()

    def finish(self, *, header_size: int, body_hash: str) -> Content:
        """See ContentWriter.finish."""
        self._flush()
        self._ended = True
        return Content(self.segment.name, tuple(self._extents), self._size, header_size, body_hash)

    def abort(self) -> None:
        """See ContentWriter.abort."""
        if not self._ended:
            self._ended = True
            self._blocks.clear()
            self.segments.done(self.segment.name)

    def _flush(self) -> None:
        if not self._blocks:
            return
        offset = self.segment.size
        try:
            written = os.pwritev(self.segment.fd, self._blocks[:1000], offset)
            if written < self._waiting:
                rest = b"".join(self._blocks)
                while written < len(rest):
                    written += os.pwrite(self.segment.fd, memoryview(rest)[written:], offset + written)
        except OSError as error:
            raise store_failure(error) from error
        self.segment.size = offset + written
        if self._extents and sum(self._extents[-1]) == offset:
            last, length = self._extents[-1]
            self._extents[-1] = (last, length + written)
        else:
            self._extents.append((offset, written))
        self._size += written
        self._blocks = []
        self._waiting = 0
