"""Opens the database: settings that make a commit durable, the schema, and the checks before trusting a library."""

from pathlib import Path

import apsw

from relay.store.spool import SpoolError

SCHEMA_VERSION = 1
# Older libraries can corrupt a WAL database when two connections write and checkpoint together.
_OLDEST_SAFE = 3_051_003


def open_database(path: Path) -> apsw.Connection:
    """Open or create the database at `path`; raises SpoolError when it cannot be used.

    Every commit on this connection is on stable storage when it returns (WAL with synchronous=FULL).
    """
    if apsw.SQLITE_VERSION_NUMBER < _OLDEST_SAFE:
        raise SpoolError(f"SQLite {apsw.sqlite_lib_version()} can corrupt a WAL database; 3.51.3 or newer is needed")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(10_000)
        # Pages of 8 KiB: rows of one message sit together, and fewer pages are logged a commit.
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -8192")
        connection.execute("PRAGMA temp_store = MEMORY")
        _prepare_schema(connection)
    except apsw.Error as error:
        raise SpoolError(f"{path}: {error}") from error
    return connection


def _prepare_schema(connection: apsw.Connection) -> None:
    with connection:
        (version,) = next(connection.execute("PRAGMA user_version"))
        if version == SCHEMA_VERSION:
            return
        if version != 0:
            raise SpoolError(f"the database has schema version {version}; this program knows {SCHEMA_VERSION}")
        connection.execute((Path(__file__).parent / "schema.sql").read_text(encoding="ascii"))
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
