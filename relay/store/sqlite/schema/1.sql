-- Times are seconds since the epoch. A message row never changes but for finished_at.
CREATE TABLE message (
    queue_id    TEXT PRIMARY KEY,
    origin      TEXT NOT NULL,
    received_at REAL NOT NULL,
    app         TEXT NOT NULL,
    peer        TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    envelope    TEXT NOT NULL,
    segment     TEXT NOT NULL,
    content     TEXT NOT NULL,
    finished_at REAL
) WITHOUT ROWID, STRICT;
CREATE INDEX message_live ON message (segment) WHERE finished_at IS NULL;
CREATE INDEX message_finished ON message (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX message_by_id ON message (message_id) WHERE message_id <> '';

CREATE TABLE delivery (
    queue_id      TEXT NOT NULL,
    number        INTEGER NOT NULL,
    recipient     TEXT NOT NULL,
    notify        TEXT NOT NULL,
    orcpt         TEXT,
    company       TEXT NOT NULL,
    state         TEXT NOT NULL,
    attempts      INTEGER NOT NULL,
    next_attempt  REAL NOT NULL,
    delay_noticed INTEGER NOT NULL,
    last          TEXT NOT NULL,
    hold_key      TEXT NOT NULL,
    worker        TEXT,
    PRIMARY KEY (queue_id, number)
) WITHOUT ROWID, STRICT;
CREATE INDEX delivery_due ON delivery (next_attempt) WHERE state = 'queued' AND worker IS NULL;
CREATE INDEX delivery_leased ON delivery (worker) WHERE worker IS NOT NULL;
CREATE INDEX delivery_held ON delivery (hold_key) WHERE state = 'held';
CREATE INDEX delivery_recipient ON delivery (recipient);

CREATE TABLE event (
    id       INTEGER PRIMARY KEY,
    queue_id TEXT NOT NULL,
    number   INTEGER,
    at       REAL NOT NULL,
    type     TEXT NOT NULL,
    data     TEXT NOT NULL
) STRICT;
CREATE INDEX event_message ON event (queue_id);

CREATE TABLE worker (
    worker      TEXT PRIMARY KEY,
    pid         INTEGER NOT NULL,
    started_at  REAL NOT NULL,
    lease_until REAL NOT NULL,
    detail      TEXT NOT NULL
) WITHOUT ROWID, STRICT;
