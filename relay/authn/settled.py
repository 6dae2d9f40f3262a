"""Several questions at the same time, of which some may be answered already."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

Value = TypeVar("Value")

# A value that is at hand, or what gets it. Most questions about most mails are answered: they cost no task then.
Question: TypeAlias = Value | Coroutine[Any, Any, Value]


async def settled(questions: Iterable[Question[Value]]) -> list[Value]:
    """The values in the same order; what is not at hand is asked for together."""
    parts = list(questions)
    missing = [each for each in parts if isinstance(each, Coroutine)]
    found: Iterator[Value] = iter(await asyncio.gather(*missing) if missing else ())
    return [next(found) if isinstance(each, Coroutine) else each for each in parts]
