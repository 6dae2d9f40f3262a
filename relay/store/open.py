"""From the configuration's `store` to a spool."""

from pathlib import Path

from relay.clock import Clock
from relay.store.spool import Spool
from relay.store.sqlite.spool import SqliteSpool


def store_path(url: str) -> Path:
    """The database file of an embedded store: `sqlite:` and a path, relative to the working directory."""
    return Path(url.removeprefix("sqlite:"))


def open_spool(url: str, *, worker: str, pid: int, clock: Clock) -> Spool:
    """A worker's hold on the store at `url`; `Spool.start` comes next."""
    return SqliteSpool(store_path(url), worker=worker, pid=pid, clock=clock)
