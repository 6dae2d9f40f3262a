"""What people and sweeps ask of the queue, and mail from outside about the mail that it answers."""

import json
from collections.abc import Mapping, Sequence

import apsw

from relay.events import Event, EventType
from relay.mail.address import AddressError, parse_address
from relay.store.spool import Content, Entry, Order, Origin, Selection, State, WorkerStatus
from relay.store.sqlite import statements
from relay.store.sqlite.batch import rows_text
from relay.store.sqlite.rows import event_rows, read_content, read_entries

_FOUND = 20
_EVENT_OF = {
    Order.RETRY: EventType.RETRIED,
    Order.HOLD: EventType.HELD,
    Order.RELEASE: EventType.RELEASED,
    Order.DROP: EventType.DROPPED,
}
# Mail from outside brings names that mostly nobody knows. One query for all of them takes several times as long, and so
# does each with a limit that is bound later.
_BY_QUEUE_ID = "SELECT queue_id FROM message WHERE queue_id = ?"
_BY_MESSAGE_ID = f"""
SELECT queue_id FROM message WHERE message_id = ? AND message_id <> '' ORDER BY queue_id DESC LIMIT {_FOUND}
"""  # noqa: S608 -- constants only, here and below
_BY_RECIPIENT = f"SELECT DISTINCT queue_id FROM delivery WHERE recipient = ? ORDER BY queue_id DESC LIMIT {_FOUND}"  # noqa: S608
_FOUND_AS = """
WHERE message.queue_id IN (SELECT value FROM json_each(?)) ORDER BY message.queue_id DESC, delivery.number
"""
# A delivery that a worker has in its hands cannot be held or dropped under it; the wish is refused, not half done.
_ALLOWED = {
    Order.RETRY: "delivery.state = 'queued' AND delivery.worker IS NULL",
    Order.HOLD: "delivery.state = 'queued' AND delivery.worker IS NULL",
    Order.RELEASE: "delivery.state = 'held'",
    Order.DROP: "delivery.state IN ('queued', 'held') AND delivery.worker IS NULL",
}
_CHANGE = {
    Order.RETRY: "next_attempt = :now",
    Order.HOLD: "state = 'held', hold_key = '', last = :reason",
    Order.RELEASE: "state = 'queued', hold_key = '', attempts = 0, next_attempt = :now",
    Order.DROP: "state = 'dropped', hold_key = '', last = :reason",
}


def find(connection: apsw.Connection, key: str) -> list[Entry]:
    """See Spool.find."""
    names = ((_BY_QUEUE_ID, key), (_BY_MESSAGE_ID, key), (_BY_MESSAGE_ID, f"<{key}>"), (_BY_RECIPIENT, _as_stored(key)))
    found = {str(queue_id) for query, name in names for (queue_id,) in connection.execute(query, (name,))}
    newest = json.dumps(sorted(found, reverse=True)[:_FOUND])
    return read_entries(connection.execute(statements.ENTRIES + _FOUND_AS, (newest,))) if found else []


def select(connection: apsw.Connection, selection: Selection) -> list[Entry]:
    """See Spool.select."""
    where, parameters = _conditions(selection)
    rows = connection.execute(
        f"{statements.ENTRIES} WHERE {where} ORDER BY delivery.queue_id, delivery.number LIMIT :limit", parameters
    )
    return read_entries(rows)


def carry_out(connection: apsw.Connection, order: Order, selection: Selection, *, now: float, reason: str) -> int:
    """See Spool.order."""
    where, parameters = _conditions(selection)
    keys = [
        (str(queue_id), int(number))
        for queue_id, number in connection.execute(
            f"SELECT queue_id, number FROM delivery WHERE {_ALLOWED[order]} AND {where} LIMIT :limit",  # noqa: S608
            parameters,
        )
    ]
    connection.execute(
        f"""
        UPDATE delivery SET {_CHANGE[order]}
        WHERE (queue_id, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:keys))
        """,  # noqa: S608 -- constants only
        {"keys": json.dumps(keys), "now": now, "reason": reason},
    )
    if order is Order.DROP:
        finished = json.dumps(sorted({queue_id for queue_id, _ in keys}))
        connection.execute(statements.FINISH_MESSAGES, (finished, now))
    events = [Event(_EVENT_OF[order], now, queue_id, number, {"reason": reason}) for queue_id, number in keys]
    connection.execute(statements.ADD_EVENTS, (rows_text(event_rows(events)),))
    return len(keys)


def release(connection: apsw.Connection, hold_key: str, now: float, most: int | None) -> int:
    """See Spool.release."""
    if not hold_key:
        return 0
    rows = list(
        connection.execute(
            """
            UPDATE delivery SET state = 'queued', hold_key = '', attempts = 0, next_attempt = ?2
            WHERE (queue_id, number) IN (
                SELECT queue_id, number FROM delivery WHERE state = 'held' AND hold_key = ?1
                ORDER BY queue_id, number LIMIT ?3
            ) RETURNING queue_id, number
            """,
            (hold_key, now, -1 if most is None else most),
        )
    )
    events = [Event(EventType.RELEASED, now, str(queue_id), int(number), {"by": hold_key}) for queue_id, number in rows]
    connection.execute(statements.ADD_EVENTS, (rows_text(event_rows(events)),))
    return len(rows)


def hold_unreadable(connection: apsw.Connection, unreadable: Mapping[str, str], *, worker: str, now: float) -> None:
    """Put messages, by queue id with the reason, before a person: nobody can deliver what cannot be read."""
    for queue_id, why in unreadable.items():
        reason = f"internal fault: its row in the store cannot be read: {why}"
        numbers = connection.execute(
            """
            UPDATE delivery SET state = 'held', hold_key = '', worker = NULL, last = ?3
            WHERE queue_id = ?1 AND worker = ?2 AND state = 'queued' RETURNING number
            """,
            (queue_id, worker, reason),
        )
        events = [Event(EventType.HELD, now, queue_id, int(number), {"reason": reason}) for (number,) in list(numbers)]
        connection.execute(statements.ADD_EVENTS, (rows_text(event_rows(events)),))


def counts(connection: apsw.Connection) -> Mapping[State, int]:
    """See Spool.counts."""
    waiting, leased, held = next(
        connection.execute(
            """
            SELECT (SELECT count(*) FROM delivery WHERE state = 'queued' AND worker IS NULL),
                   (SELECT count(*) FROM delivery WHERE worker IS NOT NULL),
                   (SELECT count(*) FROM delivery WHERE state = 'held')
            """
        )
    )
    return {State.QUEUED: waiting + leased, State.HELD: held}


def workers(connection: apsw.Connection, now: float) -> list[WorkerStatus]:
    """See Spool.workers."""
    rows = connection.execute("SELECT * FROM worker WHERE lease_until > ? ORDER BY worker", (now,))
    return [
        WorkerStatus(str(worker), int(pid), float(started_at), float(lease_until), json.loads(str(detail)))
        for worker, pid, started_at, lease_until, detail in rows
    ]


def without_live_messages(connection: apsw.Connection, segments: Sequence[str]) -> list[str]:
    """Those of `segments` whose messages are all finished, or that hold none."""
    live = "SELECT 1 FROM message WHERE segment = ? AND finished_at IS NULL LIMIT 1"
    return [name for name in segments if connection.execute(live, (name,)).fetchone() is None]


def expire_held(connection: apsw.Connection, origin: Origin, *, before: float, now: float, reason: str) -> list[Event]:
    """See Spool.expire_held."""
    rows = list(
        connection.execute(
            """
            UPDATE delivery SET state = 'expired', hold_key = '', last = ?3
            WHERE state = 'held' AND worker IS NULL AND EXISTS (
                SELECT 1 FROM message
                WHERE message.queue_id = delivery.queue_id AND message.origin = ?1 AND message.received_at < ?2)
            RETURNING queue_id, number, recipient
            """,
            (origin, before, reason),
        )
    )
    events = [
        Event(EventType.EXPIRED, now, str(queue_id), int(number), {"recipient": str(recipient), "reason": reason})
        for queue_id, number, recipient in rows
    ]
    if events:
        finished = json.dumps(sorted({event.queue_id for event in events}))
        connection.execute(statements.FINISH_MESSAGES, (finished, now))
        connection.execute(statements.ADD_EVENTS, (rows_text(event_rows(events)),))
    return events


def few_live_messages(connection: apsw.Connection, segment: str, most: int) -> list[tuple[str, Content]]:
    """The live messages of a segment, if they are few and nobody has any of them in hands; else none."""
    rows = list(
        connection.execute(
            """
            SELECT queue_id, content, EXISTS (
                SELECT 1 FROM delivery WHERE delivery.queue_id = message.queue_id AND delivery.worker IS NOT NULL)
            FROM message WHERE segment = ? AND finished_at IS NULL LIMIT ?
            """,
            (segment, most + 1),
        )
    )
    if len(rows) > most or any(in_hands for _, _, in_hands in rows):
        return []
    return [(str(queue_id), read_content(segment, str(content))) for queue_id, content, _ in rows]


def purge(connection: apsw.Connection, before: float, most: int) -> None:
    """Forget up to `most` messages that were finished before that time."""
    rows = connection.execute(
        "SELECT queue_id FROM message WHERE finished_at < ? ORDER BY finished_at LIMIT ?", (before, most)
    )
    keys = json.dumps([row[0] for row in rows])
    for table in ("event", "delivery", "message"):
        connection.execute(
            f"DELETE FROM {table} WHERE queue_id IN (SELECT value FROM json_each(?))",  # noqa: S608 -- constants only
            (keys,),
        )


def _as_stored(recipient: str) -> str:
    try:
        return str(parse_address(recipient))
    except AddressError:
        return recipient


def _conditions(selection: Selection) -> tuple[str, dict[str, str | int]]:
    parts = ["delivery.state IN (SELECT value FROM json_each(:states))"]
    parameters: dict[str, str | int] = {"states": json.dumps(selection.states), "limit": selection.limit}
    if selection.queue_ids:
        parts.append("delivery.queue_id IN (SELECT value FROM json_each(:queue_ids))")
        parameters["queue_ids"] = json.dumps(selection.queue_ids)
    if selection.company:
        parts.append("delivery.company = :company")
        parameters["company"] = selection.company
    if selection.recipient:
        parts.append("delivery.recipient = :recipient")
        parameters["recipient"] = _as_stored(selection.recipient)
    return " AND ".join(parts), parameters
