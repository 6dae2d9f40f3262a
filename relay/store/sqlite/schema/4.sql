-- What was found out about mail from outside, as JSON; empty when that is nothing.
ALTER TABLE message ADD COLUMN findings TEXT NOT NULL DEFAULT '';
