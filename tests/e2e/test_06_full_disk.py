"""A full disk: mail is put off with 452, what was accepted stays, and room heals everything without a restart."""

from pathlib import Path

from relay.sandbox.scripted_peer import ScriptedPeer
from relay.sandbox.world import World
from tests.peers.disk import SmallDisk

from .client import RawClient
from .conftest import StartRelay
from .ledger import count_ids
from .mail import message
from .relay_process import BAKKERIJ
from .until import until

LATER = "127.0.20.4"


async def submit(client: RawClient, number: int, size: int) -> str:
    """Hand in one message for a host that is down; the last reply."""
    await client.envelope(BAKKERIJ, "an@later.example")
    reply = await client.say("DATA")
    if not reply.startswith("354"):
        await client.say("RSET")
        return reply
    content = message(message_id=f"<{number}@disk.example>", body=b"x" * size + b"\r\n")
    await client.send(content + b".\r\n")
    return await client.reply()


async def fill(client: RawClient) -> tuple[list[int], str]:
    """Hand in mail of all sizes until it is put off; what was accepted, and the reply to the first that was not."""
    accepted: list[int] = []
    while (reply := await submit(client, len(accepted), 1000 * (len(accepted) % 100))).startswith("250"):
        accepted.append(len(accepted))
    return accepted, reply


async def test_a_full_disk_heals(start_relay: StartRelay, world: World, tmp_path: Path) -> None:
    world.zones.publish("mx.later.example", "A", LATER)
    world.zones.publish("later.example", "MX", "10 mx.later.example.")
    relay = await start_relay(
        start=False,
        store="sqlite:var/disk/relay.db",
        apps={"erp": {"networks": ["127.0.0.0/8"], "companies": "all"}},
        limits={"message_size": "1MiB"},
    )
    with SmallDisk(tmp_path / "var/disk", relay.workers) as disk:
        await relay.start()
        workers = relay.workers()
        disk.be_small()
        async with RawClient(relay.host, relay.ports["submission"]) as client:
            await client.hello()
            accepted, reply = await fill(client)
            assert reply.startswith("452 4.3.1"), reply
            assert len(accepted) > 10
            # Small mail may still find room where large mail does not; in the end there is none for anybody.
            for _ in range(20):
                reply = await submit(client, 10_000, 100_000)
                assert reply.startswith("452 4.3.1"), reply
            async with ScriptedPeer(host=LATER, port=world.smtp_port) as peer:
                disk.be_large()
                await until(lambda: set(count_ids(peer.messages)) >= ids(accepted), "all that was accepted arrives")
                assert (await submit(client, 20_000, 100_000)).startswith("250")
                await peer.wait_for(lambda peer: "20000@disk.example" in count_ids(peer.messages), 60)
                await relay.is_empty()
        assert relay.workers() == workers
        # Nothing that was put off went out all the same.
        assert set(count_ids(peer.messages)) == ids([*accepted, 20_000])
        assert await relay.stop() == 0


def ids(numbers: list[int]) -> set[str]:
    return {f"{number}@disk.example" for number in numbers}
