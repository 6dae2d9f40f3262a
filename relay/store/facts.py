"""What the relay knows beside mail and must not forget: confirmed addresses, tokens, the state of domains and accounts.

A fact is a small JSON value, named by its kind and its key. Whoever changes one says which version was read, so two
workers never undo each other's work; a fact that wants attention at some time is given to one worker only. This is
the protocol that all stores keep; `tests/store` holds one contract suite for them. Nothing here knows what a fact
means, and nothing secret is put here unless it is sealed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.events import Json


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact. `version` counts its changes from 1, 0 means not stored yet; `due` in seconds since the epoch."""

    kind: str
    key: str
    value: Mapping[str, Json]
    version: int = 0
    due: float | None = None


class FactStore(Protocol):
    """All facts of a store. Every call raises SpoolError, and has then changed nothing."""

    async def get(self, kind: str, key: str) -> Fact | None:
        """The fact of that name, None when there is none."""
        ...

    async def get_all(self, kind: str, keys: Collection[str]) -> Mapping[str, Fact]:
        """The facts of those names, by name, as far as there are any."""
        ...

    async def list(self, kind: str, *, after: str = "", limit: int = 1000) -> Sequence[Fact]:
        """Facts of a kind in order of their keys, those beyond the key `after`."""
        ...

    async def put(self, fact: Fact) -> Fact | None:
        """Put `fact` on stable storage in the place of the version it names.

        The fact as it is stored now, with its new version; None, and nothing written, when another version is stored.
        """
        ...

    async def put_all(self, facts: Sequence[Fact]) -> Sequence[Fact | None]:
        """As `put` for each of them in turn, in one go: whoever looks sees all of them, or none yet."""
        ...

    async def drop(self, fact: Fact) -> bool:
        """Forget the version of the fact that is named; False when another one is stored."""
        ...

    async def take_due(self, kind: str, *, now: float, until: float, limit: int) -> Sequence[Fact]:
        """Facts whose time has come, longest due first, each for this caller alone.

        They fall due again at `until`, so that somebody else takes over when nothing was put in their place by then.
        """
        ...
