"""The scripted peer does at each phase what its script says."""

import asyncio
import ssl

import pytest

from relay.sandbox.certificates import Authority
from relay.sandbox.scripted_peer import (
    Act,
    Drip,
    Drop,
    Garbage,
    Hang,
    Reset,
    Say,
    Script,
    ScriptedPeer,
    Stall,
    long_reply,
)

ENVELOPE = ("EHLO us.example", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "DATA")


class Client:
    """A raw client that reads one reply at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, peer: ScriptedPeer) -> "Client":
        return cls(*await asyncio.open_connection(peer.host, peer.port, limit=1 << 22))

    async def reply(self) -> str:
        lines = []
        while line := await self.reader.readline():
            lines.append(line.decode().rstrip())
            if line[3:4] != b"-":
                break
        return "\n".join(lines)

    async def say(self, *commands: str) -> str:
        self.writer.write("".join(f"{command}\r\n" for command in commands).encode())
        return await self.reply()

    async def close(self) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


async def test_a_polite_peer_takes_a_message_and_keeps_what_it_saw() -> None:
    async with ScriptedPeer() as peer:
        client = await Client.connect(peer)
        assert (await client.reply()).startswith("220")
        for command in ENVELOPE:
            assert (await client.say(command))[0] in "23"
        assert (await client.say("Subject: x", "", "..dot", ".")).startswith("250")
        assert (await client.say("NOOP")).startswith("502")
        assert (await client.say("QUIT")).startswith("221")
        assert await client.reader.read() == b""
        await peer.wait_for(lambda peer: peer.records[0].closed)
        assert peer.messages == [b"Subject: x\r\n\r\n..dot\r\n"]
        assert peer.records[0].lines == [*ENVELOPE, "NOOP", "QUIT"]
        await client.close()


async def test_pipelined_commands_are_answered_in_order() -> None:
    script = Script(recipients={"no@d.example": Say("550 5.1.1 No"), "later@d.example": Say("450 4.2.0 Later")})
    async with ScriptedPeer(script) as peer:
        client = await Client.connect(peer)
        await client.reply()
        first = await client.say(
            "MAIL FROM:<a@b.example>",
            "RCPT TO:<yes@d.example>",
            "RCPT TO:<no@d.example> NOTIFY=NEVER",
            "RCPT TO:<later@d.example>",
        )
        replies = [first, *[await client.reply() for _ in range(3)]]
        assert [reply[:3] for reply in replies] == ["250", "250", "550", "450"]
        await client.close()


PHASES = ["banner", "ehlo", "mail", "rcpt", "data", "end", "quit"]


async def reach(client: Client, phase: str) -> str:
    """Everything up to the reply at a phase."""
    steps = [("banner", ()), *zip(PHASES[1:5], [(line,) for line in ENVELOPE], strict=True)]
    for name, commands in [*steps, ("end", ("x", ".")), ("quit", ("QUIT",))]:
        if name == "banner":
            reply = await client.reply()
        elif name == "end":
            reply = await client.say("Subject: x", "", *commands)
        else:
            reply = await client.say(*commands)
        if name == phase:
            return reply
    raise AssertionError(phase)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (Say("421 4.3.2 Going down"), "421 4.3.2 Going down"),
        (Garbage(b"\xff\xfe\x00\n"), None),
        (long_reply(250, 300_000), "250 " + "x" * 299_996),
        (Drip("250 slow", 0.0), "250 slow"),
    ],
    ids=["refuse", "garbage", "long", "drip"],
)
async def test_what_is_said_at_every_phase(phase: str, act: Act, expected: str | None) -> None:
    async with ScriptedPeer(Script(**{phase: act})) as peer:
        client = await Client.connect(peer)
        if expected is None:
            with pytest.raises(UnicodeDecodeError):
                await reach(client, phase)
        else:
            assert await reach(client, phase) == expected
        await client.close()


@pytest.mark.parametrize("phase", PHASES)
async def test_dropping_at_every_phase(phase: str) -> None:
    async with ScriptedPeer(Script(**{phase: Drop()})) as peer:
        client = await Client.connect(peer)
        assert await reach(client, phase) == ""
        await peer.wait_for(lambda peer: peer.records[0].closed)
        await client.close()


@pytest.mark.parametrize("phase", PHASES)
async def test_resetting_at_every_phase(phase: str) -> None:
    async with ScriptedPeer(Script(**{phase: Reset()})) as peer:
        client = await Client.connect(peer)
        with pytest.raises(ConnectionResetError):
            await reach(client, phase)
        await client.close()


@pytest.mark.parametrize("phase", PHASES)
async def test_hanging_at_every_phase_until_the_client_gives_up(phase: str) -> None:
    async with ScriptedPeer(Script(**{phase: (Hang(), Say("250 never"))})) as peer:
        client = await Client.connect(peer)
        waiting = asyncio.create_task(reach(client, phase))
        await peer.wait_for(lambda peer: bool(peer.records))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting, 0.1)
        await client.close()
        await peer.wait_for(lambda peer: peer.records[0].closed)


async def test_stalling_makes_what_is_sent_pile_up() -> None:
    async with ScriptedPeer(Script(data=(Say("354 Go"), Stall()))) as peer:
        client = await Client.connect(peer)
        assert await reach(client, "data") == "354 Go"
        client.writer.write(b"x" * 50_000_000)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.writer.drain(), 0.1)
        client.writer.transport.abort()


async def test_two_replies_can_come_in_one_segment() -> None:
    async with ScriptedPeer(Script(data=Say("354 Go\r\n250 2.0.0 Early"))) as peer:
        client = await Client.connect(peer)
        assert await reach(client, "data") == "354 Go"
        assert await client.reply() == "250 2.0.0 Early"
        await client.close()


async def test_each_connection_has_its_script() -> None:
    async with ScriptedPeer(Script(banner=Say("421 busy")), Script(banner=Say("220 fine"))) as peer:
        banners = []
        for _ in range(3):
            client = await Client.connect(peer)
            banners.append(await client.reply())
            await client.close()
    assert banners == ["421 busy", "220 fine", "220 fine"]


async def test_starttls_is_carried_out() -> None:
    authority = Authority()
    async with ScriptedPeer(tls=authority.server_context("127.0.0.1")) as peer:
        client = await Client.connect(peer)
        await client.reply()
        assert (await client.say("STARTTLS")).startswith("220")
        await client.writer.start_tls(authority.client_context(), server_hostname="127.0.0.1")
        for command in ENVELOPE:
            assert (await client.say(command))[0] in "23"
        big = "y" * 900
        assert (await client.say("Subject: x", "", *[big] * 2000, ".")).startswith("250")
        assert peer.records[0].tls
        assert len(peer.messages[0]) > 1_800_000
        client.writer.transport.abort()


async def test_starttls_can_fail() -> None:
    async with ScriptedPeer(Script(starttls=Say("454 4.7.0 Not now")), tls=Authority().server_context("x")) as peer:
        client = await Client.connect(peer)
        await client.reply()
        assert await client.say("STARTTLS") == "454 4.7.0 Not now"
        await client.close()


async def test_a_broken_handshake_ends_the_connection() -> None:
    async with ScriptedPeer(tls=Authority().server_context("x")) as peer:
        client = await Client.connect(peer)
        await client.reply()
        await client.say("STARTTLS")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await client.writer.start_tls(ssl.create_default_context(), server_hostname="x")
        await peer.wait_for(lambda peer: peer.records[0].closed)
        client.writer.transport.abort()
