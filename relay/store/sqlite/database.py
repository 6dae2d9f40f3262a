"""Opens the database: settings that make a commit durable, the schema, and the checks before trusting any of it."""

from pathlib import Path

import apsw

from relay.store.spool import SpoolError, SpoolFull
from relay.store.sqlite.files import NO_ROOM, store_failure

# One numbered file a step; a database is brought from whatever step it has reached to the last.
_STEPS = Path(__file__).parent / "schema"
SCHEMA_VERSION = 4
# "rely" in the header of the file tells it from other programs' databases.
_APPLICATION = 0x72656C79
# Older libraries can corrupt a WAL database when two connections write and checkpoint together.
_OLDEST_SAFE = 3_051_003
_SETTINGS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 4000;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -2048;
PRAGMA temp_store = MEMORY;
"""


def open_database(path: Path) -> apsw.Connection:
    """Open or create the database at `path`; raises SpoolError when it cannot be used.

    Every commit on this connection is on stable storage when it returns (WAL with synchronous=FULL). The caller
    sees to it that only one process at a time is in here.
    """
    if apsw.SQLITE_VERSION_NUMBER < _OLDEST_SAFE:
        raise SpoolError(f"SQLite {apsw.sqlite_lib_version()} can corrupt a WAL database; 3.51.3 or newer is needed")
    try:
        connection = apsw.Connection(str(path))
    except apsw.Error as error:
        raise SpoolError(f"{path}: {error}") from error
    try:
        connection.set_busy_timeout(10_000)
        # Nothing is changed before it is known that the database is ours.
        version = _version(connection)
        if not version:
            # Pages of 8 KiB: rows of one message sit together, and fewer pages are logged a commit.
            connection.execute("PRAGMA page_size = 8192")
        connection.execute(_SETTINGS).fetchall()
        if version < SCHEMA_VERSION:
            _bring_up(connection, version)
    except (apsw.Error, SpoolError) as error:
        failure = database_failure(error, connection)
        connection.close()
        raise type(failure)(f"{path}: {failure}") from error
    return connection


def database_failure(error: Exception, connection: apsw.Connection) -> SpoolError:
    """The spool's word for whatever went wrong on `connection`."""
    if isinstance(error, SpoolError):
        return error
    if isinstance(error, OSError):
        return store_failure(error)
    # SQLite has a word of its own for ENOSPC on most ways, but not on all, and not for the other errors of that kind.
    if isinstance(error, apsw.FullError) or (
        isinstance(error, apsw.IOError | apsw.CantOpenError) and connection.system_errno in NO_ROOM
    ):
        return SpoolFull(str(error))
    return SpoolError(f"{type(error).__name__}: {error}")


def _version(connection: apsw.Connection) -> int:
    """The step of the schema that the database has reached, 0 for a new one."""
    ((application, version, tables),) = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"
        " FROM pragma_application_id, pragma_user_version"
    )
    if application == 0 and version == 0 and tables == 0:
        return 0
    if application != _APPLICATION or version < 1:
        raise SpoolError("this is the database of another program")
    if version > SCHEMA_VERSION:
        raise SpoolError(f"the database has schema version {version}; this program knows {SCHEMA_VERSION}")
    return int(version)


def _bring_up(connection: apsw.Connection, version: int) -> None:
    """Take all steps that are missing, or none."""
    with connection:
        for step in range(version + 1, SCHEMA_VERSION + 1):
            connection.execute((_STEPS / f"{step}.sql").read_text(encoding="ascii"))
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
