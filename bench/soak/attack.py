"""Those who mean no good: each from an address of its own, each in its own way, over and over."""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from multiprocessing.connection import Connection
from typing import Self

from bench.soak.bombs import GIANT, SILENT, as_mail, bombs, from_corpus, head_for
from tests.e2e.client import RawClient

ALIAS = "bakkerij-peeters@my.relay.example"
REPORTS = "reports@my.relay.example"
# How long one of them holds a connection that costs it nothing.
_HELD = 20.0
_DRIP = 0.5


@dataclass(frozen=True, slots=True)
class Where:
    """The relay's listeners."""

    host: str
    mx: int
    submission: int


class Client(RawClient):
    """A connection through the load balancer, which says that it comes from `source`: limits are kept for each peer."""

    def __init__(self, source: str, host: str, port: int) -> None:
        super().__init__(host, port)
        self._header = f"PROXY TCP4 {source} {host} 40000 {port}\r\n".encode()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self.send(self._header)
        return self


@dataclass(slots=True)
class Mob:
    """What all of them share: whom they visit, what they bring, and what they were told, by kind and code."""

    where: Where
    chance: random.Random
    mails: dict[str, bytes] = field(default_factory=bombs)
    corpus: list[tuple[str, bytes]] = field(default_factory=lambda: list(from_corpus()))
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    number: int = 0

    def client(self, port: int | None = None) -> Client:
        """One more connection, from anywhere in 198.18.0.0/15 (RFC 2544)."""
        source = IPv4Address("198.18.0.0") + self.chance.randrange(2**17)
        return Client(str(source), self.where.host, port or self.where.mx)

    def reverse_path(self) -> str:
        """Nobody, or somebody of whose domain no answer, or a giant one, is to be had."""
        self.number += 1
        return self.chance.choice(("", f"x@r{self.number}.{SILENT}", f"x@r{self.number}.{GIANT}", "x@klant.example"))


def run(where: Where, mob: int, seconds: float, pipe: Connection) -> None:
    """Let so many attack for so long; sends how often they were told what."""
    pipe.send(asyncio.run(_attack(where, mob, seconds)))


async def _attack(where: Where, size: int, seconds: float) -> Counter[tuple[str, str]]:
    mob = Mob(where, random.Random(1))
    end = asyncio.get_running_loop().time() + seconds
    await asyncio.gather(*(_one(mob, end) for _ in range(size)))
    return mob.told


async def _one(mob: Mob, end: float) -> None:
    loop = asyncio.get_running_loop()
    while loop.time() < end:
        kind = mob.chance.choice(KINDS)
        told = "closed"
        with suppress(OSError, AssertionError, ValueError):
            try:
                told = await kind(mob) or "closed"
            except TimeoutError:
                told = "silence"
        mob.told[(kind.__name__.strip("_").replace("_", " "), told[:3] if told[:3].isdigit() else told)] += 1


async def _bomb(mob: Mob) -> str:
    name = mob.chance.choice(tuple(mob.mails))
    to = REPORTS if "report" in name else ALIAS
    return await _bring(mob, to, mob.mails[name])


async def _fuzz(mob: Mob) -> str:
    _, octets = mob.chance.choice(mob.corpus)
    mob.number += 1
    head = mob.chance.choice((b"", head_for(mob.number, "fuzz"), head_for(mob.number, "fuzz", GIANT)))
    return await _bring(mob, mob.chance.choice((ALIAS, REPORTS)), head + as_mail(octets))


async def _smuggle(mob: Mob) -> str:
    """Octets as they are, with bare line ends and all."""
    _, octets = mob.chance.choice(mob.corpus)
    return await _bring(mob, ALIAS, head_for(1, "x") + b"\r\n" + octets + b"\n.\r\nMAIL FROM:<x@y.example>\r\n")


async def _bring(mob: Mob, to: str, mail: bytes) -> str:
    async with mob.client() as client:
        await client.hello()
        for command in (f"MAIL FROM:<{mob.reverse_path()}>", f"RCPT TO:<{to}>", "DATA"):
            reply = await client.say(command)
            if not reply.startswith(("250", "354")):
                return reply
        await client.send(mail.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")
        return await client.reply()


async def _slow_writer(mob: Mob) -> str:
    async with mob.client() as client:
        await client.hello()
        await client.envelope(f"x@r1.{SILENT}", ALIAS)
        await client.say("DATA")
        for octet in head_for(1, "slow")[: int(_HELD / _DRIP)]:
            await client.send(bytes([octet]))
            await asyncio.sleep(_DRIP)
        client.vanish()
        return "gone"


async def _half_open(mob: Mob) -> str:
    async with mob.client(mob.chance.choice((mob.where.mx, mob.where.submission))) as client:
        await asyncio.sleep(_HELD)
        client.vanish()
        return "gone"


async def _early_talker(mob: Mob) -> str:
    async with mob.client() as client:
        await client.send(b"EHLO x\r\nMAIL FROM:<>\r\n")
        return await client.reply()


async def _garbage(mob: Mob) -> str:
    async with mob.client() as client:
        await client.hello()
        await client.send(mob.chance.choice(mob.corpus)[1] + mob.chance.randbytes(2000) + b"\r\nQUIT\r\n")
        while reply := await client.reply():
            told = reply
        return told


async def _no_handshake(mob: Mob) -> str:
    async with mob.client() as client:
        await client.hello()
        await client.say("STARTTLS")
        await client.send(mob.chance.choice((b"\x16\x03\x01\xff\xff", b"EHLO x\r\n")) + mob.chance.randbytes(500))
        return await client.reply()


async def _flood(mob: Mob) -> str:
    async with mob.client() as client:
        await client.hello()
        await client.send(mob.chance.choice((b"NOOP\r\n", b"RSET\r\n", b"VRFY x\r\n", b"EHLO x\r\n")) * 2000)
        for _ in range(2000):
            reply = await client.reply()
            if not reply or reply.startswith("421"):
                break
        return reply


async def _harvest(mob: Mob) -> str:
    async with mob.client() as client:
        await client.hello()
        await client.say(f"MAIL FROM:<x@r1.{SILENT}>")
        guesses = b"".join(b"RCPT TO:<guess%d@my.relay.example>\r\n" % number for number in range(500))
        await client.send(guesses)
        for _ in range(500):
            reply = await client.reply()
            if not reply or reply.startswith("421"):
                break
        return reply


async def _guess_passwords(mob: Mob) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with mob.client(mob.where.submission) as client:
        await client.hello()
        await client.say("STARTTLS")
        await client.start_tls(context)
        await client.say("EHLO x")
        for _ in range(5):
            reply = await client.say("AUTH PLAIN AGJpbGxpdC13ZWIAd3Jvbmc=")
            if not reply.startswith("5"):
                break
        return reply


# More of those that make the relay look at a mail.
KINDS: tuple[Callable[[Mob], Awaitable[str]], ...] = (
    *(_bomb, _bomb, _bomb, _bomb, _fuzz, _fuzz, _fuzz, _smuggle, _slow_writer, _half_open, _early_talker, _garbage),
    *(_no_handshake, _flood, _harvest, _guess_passwords),
)
