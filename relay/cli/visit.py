"""Asks the store a question, beside a relay that may be running."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from relay.clock import SystemClock
from relay.store.open import visit_spool
from relay.store.spool import Spool

T = TypeVar("T")


def visit(config: Path, store: str, question: Callable[[Spool], Awaitable[T]]) -> T:
    """The answer to `question` from the store at `store`, or the one that the settings in `config` name.

    Raises ConfigErrors and SpoolError.
    """
    return asyncio.run(_visit(store or _store_of(config), question))


async def _visit(url: str, question: Callable[[Spool], Awaitable[T]]) -> T:
    spool = visit_spool(url, clock=SystemClock())
    await spool.start()
    try:
        return await question(spool)
    finally:
        await spool.stop()


def _store_of(config: Path) -> str:
    from relay.cli.reading import read_settings

    return read_settings(config).store
