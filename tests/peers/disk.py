"""A small disk that fills up, and that somebody makes larger: a file system in memory, mounted over a directory.

Where mounting is not allowed, as in most containers, a limit on the size of the relay's files stands in for it.
"""

import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from .programs import MissingError, run_as_root

MIB = 1024 * 1024


class SmallDisk:
    """A disk of a few MiB at `place`; `processes` tells who writes to it."""

    def __init__(self, place: Path, processes: Callable[[], Sequence[int]]) -> None:
        self._place = place
        self._processes = processes
        self._mounted = False

    def __enter__(self) -> Self:
        self._place.mkdir(parents=True, exist_ok=True)
        try:
            run_as_root("mount", "-t", "tmpfs", "-o", "size=8m,mode=1777", "relay-test", str(self._place))
            self._mounted = True
        except MissingError:
            self._mounted = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mounted:
            run_as_root("umount", "--lazy", str(self._place))

    def be_small(self) -> None:
        """From now on there is little room."""
        if not self._mounted:
            self._limit(2 * MIB)

    def be_large(self) -> None:
        """From now on there is room."""
        if self._mounted:
            run_as_root("mount", "-o", "remount,size=64m", str(self._place))
        else:
            self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        for pid in self._processes():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
