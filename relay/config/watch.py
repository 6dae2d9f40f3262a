"""The configuration kept up to date while the relay runs.

In charge of looking for changes cheaply, and of swapping whole snapshots: a change is taken over when all files
together are right, else the last good snapshot stays and `error` says what is wrong. Has no threads of its own and
logs nothing: whoever runs `check` does.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from relay.config.cache import save_cache
from relay.config.errors import ConfigErrors
from relay.config.notify import Notices
from relay.config.snapshot import Snapshot
from relay.config.tree import SUFFIX, Tree

_LEAST_INTERVAL = 2.0
_SHARE = 50  # looking takes at most one part in 50 of the time: 2 % of a core


@dataclass(frozen=True, slots=True)
class Change:
    """A snapshot was swapped. `files`: a certificate, key or secret that relay.yaml names has another content."""

    before: Snapshot
    after: Snapshot
    settings: bool
    files: bool
    added: frozenset[str]
    changed: frozenset[str]
    removed: frozenset[str]


class Watcher:
    """Holds the current `snapshot`. `check` may run in another thread, in one at a time."""

    def __init__(self, path: Path, cache: Path | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Load the configuration at `path`. Raises ConfigErrors: there is no good state to keep yet."""
        self.error: ConfigErrors | None = None
        self.cache_error: OSError | None = None
        self._cache = cache
        self._clock = clock
        self._tree = Tree(path, cache)
        self._touched: set[str] = set()
        self._undecided = False
        self._saved = 0
        self._changed_at = time.time()
        self._notices = Notices.of(self._tree.directory)
        started = clock()
        try:
            self._tree.look_at_settings()
            self._tree.look_at_all()
            self.snapshot = self._tree.snapshot()
        except ConfigErrors:
            self.close()
            raise
        finally:
            self._save()
        self._files = self._tree.named_files_digest()
        self._duration = clock() - started
        self._full_duration = self._duration if not self._tree.parsed else 0.0
        self._full_at = clock()

    @property
    def parsed(self) -> int:
        """Companies' files that had to be parsed so far."""
        return self._tree.parsed

    @property
    def interval(self) -> float:
        """Seconds to wait before the next `check`."""
        return _LEAST_INTERVAL if self._notices else max(_LEAST_INTERVAL, _SHARE * self._duration)

    def check(self, *, full: bool = False) -> Change | None:
        """Look for changes, and take them over when the whole is right. What was swapped, if anything was.

        `full` looks at every file, also at those of which the kernel gave no notice.
        """
        started = self._clock()
        touched = self._look(full=full)
        if touched:
            self._touched |= touched
            self._changed_at = time.time()
        change = self._take_over() if self._tree.look_at_settings() or touched or self._undecided else None
        if not touched and self._tree.parsed != self._saved:
            self._save()
        self._duration = self._clock() - started
        return change

    def close(self) -> None:
        """Give back what the kernel holds for it. The snapshot stays good."""
        if self._notices:
            self._notices.close()
            self._notices = None

    def _look(self, *, full: bool) -> set[str]:
        directory = self._tree.directory
        names = self._notices.names(directory) if self._notices else None
        if names is None:
            self.close()
            self._notices = Notices.of(directory)
        due = self._clock() - self._full_at >= max(_LEAST_INTERVAL, _SHARE * self._full_duration)
        if full or due or names is None or any(_is_strange(name) for name in names):
            return self._look_at_all()
        return self._tree.look_at(name.removesuffix(SUFFIX) for name in names if _is_company(name))

    def _look_at_all(self) -> set[str]:
        started = self._clock()
        strays = self._tree.strays
        touched = self._tree.look_at_all()
        self._undecided = self._undecided or strays != self._tree.strays
        self._full_at = self._clock()
        self._full_duration = self._full_at - started
        return touched

    def _take_over(self) -> Change | None:
        self._undecided = False
        try:
            after = self._tree.snapshot()
        except ConfigErrors as error:
            if self.error is None or error.errors != self.error.errors:
                self.error = error
            return None
        self.error = None
        before, touched, files = self.snapshot, self._touched, self._tree.named_files_digest()
        self._touched = set()
        if after.generation == before.generation:
            return None
        added, changed, removed = before.compare(after, touched)
        change = Change(
            before=before,
            after=after,
            settings=before.settings != after.settings,
            files=files != self._files,
            added=added,
            changed=changed,
            removed=removed,
        )
        self.snapshot, self._files = after, files
        return change

    def _save(self) -> None:
        """Save what was parsed, unless another worker has done so since the last change."""
        parsed, self._saved = self._tree.parsed, self._tree.parsed
        if self._cache is None or not parsed:
            return
        try:
            if not self._cache.exists() or self._cache.stat().st_mtime <= self._changed_at:
                save_cache(self._cache, self._tree.compiled)
            self.cache_error = None
        except OSError as error:
            self.cache_error = error


def _is_company(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def _is_strange(name: str) -> bool:
    """Neither a company's file nor one that an editor makes while it saves."""
    ignored = name.startswith(".") and not name.startswith("..")
    return not (_is_company(name) or ignored or name.endswith("~"))
