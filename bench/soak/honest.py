"""A mail server like any other, with a mail now and then."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bench.soak.attack import ALIAS, Client, Where
from relay.mail.dkim import BodyHash, Signer
from relay.mail.message import parse_header

DOMAIN, SELECTOR = "eerlijk.example", "s1"
ADDRESS = "203.0.113.9"
_BODY = b"Beste, wij hebben uw factuur goed ontvangen en betalen ze volgende week.\r\n" * 50


@dataclass(slots=True)
class Log:
    """What the sessions were like: seconds to the greeting, seconds from there to the 250, and what was not taken."""

    greetings: list[float] = field(default_factory=list)
    sessions: list[float] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def run(where: Where, pem: bytes, name: str, seconds: float, pipe: Connection) -> None:
    """Bring a signed mail every half second, for so long; sends the log."""
    signer = Signer(DOMAIN, SELECTOR, load_pem_private_key(pem, None))  # type: ignore[arg-type]
    pipe.send(asyncio.run(_bring_all(where, signer, name, seconds)))


async def _bring_all(where: Where, signer: Signer, name: str, seconds: float) -> Log:
    log, tasks = Log(), []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # Whether or not the one before has been served: what is slow makes nobody wait longer between mails.
        tasks.append(asyncio.create_task(_bring(where, signer, f"{name}-{len(tasks)}", log)))
        await asyncio.sleep(0.5)
    await asyncio.gather(*tasks)
    return log


async def _bring(where: Where, signer: Signer, name: str, log: Log) -> None:
    mail = _mail(signer, name)
    reply = "closed"
    with suppress(OSError, TimeoutError):
        started = time.perf_counter()
        async with Client(ADDRESS, where.host, where.mx) as client:
            reply = await client.reply()
            greeted = time.perf_counter()
            log.greetings.append(greeted - started)
            path = f"MAIL FROM:<jan-{name}@{DOMAIN}>"
            for command in (f"EHLO mx.{DOMAIN}", path, f"RCPT TO:<{ALIAS}>", "DATA"):
                reply = await client.say(command)
            await client.send(mail + b".\r\n")
            reply = await client.reply()
            log.sessions.append(time.perf_counter() - greeted)
    (log.taken if reply.startswith("250") else log.refused).append(name if reply.startswith("250") else reply)


def _mail(signer: Signer, name: str) -> bytes:
    head = f"From: Jan <jan-{name}@{DOMAIN}>\r\nTo: <{ALIAS}>\r\nSubject: Factuur\r\nMessage-ID: <{name}@{DOMAIN}>\r\n"
    head += "Date: Mon, 23 Nov 2026 07:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    hashed = BodyHash()
    hashed.update(_BODY)
    header = head.encode()
    return signer.sign(parse_header(header), hashed.digest(), int(time.time())) + header + b"\r\n" + _BODY
