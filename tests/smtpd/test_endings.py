"""How sessions end: clients that vanish, wait, drip or flood, and a server that stops."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from relay.smtpd import wire

from .conftest import Client, House
from .recording import RecordingGate

Open = Callable[..., Awaitable[House]]


def held() -> tuple[Callable[[RecordingGate], None], Callable[[], None]]:
    """A gate whose commit waits until it is let go."""
    released = asyncio.Event()

    def configure(gate: RecordingGate) -> None:
        gate.on_accept = lambda: asyncio.ensure_future(wait())

    async def wait() -> None:
        await released.wait()

    return configure, released.set


def vanish(client: Client) -> None:
    """Go away with a reset, as a crashed client does."""
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.writer.transport.abort()


@pytest.mark.parametrize("leave", ["reset", "close", "half-close"])
async def test_a_commit_goes_on_without_its_client(leave: str, house: Open) -> None:
    configure, release = held()
    made = await house(configure)
    client = await made.invited()
    client.send(b"A: b\r\n\r\n.\r\n")
    await made.gate.accepting.wait()
    if leave == "reset":
        vanish(client)
    elif leave == "close":
        await client.close()
    else:
        client.writer.write_eof()
    # The server has seen it: another connection has been served meanwhile.
    await (await made.greeted()).close()
    assert made.gates[0].closed == 0
    release()
    if leave == "half-close":
        assert await client.rest() == b"250 2.0.0 queued as 1\r\n"
    await made.gates[0].ended.wait()
    assert [message.octets for message in made.gates[0].messages] == [b"A: b\r\n\r\n"]
    assert not made.gates[0].contents[0].aborted


async def test_what_was_said_before_a_half_close_is_answered(house: Open) -> None:
    made = await house()
    client = await made.invited()
    client.send(b"A: b\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<b@there.example>\r\nBDAT 2 LAST\r\n\r\nNO")
    client.writer.write_eof()
    replies = (await client.rest()).decode().splitlines()
    assert replies == ["250 2.0.0 queued as 1", "250 2.0.0 Ok", "250 2.0.0 Ok", "250 2.0.0 queued as 2"]


@pytest.mark.parametrize("end", [vanish, lambda client: client.writer.write_eof()])
@pytest.mark.parametrize("verb", ["DATA", "BDAT 100 LAST", "BDAT 5"])
async def test_an_incomplete_message_is_forgotten(end: Callable[[Client], Any], verb: str, house: Open) -> None:
    made = await house()
    client = await made.greeted()
    await client.ask("MAIL FROM:<>")
    await client.ask("RCPT TO:<b@there.example>")
    client.send(verb.encode() + b"\r\n12345")
    if verb != "BDAT 100 LAST":
        await client.reply()
    end(client)
    await made.gate.ended.wait()
    assert not made.gate.messages
    assert all(content.aborted for content in made.gate.contents)
    assert made.gate.contents or verb == "BDAT 100 LAST"


async def test_rset_forgets_chunks(house: Open) -> None:
    made = await house()
    client = await made.greeted()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<b@there.example>\r\nBDAT 2\r\n\r\nRSET\r\n")
    assert [await client.reply() for _ in range(4)][-1] == "250 2.0.0 Ok"
    assert made.gate.contents[0].aborted


async def test_a_silent_client_is_sent_away(house: Open) -> None:
    made = await house(idle_timeout=0.05)
    client = await made.greeted()
    assert await client.rest() == b"421 4.4.2 Waited too long\r\n"


@pytest.mark.parametrize(
    ("limits", "command", "octets"),
    [
        ({"idle_timeout": 0.2}, "", b"N"),
        ({"data_timeout": 0.2}, "DATA", b"x\r\n"),
        ({"data_timeout": 0.2}, "BDAT 99999999 LAST", b"x"),
        ({"data_timeout": 0.2}, "RSET\r\nBDAT 99999999999999999999 LAST", b"x"),
    ],
)
async def test_a_client_that_only_drips_is_cut(
    limits: dict[str, float], command: str, octets: bytes, house: Open
) -> None:
    made = await house(**limits)
    client = await made.greeted()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<b@there.example>\r\n" + (command.encode() + b"\r\n" if command else b""))
    dripping = asyncio.ensure_future(drip(client, octets))
    await made.gate.ended.wait()
    dripping.cancel()
    assert not made.gate.messages
    assert all(content.aborted or content.refusal for content in made.gate.contents)
    # It hears why, unless what it still sends makes the network forget that.
    with contextlib.suppress(ConnectionResetError):
        assert (await client.rest()).endswith(b"421 4.4.2 Waited too long\r\n")


async def drip(client: Client, octets: bytes) -> None:
    while True:
        client.send(octets)
        await asyncio.sleep(0.01)


async def test_a_silence_inside_a_message_is_no_message(house: Open) -> None:
    made = await house(idle_timeout=0.1)
    client = await made.invited()
    client.send(b"x")
    assert await client.rest() == b"421 4.4.2 Waited too long\r\n"


async def test_a_slow_commit_is_not_the_clients_fault(house: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, looks = wire.Wire._watch, asyncio.Queue[bool]()

    def look(session: wire.Wire) -> None:
        watch(session)
        looks.put_nowait(session._over)

    monkeypatch.setattr(wire.Wire, "_watch", look)
    configure, release = held()
    made = await house(configure, idle_timeout=0.05, data_timeout=0.05)
    client = await made.invited()
    client.send(b".\r\n")
    await made.gate.accepting.wait()
    # The first two may be from before.
    for _ in range(5):
        assert not await looks.get()
    release()
    assert await client.reply() == "250 2.0.0 queued as 1"


async def test_a_client_that_does_not_read_gets_no_work_done(house: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_LINGER", 0.1)
    made = await house(idle_timeout=0.3, errors=10_000_000)
    client = await made.greeted()
    client.reader._transport.pause_reading()
    sending = asyncio.ensure_future(flood(client))
    await made.gate.ended.wait()
    sending.cancel()
    assert len(made.gate.refusals) < 1_000_000


async def flood(client: Client) -> None:
    while True:
        client.send(b"FROBNICATE\r\n" * 1000)
        await client.writer.drain()


async def test_a_client_that_reads_again_is_served_again(house: Open) -> None:
    made = await house(errors=10_000_000)
    with socket.socket() as narrow:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect(made.server.addresses[0])
        client = Client(*await asyncio.open_connection(sock=narrow.dup()))
    made.clients.append(client)
    await client.reply()
    connection = next(iter(made.server._surroundings.connections))
    client.reader._transport.pause_reading()
    sent = 0
    while not connection._clogged:
        client.send(b"HELP\r\n" * 1000)
        sent += 1000
        await asyncio.sleep(0)
    client.reader._transport.resume_reading()
    client.send(b"QUIT\r\n")
    replies = (await client.rest()).splitlines()
    assert len(replies) == sent + 1
    assert replies[-1] == b"221 2.0.0 Goodbye"


async def test_pipelined_input_waits_in_bounded_memory(house: Open) -> None:
    configure, release = held()
    made = await house(configure)
    client = await made.invited()
    client.send(b"A: b\r\n.\r\n" + b"NOOP " + b"x" * 1000 + b"\r\n")
    await made.gate.accepting.wait()
    sending = asyncio.ensure_future(flood(client))
    connection = next(iter(made.server._surroundings.connections))
    while not connection._held_up:  # noqa: ASYNC110 - the test has no hook there
        await asyncio.sleep(0)
    assert len(connection._lines) < 600_000
    release()
    sending.cancel()
    assert await client.reply() == "250 2.0.0 queued as 1"
    assert await client.reply() == "250 2.0.0 Ok"
    assert await client.reply() == "500 5.5.1 Unknown command"


async def test_stop_sends_idle_sessions_away(house: Open) -> None:
    made = await house()
    fresh, greeted = await made.call(), await made.greeted()
    await fresh.reply()
    await made.server.stop(60)
    assert await fresh.rest() == b"421 4.3.2 Service is stopping, come back later\r\n"
    assert await greeted.rest() == b"421 4.3.2 Service is stopping, come back later\r\n"
    with pytest.raises(OSError):
        await made.call()


async def test_stop_lets_transactions_end(house: Open) -> None:
    made = await house()
    begun, invited = await made.greeted(), await made.invited()
    await begun.ask("MAIL FROM:<>")
    stopping = asyncio.ensure_future(made.server.stop(60))
    await asyncio.sleep(0)
    invited.send(b"A: b\r\n.\r\n")
    assert await invited.rest() == b"250 2.0.0 queued as 1\r\n421 4.3.2 Service is stopping, come back later\r\n"
    begun.send(b"RCPT TO:<b@there.example>\r\nDATA\r\n")
    assert [await begun.reply() for _ in range(2)][-1].startswith("354")
    begun.send(b".\r\nMAIL FROM:<>\r\n")
    assert (await begun.rest()).startswith(b"250 2.0.0 queued as 1\r\n421 4.3.2 ")
    await stopping


async def test_stop_cuts_what_does_not_end_but_no_commit(house: Open) -> None:
    configure, release = held()
    made = await house(configure)
    invited, committing = await made.invited(), await made.invited()
    committing.send(b"A: b\r\n.\r\n")
    await made.gate.accepting.wait()
    stopping = asyncio.ensure_future(made.server.stop(0.01))
    assert await invited.rest() == b""
    assert not stopping.done()
    release()
    await stopping
    assert [gate.closed for gate in made.gates] == [1, 1]
    assert [len(gate.messages) for gate in made.gates] == [0, 1]


async def test_a_cancelled_session_still_commits(house: Open) -> None:
    configure, release = held()
    made = await house(configure)
    client = await made.invited()
    client.send(b"A: b\r\n.\r\n")
    await made.gate.accepting.wait()
    connection = next(iter(made.server._surroundings.connections))
    connection._handler_coroutine.cancel()
    assert await client.rest() == b""
    assert made.gate.closed == 0
    release()
    await made.gate.ended.wait()
    assert len(made.gate.messages) == 1
