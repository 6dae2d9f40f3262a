"""Waiting for something that tells nobody when it happens: a file, another process, an answer over HTTP."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE = 60.0  # seconds; how long a busy machine may take, never how long something should take
_PAUSE = 0.05

Found = TypeVar("Found")


async def until(probe: Callable[[], Found | Awaitable[Found]], what: str, patience: float = PATIENCE) -> Found:
    """Ask `probe` again and again until what it answers is true, and answer that."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    while True:
        found = probe()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if loop.time() > end:
            raise AssertionError(f"still not so after {patience:g} s: {what}")
        await asyncio.sleep(_PAUSE)
