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


def visit_spool(url: str, *, clock: Clock) -> Spool:
    """A look into the store at `url`, beside its workers: a visitor joins nobody, and leases and frees nothing.

    `Spool.start` comes next; it raises SpoolError where there is no store yet.
    """
    return SqliteSpool(store_path(url), worker="", pid=0, clock=clock)
