"""Puts mail of our own into the queue once, however often it is asked to.

A queue id is claimed for each name before anything is written: whoever asks again, here or in another worker, finds it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from relay.clock import Clock
from relay.config.keyring import Active
from relay.events import EventSink
from relay.intake.queue_id import new_queue_id
from relay.mail.dkim import BodyHash
from relay.mail.message import header_size
from relay.store.facts import Fact
from relay.store.spool import Acceptance, Content, Spool, SpoolError

KIND = "mailbox-sent"


@dataclass(frozen=True, slots=True)
class Outbox:
    """What mail is sent with."""

    active: Callable[[], Active]
    spool: Spool
    clock: Clock
    events: EventSink

    async def send(self, name: str, make: Callable[[str], Awaitable[Acceptance]]) -> tuple[str, bool]:
        """Commit what `make` makes for a queue id, unless that was done under this name: the queue id, and whether now.

        Raises SpoolError; then the mail is not there.
        """
        queue_id = await self._claim(name)
        if await self.spool.find(queue_id):
            return queue_id, False
        acceptance = await make(queue_id)
        try:
            await self.spool.commit(acceptance)
        except SpoolError:
            # Another worker may have been quicker: there is one message of a name.
            if await self.spool.find(queue_id):
                return queue_id, False
            raise
        for event in acceptance.events:
            self.events.emit(event)
        return queue_id, True

    def store(self, data: bytes) -> Content:
        """The octets of a message in the spool, not committed yet."""
        size = header_size(data) or len(data)
        body = BodyHash()
        body.update(data[size:])
        writer = self.spool.writer()
        try:
            writer.write(data)
            return writer.finish(header_size=size, body_hash=body.digest())
        except BaseException:
            writer.abort()
            raise

    async def _claim(self, name: str) -> str:
        """The queue id of that name, the same for everybody who asks."""
        wish = Fact(KIND, name, {"queue_id": new_queue_id(self.clock.now())})
        while True:
            fact = await self.spool.facts.get(KIND, name) or await self.spool.facts.put(wish)
            if fact is not None:
                return str(fact.value["queue_id"])
