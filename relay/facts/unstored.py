"""Facts for those who only look: what the workers know counts, and nothing is changed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from relay.store.facts import Fact, FactStore


class Unstored:
    """Keeps `relay.store.facts.FactStore` for readers; what is put is forgotten. Without `known`, nothing is known."""

    def __init__(self, known: FactStore | None = None) -> None:
        self._known = known

    async def get(self, kind: str, key: str) -> Fact | None:
        """See FactStore.get."""
        return None if self._known is None else await self._known.get(kind, key)

    async def get_all(self, kind: str, keys: Collection[str]) -> Mapping[str, Fact]:
        """See FactStore.get_all."""
        return {} if self._known is None else await self._known.get_all(kind, keys)

    async def list(self, kind: str, *, after: str = "", limit: int = 1000) -> Sequence[Fact]:
        """See FactStore.list."""
        return () if self._known is None else await self._known.list(kind, after=after, limit=limit)

    async def put(self, fact: Fact) -> Fact | None:
        """See FactStore.put."""
        return replace(fact, version=fact.version + 1)

    async def put_all(self, facts: Sequence[Fact]) -> Sequence[Fact | None]:
        """See FactStore.put_all."""
        return [replace(fact, version=fact.version + 1) for fact in facts]

    async def drop(self, fact: Fact) -> bool:  # noqa: ARG002 -- FactStore's shape
        """See FactStore.drop."""
        return True

    async def take_due(
        self,
        kind: str,  # noqa: ARG002 -- as above
        *,
        now: float,  # noqa: ARG002
        until: float,  # noqa: ARG002
        limit: int,  # noqa: ARG002
    ) -> Sequence[Fact]:
        """See FactStore.take_due."""
        return ()
