"""Group commit: one thread writes for all sessions of a worker, so that they share its fsyncs.

Works that arrive while a group is being written form the next one.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

import apsw

from relay.clock import Clock
from relay.store.spool import SpoolError
from relay.store.sqlite.batch import Rows
from relay.store.sqlite.database import database_failure, open_database
from relay.store.sqlite.files import locked, make_folder, store_failure
from relay.store.sqlite.segments import Segments

T = TypeVar("T")
_GROUP = 500


@dataclass(slots=True)
class _Write:
    rows: Rows
    future: "asyncio.Future[None]"


@dataclass(slots=True)
class _Call(Generic[T]):
    function: Callable[[apsw.Connection], T]
    changes: bool
    segments: Collection[str]
    future: "asyncio.Future[T]"


_Work = _Write | _Call[object]
_Result = tuple["asyncio.Future[object]", object, BaseException | None]


class GroupWriter:
    """Owns the connection and its thread. Futures it hands out are resolved on the event loop that asked."""

    def __init__(self, path: Path, segments: Segments, *, worker: str, clock: Clock) -> None:
        self._path = path
        self._segments = segments
        self._worker = worker
        self._clock = clock
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._lock = _open_lock(path)
        try:
            with locked(self._lock):
                self._connection = open_database(path)
        except SpoolError:
            os.close(self._lock)
            raise
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def write(self, rows: Rows) -> "asyncio.Future[None]":
        """Write rows in the next group; the future ends when they are on stable storage, or with a SpoolError."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._put(_Write(rows, future))
        return future

    def call(
        self, function: Callable[[apsw.Connection], T], *, changes: bool = True, segments: Collection[str] = ()
    ) -> "asyncio.Future[T]":
        """Run `function` on the connection, within the group's transaction when it changes something.

        What was written to `segments` is on stable storage before that.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._put(_Call(function, changes, segments, future))  # type: ignore[arg-type]
        return future

    async def close(self) -> None:
        """Write what is pending and end the thread; whoever comes later is told."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _put(self, work: _Work) -> None:
        if self._closed:
            raise SpoolError("the store is closed")
        self._queue.put(work)

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            self._connection.close()
            os.close(self._lock)

    def _serve(self) -> None:
        ending = False
        while not ending:
            group = [self._queue.get()]
            try:
                while len(group) < _GROUP:
                    group.append(self._queue.get_nowait())
            except Empty:
                pass
            ending = None in group
            results = self._handle([work for work in group if work is not None])
            try:
                self._loop.call_soon_threadsafe(_resolve, results)
            except RuntimeError:  # the loop is closed, and with it whoever asked is gone
                return

    def _handle(self, group: list[_Work]) -> list[_Result]:
        results: list[_Result] = []
        changing = [work for work in group if isinstance(work, _Write) or work.changes]
        if changing:
            try:
                results += self._transaction(changing)
            except Exception as error:  # noqa: BLE001 -- whatever it is belongs to those who asked
                results += self._one_by_one(changing, error)
        for work in group:
            if isinstance(work, _Call) and not work.changes:
                try:
                    results.append((work.future, work.function(self._connection), None))
                except Exception as error:  # noqa: BLE001 -- as above
                    results.append((work.future, None, database_failure(error, self._connection)))
        return results

    def _one_by_one(self, works: list[_Work], error: Exception) -> list[_Result]:
        """A group failed: find out whose fault it is, so that nobody pays for another's."""
        if len(works) == 1:
            return [(works[0].future, None, database_failure(error, self._connection))]  # type: ignore[list-item]
        results: list[_Result] = []
        for work in works:
            try:
                results += self._transaction([work])
            except Exception as own:  # noqa: BLE001 -- as above
                results.append((work.future, None, database_failure(own, self._connection)))  # type: ignore[arg-type]
        return results

    def _transaction(self, works: list[_Work]) -> list[_Result]:
        rows = Rows()
        for work in works:
            if isinstance(work, _Write):
                rows.extend(work.rows)
            else:
                rows.segments.update(work.segments)
        self._segments.sync(rows.segments)
        results: list[_Result] = []
        # The lock is the kernel's queue among processes; SQLite itself would sleep and poll.
        with locked(self._lock):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                rows.apply(self._connection, worker=self._worker, now=self._clock.now())
                for work in works:
                    value = work.function(self._connection) if isinstance(work, _Call) else None
                    results.append((work.future, value, None))  # type: ignore[arg-type]
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return results


def _resolve(results: list[_Result]) -> None:
    for future, value, error in results:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def _open_lock(path: Path) -> int:
    try:
        make_folder(path.parent)
        return os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise store_failure(error) from error
