"""Several questions at the same time, of which some may be answered already."""

import asyncio
from collections.abc import Coroutine, Iterable
from types import CoroutineType
from typing import Any, TypeAlias, TypeVar, cast

Value = TypeVar("Value")

# A value that is at hand, or what gets it. Most questions about most mails are answered: they cost no task then.
Question: TypeAlias = Value | Coroutine[Any, Any, Value]


async def settled(questions: Iterable[Question[Value]]) -> list[Value]:
    """The values in the same order; what is not at hand is asked for together."""
    parts = list(questions)
    missing = [place for place, each in enumerate(parts) if isinstance(each, CoroutineType)]
    if missing:
        found = await asyncio.gather(*(cast("Coroutine[Any, Any, Value]", parts[place]) for place in missing))
        for place, value in zip(missing, found, strict=True):
            parts[place] = value
    return cast("list[Value]", parts)
