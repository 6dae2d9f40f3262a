"""Reading the whole configuration once.

In charge of `load`, for programs that do not stay. A program that stays uses `relay.config.watch`.
"""

from contextlib import suppress
from pathlib import Path

from relay.config.cache import save_cache
from relay.config.snapshot import Snapshot
from relay.config.tree import Tree


def cache_of(config: Path) -> Path:
    """Where the relay keeps what it knows of the configuration's files, so as not to parse them again."""
    return Path("var") / f"{config.stem}.cache"


def load(path: Path, cache: Path | None = None) -> Snapshot:
    """The configuration in the files at and around `path` (relay.yaml).

    `cache` is a file that may or may not exist; with it, files that have not changed are not parsed again.
    Raises ConfigErrors with everything that is wrong.
    """
    tree = Tree(path, cache)
    tree.look_at_settings()
    tree.look_at_all()
    try:
        return tree.snapshot()
    finally:
        if cache and tree.parsed:
            with suppress(OSError):  # the cache only saves time
                save_cache(cache, tree.compiled)
