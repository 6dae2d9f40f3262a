"""Changes of facts that many make at the same time."""

from collections.abc import Callable
from typing import NamedTuple

from relay.store.facts import Fact, FactStore
from relay.store.spool import SpoolError

# Whoever is outrun has seen another one write, so this is an end for a store that is in trouble, not for a crowd.
_TRIES = 1000


class Change(NamedTuple):
    """What was stored before, of version 0 when nothing was; and what is stored now, None when it was dropped."""

    before: Fact
    after: Fact | None


async def update(facts: FactStore, kind: str, key: str, change: Callable[[Fact], Fact | None]) -> Change:
    """Put what `change` makes of a fact in its place; asked again when another one was faster.

    `change` is given version 0 when there is no such fact. The very fact that it was given leaves all as it is, None
    drops it. Raises SpoolError, and has then changed nothing; what `change` raises leaves all as it is, too.
    """
    for _ in range(_TRIES):
        before = await facts.get(kind, key) or Fact(kind, key, {})
        wanted = change(before)
        if wanted is before:
            return Change(before, before)
        if wanted is None:
            if not before.version or await facts.drop(before):
                return Change(before, None)
        elif (after := await facts.put(wanted)) is not None:
            return Change(before, after)
    raise SpoolError(f"what is known as {kind} {key} changes too fast")
