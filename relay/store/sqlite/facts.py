"""Facts over SQLite: one row each."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import apsw

from relay.store.facts import Fact
from relay.store.sqlite.writer import GroupWriter

_COLUMNS = "kind, key, value, version, due"
_PUT = """
INSERT INTO fact (kind, key, value, version, due) SELECT ?1, ?2, ?3, ?4 + 1, ?5
WHERE ?4 = coalesce((SELECT version FROM fact WHERE kind = ?1 AND key = ?2), 0)
ON CONFLICT DO UPDATE SET value = excluded.value, version = excluded.version, due = excluded.due
"""
_GET_ALL = f"""
SELECT {_COLUMNS} FROM fact WHERE kind = ? AND key IN (SELECT value FROM json_each(?))
"""  # noqa: S608 -- constants only
_TAKE = f"""
UPDATE fact SET due = :until, version = version + 1
WHERE kind = :kind AND key IN
    (SELECT key FROM fact WHERE kind = :kind AND due <= :now ORDER BY due, key LIMIT :limit)
RETURNING {_COLUMNS}
"""  # noqa: S608 -- constants only


class SqliteFacts:
    """Keeps `relay.store.facts.FactStore`."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer

    async def get(self, kind: str, key: str) -> Fact | None:
        """See FactStore.get."""
        query = f"SELECT {_COLUMNS} FROM fact WHERE kind = ? AND key = ?"  # noqa: S608 -- constants only
        found = await self._writer.call(lambda to: _read(to.execute(query, (kind, key))), changes=False)
        return found[0] if found else None

    async def get_all(self, kind: str, keys: Collection[str]) -> Mapping[str, Fact]:
        """See FactStore.get_all."""
        wanted = (kind, json.dumps(list(keys)))
        found = await self._writer.call(lambda to: _read(to.execute(_GET_ALL, wanted)), changes=False)
        return {fact.key: fact for fact in found}

    async def list(self, kind: str, *, after: str = "", limit: int = 1000) -> Sequence[Fact]:
        """See FactStore.list."""
        query = f"SELECT {_COLUMNS} FROM fact WHERE kind = ? AND key > ? ORDER BY key LIMIT ?"  # noqa: S608 -- as above
        return await self._writer.call(lambda to: _read(to.execute(query, (kind, after, limit))), changes=False)

    async def put(self, fact: Fact) -> Fact | None:
        """See FactStore.put."""
        return (await self.put_all([fact]))[0]

    async def put_all(self, facts: Sequence[Fact]) -> Sequence[Fact | None]:
        """See FactStore.put_all."""
        rows = [(fact.kind, fact.key, json.dumps(dict(fact.value)), fact.version, fact.due) for fact in facts]

        def put(connection: apsw.Connection) -> list[bool]:
            stored: list[bool] = []
            for row in rows:
                connection.execute(_PUT, row)
                stored.append(connection.changes() == 1)
            return stored

        stored = await self._writer.call(put)
        return [
            replace(fact, version=fact.version + 1) if is_stored else None
            for fact, is_stored in zip(facts, stored, strict=True)
        ]

    async def drop(self, fact: Fact) -> bool:
        """See FactStore.drop."""
        row = (fact.kind, fact.key, fact.version)

        def drop(connection: apsw.Connection) -> bool:
            connection.execute("DELETE FROM fact WHERE kind = ? AND key = ? AND version = ?", row)
            return connection.changes() == 1

        return await self._writer.call(drop)

    async def take_due(self, kind: str, *, now: float, until: float, limit: int) -> Sequence[Fact]:
        """See FactStore.take_due."""
        due: dict[str, float] = {}

        def take(connection: apsw.Connection) -> list[Fact]:
            query = "SELECT key, due FROM fact WHERE kind = ? AND due <= ? ORDER BY due, key LIMIT ?"
            due.update((str(key), float(at)) for key, at in connection.execute(query, (kind, now, limit)))
            parameters = {"kind": kind, "now": now, "until": until, "limit": limit}
            return _read(connection.execute(_TAKE, parameters))

        taken = await self._writer.call(take)
        return sorted(taken, key=lambda fact: (due[fact.key], fact.key))


def _read(rows: Iterable[tuple[object, ...]]) -> "list[Fact]":
    return [
        Fact(str(kind), str(key), json.loads(str(value)), int(str(version)), None if due is None else float(str(due)))
        for kind, key, value, version, due in rows
    ]
