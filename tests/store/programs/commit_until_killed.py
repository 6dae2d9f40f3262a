"""Takes mail, sends half of it, sweeps, and says what it was told is durable, until it is killed.

Arguments: the database, the worker's name. Says "kept ID DIGEST" after a commit and "sent ID -" after an outcome.
"""

import asyncio
import hashlib
import os
import sys
from pathlib import Path

from relay.clock import SystemClock
from relay.mail.address import Address
from relay.mail.envelope import Envelope, Recipient
from relay.store.spool import Acceptance, Change, Message, Origin, State
from relay.store.sqlite import segments
from relay.store.sqlite.spool import SqliteSpool

segments.SEGMENT_SIZE = 512 * 1024
segments.BLOCK_SIZE = 16 * 1024
SESSIONS = 8


def octets_of(queue_id: str) -> bytes:
    """What the message of that name holds: a few octets up to 64 KiB, no two alike."""
    seed = hashlib.sha256(queue_id.encode()).digest()
    return (seed * 2048)[: 1 + int.from_bytes(seed[:2], "big")]


def say(*words: str) -> None:
    os.write(1, " ".join(words).encode() + b"\n")


async def session(spool: SqliteSpool, worker: str, number: int) -> None:
    address = Address("anna", "shop.example")
    envelope = Envelope(address, (Recipient(address),))
    count = 0
    while True:
        count += 1
        queue_id = f"{worker}-{number}-{count}"
        octets = octets_of(queue_id)
        writer = spool.writer()
        for start in range(0, len(octets), 5000):
            writer.write(octets[start : start + 5000])
            await asyncio.sleep(0)
        content = writer.finish(header_size=0, body_hash="")
        message = Message(queue_id, Origin.SUBMISSION, 1.0, "app", "", "", envelope, content)
        await spool.commit(Acceptance(message, ("shop",), leased=True))
        say("kept", queue_id, hashlib.sha256(octets).hexdigest())
        if count % 2:
            await spool.record([Change(queue_id, 0, State.DELIVERED, 1, 1.0, "250")])
            say("sent", queue_id, "-")
        if count % 10 == 0:
            await spool.sweep(now=2.0, keep_history=1000.0)


async def main() -> None:
    path, worker = sys.argv[1:]
    spool = SqliteSpool(Path(path), worker=worker, pid=os.getpid(), clock=SystemClock())
    await spool.start()
    await asyncio.gather(*(session(spool, worker, number) for number in range(SESSIONS)))


if __name__ == "__main__":
    asyncio.run(main())
