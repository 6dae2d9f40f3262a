"""Facts that nobody needs after some time: each has its end as the time at which it falls due."""

from collections.abc import Iterable

from relay.store.facts import FactStore

_AT_ONCE = 200
# Another worker takes them over when this one has not dropped them by then.
_CLAIM = 60.0


async def forget_faded(facts: FactStore, kinds: Iterable[str], *, now: float) -> int:
    """Drop the facts of these kinds whose time has come; how many that were. Raises SpoolError."""
    count = 0
    for kind in kinds:
        while faded := await facts.take_due(kind, now=now, until=now + _CLAIM, limit=_AT_ONCE):
            count += sum([await facts.drop(fact) for fact in faded])
    return count
