"""Append-only files that hold the octets of messages.

Many messages share one segment and one fdatasync. A message's octets lie within one segment as a list of extents,
so that messages may stream in side by side. A segment's writer holds a lock on it for as long as messages are
being added; whoever gets hold of that lock, and finds no live message in the segment, may remove it.
"""

import os
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from relay.store.spool import Content, SpoolError
from relay.store.sqlite.files import claim, make_folder, store_failure, sync_folder

SEGMENT_SIZE = 64 * 1024 * 1024
BLOCK_SIZE = 256 * 1024
_OPEN_READERS = 16
_BLOCKS_AT_ONCE = 1000
# Small messages are delivered as soon as they are committed: what was just written need not be read again.
_FRESH_MESSAGE = 64 * 1024
_FRESH = 4 * 1024 * 1024


@dataclass(slots=True)
class _Segment:
    """`messages` counts those on their way in, `waiting` holds the finished ones among them: not yet committed.

    `unwritten` holds the ends of finished messages with their places; the store's thread writes them, many at a time,
    before it puts the segment on stable storage.
    """

    name: str
    fd: int
    size: int = 0
    messages: int = 0
    waiting: list[Content] = field(default_factory=list)
    unwritten: deque[tuple[int, bytes]] = field(default_factory=deque)
    failure: SpoolError | None = None


class Segments:
    """This process's segments in `folder`: one that grows, older ones with messages still on their way in."""

    def __init__(self, folder: Path, name: str) -> None:
        try:
            make_folder(folder)
        except OSError as error:
            raise store_failure(error) from error
        self._folder = folder
        self._name = name
        self._count = 0
        self._current: _Segment | None = None
        self._open: dict[str, _Segment] = {}
        self._readers: dict[str, int] = {}
        self._fresh: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._fresh_size = 0

    def writer(self) -> "SegmentWriter":
        """Begin a message; raises SpoolFull when no segment can be made."""
        segment = self._current
        if segment is None or segment.size >= SEGMENT_SIZE or segment.failure is not None:
            segment = self._roll()
        segment.messages += 1
        return SegmentWriter(self, segment)

    def read(self, content: Content, start: int, length: int) -> bytes:
        """See Spool.read."""
        length = min(length, content.size - start)
        fresh = self._fresh.get((content.segment, content.extents[0][0])) if content.extents else None
        if fresh is not None:
            return fresh[start : start + length]
        parts: list[bytes] = []
        for offset, size in content.extents:
            if length <= 0:
                break
            if start >= size:
                start -= size
                continue
            part = self._read_all(content.segment, offset + start, min(length, size - start))
            parts.append(part)
            length -= len(part)
            start = 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def take(self, content: Content) -> None:
        """Begin to commit a finished message; raises SpoolError when it does not wait for that here (any more).

        `done` must follow, and not before the commit has ended one way or the other.
        """
        segment = self._open.get(content.segment)
        if segment is None or content not in segment.waiting:
            raise SpoolError(f"the content in {content.segment} does not wait to be committed")
        segment.waiting.remove(content)

    def sync(self, names: Iterable[str]) -> None:
        """Put what was written to these segments on stable storage; called off the event loop.

        After a failure the kernel may have dropped what it could not write, and the next call would not tell: none
        of the messages on their way into that segment is ever committed.
        """
        for name in names:
            segment = self._open[name]
            if segment.failure is None:
                try:
                    _write_ends(segment)
                    os.fdatasync(segment.fd)
                except OSError as error:
                    segment.failure = store_failure(error)
            if segment.failure is not None:
                raise segment.failure

    def done(self, name: str) -> None:
        """A message that was begun in `name` is committed or given up."""
        segment = self._open.get(name)
        if segment is None:
            return
        segment.messages -= 1
        if segment.messages <= 0 and segment is not self._current:
            self._close(segment)

    def others(self) -> list[str]:
        """The names of all segments but those that this process adds to."""
        with os.scandir(self._folder) as found:
            names = [entry.name for entry in found if entry.name.endswith(".segment")]
        return sorted(name for name in names if name not in self._open)

    @contextmanager
    def idle(self, names: Iterable[str]) -> Iterator[list[str]]:
        """Keeps those of `names` to which nobody adds any more from being removed by others."""
        held: dict[str, int] = {}
        try:
            for name in names:
                try:
                    fd = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
                except FileNotFoundError:
                    continue
                if claim(fd):
                    held[name] = fd
                else:
                    os.close(fd)
            yield list(held)
        finally:
            for fd in held.values():
                os.close(fd)

    def size_of(self, name: str) -> int:
        """Octets of a segment; raises OSError."""
        return (self._folder / name).stat().st_size

    def remove(self, name: str) -> int:
        """Remove an idle segment that holds no live message; octets freed."""
        path = self._folder / name
        size = path.stat().st_size
        path.unlink()
        return size

    def forget_removed(self) -> None:
        """Close readers of segments that are gone: as long as one is open, the disk keeps the room."""
        for name, fd in list(self._readers.items()):
            if os.fstat(fd).st_nlink == 0:
                os.close(self._readers.pop(name))

    def remember(self, content: Content, octets: bytes) -> None:
        """Keep a whole message at hand, for as long as it is among the latest."""
        self._fresh[content.segment, content.extents[0][0]] = octets
        self._fresh_size += len(octets)
        while self._fresh_size > _FRESH:
            self._fresh_size -= len(self._fresh.popitem(last=False)[1])

    def close(self) -> None:
        """Close all files; messages on their way in are lost, as promised to nobody."""
        for segment in list(self._open.values()):
            self._close(segment)
        for fd in self._readers.values():
            os.close(fd)
        self._readers.clear()

    def _roll(self) -> _Segment:
        retired, self._current = self._current, None
        if retired is not None and retired.messages <= 0:
            self._close(retired)
        try:
            name, fd = self._create()
        except OSError as error:
            raise store_failure(error) from error
        segment = self._current = self._open[name] = _Segment(name, fd)
        return segment

    def _create(self) -> tuple[str, int]:
        while True:
            self._count += 1
            name = f"{self._name}-{self._count}.segment"
            fd = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                # Between the two calls a sweep may have found the file, empty and unlocked, and taken it away.
                if claim(fd):
                    sync_folder(self._folder)
                    return name, fd
            except OSError:
                os.close(fd)
                raise
            os.close(fd)

    def _close(self, segment: _Segment) -> None:
        if self._open.pop(segment.name, None) is not None:
            os.close(segment.fd)
        if self._current is segment:
            self._current = None

    def _read_all(self, name: str, offset: int, length: int) -> bytes:
        try:
            octets = os.pread(self._reader(name), length, offset)
        except OSError as error:
            raise store_failure(error) from error
        if len(octets) != length:
            raise SpoolError(f"{name} ends before octet {offset + length}")
        return octets

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
    _end: bytes = b""
    _content: Content | None = None
    _aborted: bool = False

    def write(self, block: bytes) -> None:
        """See ContentWriter.write."""
        self._blocks.append(block)
        self._waiting += len(block)
        if self._waiting >= BLOCK_SIZE:
            self._flush()

    def finish(self, *, header_size: int, body_hash: str) -> Content:
        """See ContentWriter.finish."""
        end = self._end = b"".join(self._blocks)
        if end:
            self.segment.unwritten.append((self._place(len(end)), end))
            self._blocks, self._waiting = [], 0
        content = Content(self.segment.name, tuple(self._extents), self._size, header_size, body_hash)
        if 0 < self._size == len(end) <= _FRESH_MESSAGE:
            self.segments.remember(content, end)
        self._content = content
        self.segment.waiting.append(content)
        return content

    def read(self, start: int, length: int) -> bytes:
        """See ContentWriter.read."""
        # The end may not be in the file yet.
        written = self._size - len(self._end)
        octets = b""
        if start < written:
            extents = Content(self.segment.name, tuple(self._extents), written, 0, "")
            octets = self.segments.read(extents, start, length)
            start, length = written, length - len(octets)
        return octets + self._end[start - written : start - written + length] if length > 0 else octets

    def abort(self) -> None:
        """See ContentWriter.abort."""
        if self._aborted:
            return
        self._aborted = True
        self._blocks = []
        if self._content is not None:
            if self._content not in self.segment.waiting:
                return
            self.segment.waiting.remove(self._content)
        self.segments.done(self.segment.name)

    def _flush(self) -> None:
        """Write a block now: memory must not grow with the message."""
        blocks, size = self._blocks, self._waiting
        try:
            _write(self.segment.fd, blocks, size, self.segment.size)
        except OSError as error:
            raise store_failure(error) from error
        self._place(size)
        self._blocks, self._waiting = [], 0

    def _place(self, size: int) -> int:
        """Take the next octets of the segment for this message; where they begin."""
        offset = self.segment.size
        self.segment.size += size
        self._size += size
        if self._extents and sum(self._extents[-1]) == offset:
            last, length = self._extents[-1]
            self._extents[-1] = (last, length + size)
        else:
            self._extents.append((offset, size))
        return offset


def _write_ends(segment: _Segment) -> None:
    """Write what finished messages left to be written, neighbours together; raises OSError.

    More may be added meanwhile: it is written now or the next time, and always before its message is committed.
    """
    run: list[bytes] = []
    start = size = 0
    while segment.unwritten:
        offset, octets = segment.unwritten.popleft()
        if run and offset != start + size:
            _write(segment.fd, run, size, start)
            run = []
        if not run:
            start, size = offset, 0
        run.append(octets)
        size += len(octets)
    if run:
        _write(segment.fd, run, size, start)


def _write(fd: int, blocks: list[bytes], size: int, offset: int) -> None:
    """Write all of `blocks`, of this size in all, at `offset`; raises OSError."""
    written = os.pwritev(fd, blocks[:_BLOCKS_AT_ONCE], offset)
    if written < size:
        rest = b"".join(blocks)
        while written < size:
            written += os.pwrite(fd, memoryview(rest)[written:], offset + written)
