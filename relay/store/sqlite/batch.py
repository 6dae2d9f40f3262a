"""Rows on their way into the database: gathered on the event loop, written together by the store's thread.

A batch is written with a handful of set-based statements over JSON, because each statement costs a switch between
threads, whatever its size.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import apsw

from relay.store.sqlite import statements

Row = Sequence[str | int | float | None]


@dataclass(slots=True)
class Rows:
    """Rows to add or change, in the order of the columns in `statements`."""

    messages: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)
    segments: set[str] = field(default_factory=set)

    def extend(self, other: "Rows") -> None:
        """Add what `other` holds."""
        self.messages += other.messages
        self.deliveries += other.deliveries
        self.events += other.events
        self.changes += other.changes
        self.segments |= other.segments

    def apply(self, connection: apsw.Connection, *, worker: str, now: float) -> int:
        """Write them within a transaction, at `now`; how many of the changes were to leases of `worker`."""
        execute = connection.execute
        changed = 0
        if self.messages:
            execute(statements.ADD_MESSAGES, (rows_text(self.messages),))
            execute(statements.ADD_DELIVERIES, (rows_text(self.deliveries),))
        if self.changes:
            execute(statements.CHANGE_DELIVERIES, (rows_text(self.changes), worker))
            changed = connection.changes()
            execute(statements.FINISH_MESSAGES, (json.dumps(sorted({str(row[0]) for row in self.changes})), now))
        if self.events:
            execute(statements.ADD_EVENTS, (rows_text(self.events),))
        return changed


def rows_text(rows: Sequence[Row]) -> str:
    """Rows for json_each. What is no character in UTF-8 becomes a question mark: the database would never give
    it back, and peers decide about some of these texts.
    """
    return json.dumps(rows, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
