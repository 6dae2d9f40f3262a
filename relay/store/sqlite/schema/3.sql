-- Ids of events are never given twice, also when the newest events are forgotten: whoever reads on from one relies on it.
CREATE TABLE numbered_event (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    queue_id TEXT NOT NULL,
    number   INTEGER,
    at       REAL NOT NULL,
    type     TEXT NOT NULL,
    data     TEXT NOT NULL
) STRICT;
INSERT INTO numbered_event SELECT id, queue_id, number, at, type, data FROM event;
DROP TABLE event;
ALTER TABLE numbered_event RENAME TO event;
CREATE INDEX event_message ON event (queue_id);
