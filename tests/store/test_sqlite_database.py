"""Which database is trusted, and how the store's thread ends."""

import asyncio
import sqlite3
import threading

import apsw
import pytest

from relay.clock import SystemClock
from relay.events import EventType
from relay.mail.address import Address
from relay.mail.envelope import Envelope, Recipient
from relay.store.spool import Acceptance, Message, Origin, SpoolError, State
from relay.store.sqlite import database
from relay.store.sqlite.batch import Rows
from relay.store.sqlite.database import SCHEMA_VERSION, open_database
from relay.store.sqlite.spool import SqliteSpool


def _schema(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT name FROM sqlite_schema ORDER BY name").fetchall()


def test_an_older_library_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(apsw, "SQLITE_VERSION_NUMBER", 3_051_002)

    with pytest.raises(SpoolError, match=r"3\.51\.3 or newer is needed"):
        open_database(tmp_path / "relay.db")


def test_a_schema_from_the_future_is_refused(tmp_path):
    path = tmp_path / "relay.db"
    connection = open_database(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()

    with pytest.raises(SpoolError, match=f"relay.db: the database has schema version {SCHEMA_VERSION + 1}"):
        open_database(path)


def test_a_schema_from_the_past_is_brought_up_with_all_it_holds(tmp_path, monkeypatch):
    path = tmp_path / "relay.db"
    new = open_database(tmp_path / "new.db")
    whole = _schema(tmp_path / "new.db")
    new.close()
    with monkeypatch.context() as past:
        past.setattr(database, "SCHEMA_VERSION", 1)
        connection = open_database(path)
    connection.execute("INSERT INTO worker VALUES ('a.1.1', 1, 0, 0, '{}')")
    connection.close()

    connection = open_database(path)

    assert list(connection.execute("SELECT worker FROM worker")) == [("a.1.1",)]
    assert list(connection.execute("PRAGMA user_version")) == [(SCHEMA_VERSION,)]
    assert _schema(path) == whole
    connection.close()


async def test_a_message_whose_row_is_broken_waits_for_a_person_and_holds_nobody_up(tmp_path):
    path = tmp_path / "relay.db"
    spool = SqliteSpool(path, worker="a.1.1", pid=1, clock=SystemClock())
    await spool.start()
    for queue_id in ("broken", "whole"):
        writer = spool.writer()
        writer.write(b"\r\nHello\r\n")
        envelope = Envelope(None, (Recipient(Address("anna", "shop.example")),))
        content = writer.finish(header_size=2, body_hash="")
        message = Message(queue_id, Origin.SUBMISSION, 1.0, "", "", "", envelope, content)
        await spool.commit(Acceptance(message, ("shop",), leased=False))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE message SET envelope = '[' WHERE queue_id = 'broken'")
    connection.close()

    entries = await spool.lease(now=2.0, limit=10)

    assert [entry.message.queue_id for entry in entries] == ["whole"]
    assert await spool.counts() == {State.QUEUED: 1, State.HELD: 1}
    (held,) = await spool.timeline("broken")
    assert held.type is EventType.HELD
    assert "its row in the store cannot be read: JSONDecodeError" in str(held.data["reason"])
    await spool.stop()


@pytest.mark.parametrize("pragma", ["user_version = 0", f"user_version = {SCHEMA_VERSION}", "application_id = 7"])
def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path, pragma):
    path = tmp_path / "relay.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
        connection.execute(f"PRAGMA {pragma}")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(SpoolError, match=r"relay\.db: this is the database of another program"):
        open_database(path)

    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["relay.db"]


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "relay.db"
    path.write_bytes(b"Dear diary, " * 1000)

    with pytest.raises(SpoolError, match=r"relay\.db: "):
        open_database(path)

    assert path.read_bytes() == b"Dear diary, " * 1000


async def test_a_folder_in_the_place_of_the_database_is_refused(tmp_path):
    (tmp_path / "relay.db").mkdir()
    spool = SqliteSpool(tmp_path / "relay.db", worker="a.1.1", pid=1, clock=SystemClock())

    with pytest.raises(SpoolError):
        await spool.start()


def test_every_commit_is_synced(tmp_path):
    connection = open_database(tmp_path / "relay.db")

    assert list(connection.execute("PRAGMA journal_mode")) == [("wal",)]
    assert list(connection.execute("PRAGMA synchronous")) == [(2,)]
    connection.close()


async def test_workers_may_start_at_once_on_a_new_store(tmp_path):
    def one(slot):
        async def start_and_stop():
            spool = SqliteSpool(tmp_path / "new" / "relay.db", worker=f"a.{slot}.1", pid=1, clock=SystemClock())
            await spool.start()
            await spool.stop()

        asyncio.run(start_and_stop())

    await asyncio.gather(*(asyncio.to_thread(one, slot) for slot in range(8)))

    assert ("message",) in _schema(tmp_path / "new" / "relay.db")


async def test_a_worker_that_cannot_join_leaves_nothing_running(sqlite):
    await sqlite.start()
    threads = threading.active_count()
    spool = SqliteSpool(sqlite._implementation.path, worker="test.2.1", pid=1, clock=sqlite.clock)
    twin = SqliteSpool(sqlite._implementation.path, worker="test.2.1", pid=None, clock=sqlite.clock)
    await spool.start()

    with pytest.raises(SpoolError):
        await twin.start()
    await spool.stop()

    assert threading.active_count() <= threads + 1  # the loop's own thread for blocking calls


async def test_after_the_end_every_work_is_refused(sqlite):
    spool = await sqlite.start()
    acceptance = sqlite.acceptance(spool)
    await sqlite.stop(spool)

    with pytest.raises(SpoolError):
        await spool.commit(acceptance)
    with pytest.raises(SpoolError):
        await spool.lease(now=sqlite.now, limit=1)
    with pytest.raises(SpoolError):
        await spool.counts()


async def test_works_that_were_waiting_at_the_end_are_done(sqlite):
    spool = await sqlite.start()
    works = [spool._writer.write(Rows()) for _ in range(1200)]

    await spool._writer.close()

    assert all(work.done() and work.exception() is None for work in works)
    spool._writer._closed = True
    spool._segments.close()
    sqlite._running.remove(spool)


def test_the_thread_ends_when_its_loop_is_gone(tmp_path):
    loop = asyncio.new_event_loop()
    spool = SqliteSpool(tmp_path / "relay.db", worker="a.1.1", pid=1, clock=SystemClock())
    loop.run_until_complete(spool.start())
    gone = threading.Event()
    spool._writer.call(lambda _: gone.wait())
    loop.close()

    gone.set()
    spool._writer._thread.join(10)

    assert not spool._writer._thread.is_alive()
    spool._segments.close()


async def test_an_error_in_a_read_is_for_its_reader_alone(sqlite):
    spool = await sqlite.start()

    def broken(connection):
        return connection.execute("SELECT no_such_column FROM message").fetchall()

    results = await asyncio.gather(
        spool.counts(), spool._writer.call(broken, changes=False), spool.counts(), return_exceptions=True
    )

    assert isinstance(results[1], SpoolError)
    assert results[0] == results[2]


def test_the_application_is_named_in_the_file(tmp_path):
    open_database(tmp_path / "relay.db").close()

    with sqlite3.connect(tmp_path / "relay.db") as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (database._APPLICATION,)
    connection.close()
