"""The statements of the hot path. Each takes all rows of a group as one JSON array of arrays."""

ADD_MESSAGES = """
INSERT INTO message (queue_id, origin, received_at, app, peer, message_id, envelope, segment, content,
                     findings)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
       value ->> 8, value ->> 9
FROM json_each(?)
"""

ADD_DELIVERIES = """
INSERT INTO delivery (queue_id, number, recipient, notify, orcpt, company, state, attempts, next_attempt,
                      delay_noticed, last, hold_key, worker)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, 'queued', 0, value ->> 6,
       0, '', '', value ->> 7
FROM json_each(?)
"""

ADD_EVENTS = """
INSERT INTO event (queue_id, number, at, type, data)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
FROM json_each(?)
"""

ADD_KNOWN_EVENTS = f"""
{ADD_EVENTS} WHERE EXISTS (SELECT 1 FROM message WHERE queue_id = value ->> 0)
"""  # noqa: S608 -- constants only

CHANGE_DELIVERIES = """
UPDATE delivery
SET state = change.value ->> 2, attempts = change.value ->> 3, next_attempt = change.value ->> 4,
    last = change.value ->> 5, delay_noticed = change.value ->> 6, hold_key = change.value ->> 7, worker = NULL
FROM json_each(?1) AS change
WHERE delivery.queue_id = change.value ->> 0 AND delivery.number = change.value ->> 1 AND delivery.worker = ?2
"""

FINISH_MESSAGES = """
UPDATE message SET finished_at = ?2
WHERE queue_id IN (SELECT value FROM json_each(?1)) AND finished_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM delivery
    WHERE delivery.queue_id = message.queue_id AND delivery.state IN ('queued', 'held'))
"""

# Whatever somebody has in hands stays where it is: they know its place by heart.
MOVE_CONTENTS = """
UPDATE message SET segment = move.value ->> 2, content = move.value ->> 3
FROM json_each(?1) AS move
WHERE message.queue_id = move.value ->> 0 AND message.segment = move.value ->> 1 AND message.finished_at IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM delivery WHERE delivery.queue_id = message.queue_id AND delivery.worker IS NOT NULL)
"""

LEASE = """
UPDATE delivery SET worker = :worker
WHERE (queue_id, number) IN (
    SELECT queue_id, number FROM delivery
    WHERE state = 'queued' AND worker IS NULL AND next_attempt <= :now
      AND company NOT IN (SELECT value FROM json_each(:busy))
    ORDER BY next_attempt LIMIT :limit)
RETURNING queue_id, number
"""

GIVE_BACK = """
UPDATE delivery SET worker = NULL, next_attempt = coalesce(?2, next_attempt)
FROM json_each(?1) AS lease
WHERE delivery.queue_id = lease.value ->> 0 AND delivery.number = lease.value ->> 1 AND delivery.worker = ?3
"""

FREE_DEAD_LEASES = """
UPDATE delivery SET worker = NULL
WHERE worker IS NOT NULL AND worker NOT IN (SELECT worker FROM worker WHERE lease_until > ?1)
"""

MESSAGE_COLUMNS = """
message.queue_id, message.origin, message.received_at, message.app, message.peer, message.message_id,
message.envelope, message.segment, message.content, message.findings
"""

DELIVERY_COLUMNS = """
delivery.number, delivery.recipient, delivery.notify, delivery.orcpt, delivery.company, delivery.state,
delivery.attempts, delivery.next_attempt, delivery.delay_noticed, delivery.last, delivery.hold_key, delivery.worker
"""

LEASED_KEYS = """
WHERE (delivery.queue_id, delivery.number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))
ORDER BY delivery.next_attempt
"""

ENTRIES = f"""
SELECT {MESSAGE_COLUMNS}, {DELIVERY_COLUMNS}
FROM delivery JOIN message USING (queue_id)
"""  # noqa: S608 -- constants only
