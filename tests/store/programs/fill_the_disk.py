"""Fills its store up to a limit on the size of files, which stands for a full disk; then the limit is lifted.

Arguments: the database, the size of messages, "segments" or "database": which of them is to be full first.
"""

import asyncio
import resource
import sys
from pathlib import Path

from relay.clock import SystemClock
from relay.mail.address import Address
from relay.mail.envelope import Envelope, Recipient
from relay.store.spool import Acceptance, Change, Message, Origin, SpoolFull, State
from relay.store.sqlite.spool import SqliteSpool

LIMIT = 2 * 1024 * 1024


def limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def put(spool: SqliteSpool, queue_id: str, octets: bytes) -> Message:
    writer = spool.writer()
    try:
        writer.write(octets)
        content = writer.finish(header_size=0, body_hash="")
        address = Address("anna", "shop.example")
        envelope = Envelope(address, (Recipient(address),))
        message = Message(queue_id, Origin.SUBMISSION, 1.0, "app", "", "", envelope, content)
        await spool.commit(Acceptance(message, ("shop",), leased=True))
    finally:
        writer.abort()
    return message


async def fill(spool: SqliteSpool, octets: bytes) -> list[Message]:
    messages = []
    try:
        while True:
            messages.append(await put(spool, f"m{len(messages):05d}", octets))
    except SpoolFull:
        return messages


async def main() -> None:
    path, size, place = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    spool = SqliteSpool(path, worker="test.1.1", pid=1, clock=SystemClock())
    await spool.start()
    octets = bytes(range(256)) * (size // 256)
    limit(LIMIT)

    messages = await fill(spool, octets)
    again = await asyncio.gather(*(put(spool, f"again{n}", octets) for n in range(5)), return_exceptions=True)
    assert [type(result) for result in again] == [SpoolFull] * 5, again
    files = {
        "database": path.with_name("relay.db-wal").stat().st_size,
        "segments": max(file.stat().st_size for file in path.with_name("relay.db.segments").iterdir()),
    }
    assert max(files, key=files.__getitem__) == place, files
    change = Change(messages[0].queue_id, 0, State.DELIVERED, 1, 1.0, "250")
    if place == "database":
        try:
            await spool.record([change])
        except SpoolFull:
            pass
        else:
            raise AssertionError("an outcome found room where there is none")
    limit(resource.RLIM_INFINITY)

    await spool.record([change])
    messages.append(await put(spool, "later", octets))
    assert await spool.find("again0") == []
    await spool.stop()

    spool = SqliteSpool(path, worker="test.1.2", pid=1, clock=SystemClock())
    await spool.start()
    leased = await spool.lease(now=2.0, limit=100_000)
    assert {entry.message.queue_id for entry in leased} == {message.queue_id for message in messages[1:]}
    for message in messages:
        assert spool.read(message.content, 0, size) == octets
    await spool.stop()


if __name__ == "__main__":
    asyncio.run(main())
