"""What a tree of processes costs: CPU time and anonymous memory, read from /proc (proc(5))."""

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Stat:
    """One process: its parent, its own CPU seconds together with those of the children it has reaped."""

    parent: int
    cpu: float


def _read_stat(pid: int) -> Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(int(fields[1]), sum(map(int, fields[11:15])) / _TICK)


def _tree(roots: Iterable[int]) -> dict[int, Stat]:
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    stats = {pid: stat for pid in pids if (stat := _read_stat(pid))}
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    found: dict[int, Stat] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in stats and pid not in found:
            found[pid] = stats[pid]
            waiting.extend(children.get(pid, []))
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """CPU seconds of the trees under these processes so far, processes that have come and gone included."""
    return sum(stat.cpu for stat in _tree(roots).values())


def busy_seconds() -> float:
    """CPU seconds the whole machine has spent on anything but idling, waiting, or being taken away by its host."""
    user, nice, system, _idle, _wait, irq, soft, *_ = map(
        int, (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + soft) / _TICK


def _anonymous_bytes(pid: int) -> int:
    try:
        rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss_Anon:"))


class MemoryWatch:
    """Samples the anonymous memory of some process trees, twice a second, while the `with` block runs.

    A page that several processes share counts once (the kernel's proportional set size).
    """

    def __init__(self, roots: tuple[int, ...]) -> None:
        self.peak = 0
        self.processes = 0
        self._roots = roots
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self._sample()

    def _sample(self) -> None:
        pids = _tree(self._roots)
        self.processes = max(self.processes, len(pids))
        self.peak = max(self.peak, sum(map(_anonymous_bytes, pids)))
