"""Writers outside who are still connected, and wait for what the company's host says of their mail.

The mail is committed before, so nothing depends on them: who has gone, or waited for too long, changes nothing for it.
But once a refusal is theirs to hear, the mail is not kept, and they wait until that is written down.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from relay.mail.reply import Reply


@dataclass(slots=True)
class _Waiting:
    verdict: "asyncio.Future[Reply | None]"
    refusal: Reply | None = None


class Verdicts:
    """The writers of one worker, by the mail that each has brought."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    async def of(self, queue_id: str, begin: Callable[[], None], *, patience: float) -> Reply | None:
        """The refusal that the attempt ends in that `begin` starts; None for all else, and after `patience` seconds."""
        waiting = self._waiting[queue_id] = _Waiting(asyncio.get_running_loop().create_future())
        try:
            begin()
            await asyncio.wait([waiting.verdict], timeout=patience)
            if waiting.refusal is not None:
                return await waiting.verdict
            return None
        finally:
            del self._waiting[queue_id]

    def refuse(self, queue_id: str, refusal: Reply | None) -> bool:
        """Whether the writer is there to hear `refusal`. Then nobody else is told."""
        waiting = self._waiting.get(queue_id)
        if waiting is None or refusal is None:
            return False
        waiting.refusal = refusal
        return True

    def written(self, queue_id: str) -> None:
        """What the attempt came to is on stable storage."""
        waiting = self._waiting.get(queue_id)
        if waiting is not None and not waiting.verdict.done():
            waiting.verdict.set_result(waiting.refusal)
