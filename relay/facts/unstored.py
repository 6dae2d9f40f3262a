"""Facts for those who only want to know how things are now: nothing is known beforehand, and nothing is kept."""

from collections.abc import Sequence
from dataclasses import replace

from relay.store.facts import Fact


class Unstored:
    """Keeps `relay.store.facts.FactStore` by forgetting everything."""

    async def get(self, kind: str, key: str) -> Fact | None:  # noqa: ARG002 -- FactStore's shape
        """See FactStore.get."""
        return None

    async def list(self, kind: str, *, after: str = "", limit: int = 1000) -> Sequence[Fact]:  # noqa: ARG002 -- as above
        """See FactStore.list."""
        return ()

    async def put(self, fact: Fact) -> Fact | None:
        """See FactStore.put."""
        return replace(fact, version=fact.version + 1)

    async def drop(self, fact: Fact) -> bool:  # noqa: ARG002 -- as above
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
