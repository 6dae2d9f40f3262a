"""The spool over SQLite: one database, segments beside it, any number of workers of one machine."""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import apsw

from relay.clock import Clock
from relay.events import Event, Json
from relay.store.spool import (
    Acceptance,
    Change,
    Content,
    ContentWriter,
    Entry,
    EventPage,
    Order,
    Origin,
    Selection,
    SpoolError,
    SpoolFull,
    State,
    WorkerStatus,
)
from relay.store.sqlite import event_pages, queue, segments, statements
from relay.store.sqlite.batch import Rows, rows_text
from relay.store.sqlite.facts import SqliteFacts
from relay.store.sqlite.files import store_failure
from relay.store.sqlite.rows import acceptance_rows, change_row, content_text, event_rows, read_entries, read_event
from relay.store.sqlite.segments import Segments
from relay.store.sqlite.writer import GroupWriter

LEASE_TIME = 30.0
_PURGED_AT_ONCE = 2000
_REMOVED_AT_ONCE = 64
# A segment is cleared when no more than one part in so many is alive, in no more than so many messages.
_DEAD_PART = 4
_MOVED_AT_ONCE = 64
_CLEARED_AT_ONCE = 8
T = TypeVar("T")


class SqliteSpool:
    """A worker's hold on the store at `path`; see `Spool` for what is promised.

    `worker` is this worker's name, "<instance>.<slot>.<count>": all workers of other instances, and earlier ones in
    the same slot, are dead when it starts, because an instance locks its store and reaps before it restarts.
    Without a name this is a visitor, who may look and give people's orders beside the workers.
    """

    def __init__(self, path: Path, *, worker: str, pid: int, clock: Clock) -> None:
        self._path = path
        self._worker = worker
        self._pid = pid
        self._clock = clock
        self._beaten_at = 0.0
        self._cleared = ""
        self._segments: Segments
        self._writer: GroupWriter

    async def start(self) -> None:
        """See Spool.start. A visitor does not join, and makes no new store."""
        if not self._worker and not self._path.exists():
            raise SpoolError(f"there is no store at {self._path} yet")
        self._segments = Segments(self._path.with_name(self._path.name + ".segments"), self._worker)
        self._writer = GroupWriter(self._path, self._segments, worker=self._worker, clock=self._clock)
        if not self._worker:
            return
        now = self._beaten_at = self._clock.now()
        instance, slot, _ = self._worker.rsplit(".", 2)

        def join(connection: apsw.Connection) -> None:
            connection.execute(
                "DELETE FROM worker WHERE worker NOT GLOB ?1 OR worker GLOB ?2",
                (f"{instance}.*", f"{instance}.{slot}.*"),
            )
            connection.execute(
                "INSERT INTO worker VALUES (?, ?, ?, ?, '{}')", (self._worker, self._pid, now, now + LEASE_TIME)
            )
            connection.execute(statements.FREE_DEAD_LEASES, (now,))

        try:
            await self._writer.call(join)
        except BaseException:
            await self._writer.close()
            raise

    async def stop(self) -> None:
        """See Spool.stop."""

        def leave(connection: apsw.Connection) -> None:
            connection.execute("UPDATE delivery SET worker = NULL WHERE worker = ?", (self._worker,))
            connection.execute("DELETE FROM worker WHERE worker = ?", (self._worker,))

        try:
            if self._worker:
                await self._writer.call(leave)
        finally:
            await self._writer.close()
            self._segments.close()

    @property
    def facts(self) -> SqliteFacts:
        """See Spool.facts."""
        return SqliteFacts(self._writer)

    def writer(self) -> ContentWriter:
        """See Spool.writer."""
        return self._segments.writer()

    def read(self, content: Content, start: int, length: int) -> bytes:
        """See Spool.read."""
        return self._segments.read(content, start, length)

    async def commit(self, acceptance: Acceptance) -> None:
        """See Spool.commit."""
        future = self._write_with([acceptance], self._writer.write)
        number_of = range(len(acceptance.message.envelope.recipients))
        leases = [(acceptance.message.queue_id, number) for number in number_of] if acceptance.leased else []
        await self._whole(future, lambda _: leases)

    async def lease(self, *, now: float, limit: int, busy: Collection[str] = ()) -> Sequence[Entry]:
        """See Spool.lease."""
        if not self._worker:
            raise SpoolError("a visitor leases nothing")
        parameters = {"worker": self._worker, "now": now, "limit": limit, "busy": json.dumps(list(busy))}

        def claim(connection: apsw.Connection) -> list[Entry]:
            keys = list(connection.execute(statements.LEASE, parameters))
            if not keys:
                return []
            unreadable: dict[str, str] = {}
            entries = read_entries(
                connection.execute(statements.ENTRIES + statements.LEASED_KEYS, (json.dumps(keys),)),
                unreadable.__setitem__,
            )
            if unreadable:
                queue.hold_unreadable(connection, unreadable, worker=self._worker, now=now)
            return entries

        return await self._whole(self._writer.call(claim), _leases)

    async def record(
        self, changes: Sequence[Change], events: Sequence[Event] = (), reports: Sequence[Acceptance] = ()
    ) -> None:
        """See Spool.record."""
        rows = Rows(changes=[change_row(change) for change in changes], events=event_rows(events))
        if not reports:
            await self._writer.write(rows)
            return

        def write(reported: Rows) -> asyncio.Future[None]:
            def apply(connection: apsw.Connection) -> None:
                changed = rows.apply(connection, worker=self._worker, now=self._clock.now())
                if changed or not changes:
                    reported.apply(connection, worker=self._worker, now=self._clock.now())

            return self._writer.call(apply, segments=reported.segments)

        await self._whole(self._write_with(reports, write), lambda _: [])

    async def give_back(self, deliveries: Sequence[tuple[str, int]], *, next_attempt: float) -> None:
        """See Spool.give_back."""
        parameters = (json.dumps(list(deliveries)), next_attempt, self._worker)
        await self._writer.call(lambda connection: connection.execute(statements.GIVE_BACK, parameters))

    async def heartbeat(self, *, now: float, detail: Mapping[str, Json]) -> int:
        """See Spool.heartbeat."""
        self._segments.forget_removed()

        # After a pause of this worker (a suspended machine, a clock that jumped) the others may have had the same one:
        # they get until the next heartbeat to show that they live.
        paused = not 0 <= now - self._beaten_at <= LEASE_TIME / 2
        self._beaten_at = now

        def beat(connection: apsw.Connection) -> int:
            connection.execute(
                "UPDATE worker SET lease_until = ?, detail = ? WHERE worker = ?",
                (now + LEASE_TIME, json.dumps(dict(detail)), self._worker),
            )
            if paused:
                return 0
            connection.execute(statements.FREE_DEAD_LEASES, (now,))
            return connection.changes()

        return await self._writer.call(beat)

    async def sweep(self, *, now: float, keep_history: float) -> int:
        """See Spool.sweep."""
        try:
            return await self._sweep(now - keep_history)
        except OSError as error:
            raise store_failure(error) from error

    async def expire_held(self, origin: Origin, *, before: float, now: float, reason: str) -> Sequence[Event]:
        """See Spool.expire_held."""
        return await self._writer.call(
            lambda connection: queue.expire_held(connection, origin, before=before, now=now, reason=reason)
        )

    async def held(self) -> Sequence[tuple[str, str]]:
        """See Spool.held."""
        return await self._writer.call(
            lambda connection: [
                (str(key), str(company))
                for key, company in connection.execute(
                    "SELECT DISTINCT hold_key, company FROM delivery WHERE state = 'held' AND hold_key <> ''"
                )
            ],
            changes=False,
        )

    async def release(self, hold_key: str, *, now: float, most: int | None = None) -> int:
        """See Spool.release."""
        return await self._writer.call(lambda connection: queue.release(connection, hold_key, now, most))

    async def company_of(self, queue_id: str, number: int) -> str | None:
        """See Spool.company_of."""

        def look_up(connection: apsw.Connection) -> str | None:
            row = connection.execute(
                "SELECT company FROM delivery WHERE queue_id = ? AND number = ?", (queue_id, number)
            ).fetchone()
            return None if row is None else str(row[0])

        return await self._writer.call(look_up, changes=False)

    async def note(self, events: Sequence[Event]) -> None:
        """See Spool.note."""
        rows = rows_text(event_rows(events))
        await self._writer.call(lambda connection: connection.execute(statements.ADD_KNOWN_EVENTS, (rows,)))

    async def find(self, key: str) -> Sequence[Entry]:
        """See Spool.find."""
        return await self._writer.call(lambda connection: queue.find(connection, key), changes=False)

    async def timeline(self, queue_id: str) -> Sequence[Event]:
        """See Spool.timeline."""
        return await self._writer.call(
            lambda connection: [
                read_event(row)
                for row in connection.execute(
                    "SELECT queue_id, number, at, type, data FROM event WHERE queue_id = ? ORDER BY at, id",
                    (queue_id,),
                )
            ],
            changes=False,
        )

    async def app_events(self, app: str, *, after: int | None, limit: int) -> EventPage:
        """See Spool.app_events."""
        return await self._writer.call(
            lambda connection: event_pages.page(connection, app, after, limit), changes=False
        )

    async def select(self, selection: Selection) -> Sequence[Entry]:
        """See Spool.select."""
        return await self._writer.call(lambda connection: queue.select(connection, selection), changes=False)

    async def order(self, order: Order, selection: Selection, *, now: float, reason: str) -> int:
        """See Spool.order."""
        return await self._writer.call(
            lambda connection: queue.carry_out(connection, order, selection, now=now, reason=reason)
        )

    async def counts(self) -> Mapping[State, int]:
        """See Spool.counts."""
        return await self._writer.call(queue.counts, changes=False)

    async def workers(self, *, now: float) -> Sequence[WorkerStatus]:
        """See Spool.workers."""
        return await self._writer.call(lambda connection: queue.workers(connection, now), changes=False)

    async def _sweep(self, before: float) -> int:
        self._segments.forget_removed()
        names = self._segments.others()

        def forget(connection: apsw.Connection) -> list[str]:
            queue.purge(connection, before, _PURGED_AT_ONCE)
            return queue.without_live_messages(connection, names)

        candidates = await self._writer.call(forget)
        # Messages may have been committed since, but none once nobody can add to a segment: so the question is
        # asked again, with the locks in hand.
        with self._segments.idle(candidates[:_REMOVED_AT_ONCE]) as idle:
            dead = await self._writer.call(lambda connection: queue.without_live_messages(connection, idle))
            freed = sum(self._segments.remove(name) for name in dead)
        return freed + sum([await self._clear(name) for name in self._next_to_clear(names)])

    def _next_to_clear(self, names: Sequence[str]) -> list[str]:
        """A few segments at a sweep, so that all have their turn."""
        following = [name for name in names if name > self._cleared] or list(names)
        chosen = following[:_CLEARED_AT_ONCE]
        self._cleared = chosen[-1] if chosen else ""
        return chosen

    async def _clear(self, name: str) -> int:
        """Move the few live messages of a segment that is dead for the most part elsewhere, and remove it.

        The copies are on stable storage before a row names them, and all rows change together: whatever is
        interrupted leaves the messages where they were, or where they are now. Octets freed.
        """
        with self._segments.idle([name]) as idle:
            if not idle:
                return 0
            few = await self._writer.call(
                lambda connection: queue.few_live_messages(connection, name, _MOVED_AT_ONCE), changes=False
            )
            live, size = sum(content.size for _, content in few), self._segments.size_of(name)
            if not few or size < segments.SEGMENT_SIZE // 64 or live * _DEAD_PART > size:
                return 0
            with suppress(SpoolFull):  # there will be room again, and nothing has changed
                await self._move(name, few)
            dead = await self._writer.call(lambda connection: queue.without_live_messages(connection, idle))
            return sum(self._segments.remove(each) - live for each in dead)

    async def _move(self, name: str, messages: Sequence[tuple[str, Content]]) -> None:
        taken: list[str] = []

        def done(_: object) -> None:
            for each in taken:
                self._segments.done(each)

        try:
            moves = []
            for queue_id, content in messages:
                copy = await self._copy(content)
                self._segments.take(copy)
                taken.append(copy.segment)
                moves.append((queue_id, name, copy.segment, content_text(copy)))
            rows = rows_text(moves)
            future = self._writer.call(
                lambda connection: connection.execute(statements.MOVE_CONTENTS, (rows,)), segments=set(taken)
            )
        except BaseException:
            done(None)
            raise
        future.add_done_callback(done)
        await asyncio.shield(future)

    async def _copy(self, content: Content) -> Content:
        """Write a message's octets once more, into the segment that grows; block by block, so that others go on."""
        writer = self._segments.writer()
        try:
            for start in range(0, content.size, segments.BLOCK_SIZE):
                writer.write(self._segments.read(content, start, segments.BLOCK_SIZE))
                await asyncio.sleep(0)
            return writer.finish(header_size=content.header_size, body_hash=content.body_hash)
        except BaseException:
            writer.abort()
            raise

    def _write_with(
        self, acceptances: Sequence[Acceptance], write: Callable[[Rows], "asyncio.Future[None]"]
    ) -> "asyncio.Future[None]":
        """Write new messages; from here on their contents stay open for as long as the store's thread needs them."""
        taken: list[str] = []

        def done(_: object) -> None:
            for name in taken:
                self._segments.done(name)

        try:
            rows = Rows()
            for acceptance in acceptances:
                content = acceptance.message.content
                self._segments.take(content)
                taken.append(content.segment)
                rows.extend(acceptance_rows(acceptance, self._worker))
            future = write(rows)
        except BaseException:
            done(None)
            raise
        future.add_done_callback(done)
        return future

    async def _whole(self, future: "asyncio.Future[T]", leases: Callable[[T], Sequence[tuple[str, int]]]) -> T:
        """Await `future`. If nobody waits for it any more, it goes on all the same, and its leases are given back."""
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda ended: self._free([] if ended.exception() else leases(ended.result())))
            raise

    def _free(self, leases: Sequence[tuple[str, int]]) -> None:
        if leases:
            parameters = (json.dumps(leases), None, self._worker)
            with suppress(SpoolError):  # closed in the meantime, which freed them
                self._writer.call(lambda connection: connection.execute(statements.GIVE_BACK, parameters))


def _leases(entries: Sequence[Entry]) -> list[tuple[str, int]]:
    return [(entry.message.queue_id, delivery.number) for entry in entries for delivery in entry.deliveries]
