-- What must not be forgotten beside mail: see relay.store.facts.
CREATE TABLE fact (
    kind    TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    version INTEGER NOT NULL,
    due     REAL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX fact_due ON fact (kind, due) WHERE due IS NOT NULL;
