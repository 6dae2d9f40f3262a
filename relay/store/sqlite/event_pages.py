"""Events of one app, in the order of their ids."""

import apsw

from relay.store.spool import EventPage, StoredEvent
from relay.store.sqlite.rows import read_event

_SCANNED = 5000
_LAST = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)"
_END_OF_SCAN = "SELECT max(id), count(*) FROM (SELECT id FROM event WHERE id > ? ORDER BY id LIMIT ?)"
# CROSS JOIN keeps the order of the loops: along the ids, never over all messages of an app.
_PAGE = """
SELECT event.queue_id, event.number, event.at, event.type, event.data,
    event.id, message.message_id, coalesce(delivery.company, '')
FROM event CROSS JOIN message ON message.queue_id = event.queue_id
    LEFT JOIN delivery ON delivery.queue_id = event.queue_id AND delivery.number = coalesce(event.number, 0)
WHERE event.id > :after AND event.id <= :last AND message.app = :app
ORDER BY event.id LIMIT :limit
"""


def page(connection: apsw.Connection, app: str, after: int | None, limit: int) -> EventPage:
    """See Spool.app_events."""
    ((end,),) = connection.execute(_LAST)
    if after is None or after >= end:
        return EventPage((), int(end), more=False)
    ((scanned, count),) = connection.execute(_END_OF_SCAN, (after, _SCANNED))
    last = end if count < _SCANNED else scanned
    parameters = {"app": app, "after": after, "last": last, "limit": limit}
    events = tuple(
        StoredEvent(int(row[5]), read_event(row[:5]), str(row[6]), str(row[7]))
        for row in connection.execute(_PAGE, parameters)
    )
    if len(events) == limit:
        last = events[-1].id
    return EventPage(events, int(last), more=last < end)
