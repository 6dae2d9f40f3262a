"""What every step of the demonstration stands on: the relay, the world around it, and a voice."""

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

import aiosmtplib

from relay.sandbox.arrivals import Received
from relay.sandbox.default_world import RELAY_DOMAIN
from relay.sandbox.demo.relay_process import RelayProcess
from relay.sandbox.world import World

APP, PASSWORD = "billit-web", "demo-only-password"
PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the relay and the sandbox are: addresses as (host, port)."""

    submission: tuple[str, int]
    mx: tuple[str, int]
    web: tuple[str, int]
    dns: int
    smtp: int
    customer_server: int
    mailbox: int = 0
    fast_input: int = 0


@dataclass(slots=True)
class Show:
    ports: Ports
    world: World
    relay: RelayProcess
    say: Callable[[str], None]
    wrong: list[str] = field(default_factory=list)

    def check(self, *, holds: bool, claim: str) -> None:
        """Print a claim with its proof; remember it when it does not hold."""
        self.say(f"    {'ok   ' if holds else 'WRONG'} {claim}")
        if not holds:
            self.wrong.append(claim)


async def tell_journey(show: Show, queue_id: str, received: Received) -> None:
    for line in (await show.relay.ask("trace", queue_id)).strip().splitlines():
        show.say(f"  | {line}")
    verdicts = received.verdicts
    show.say(f"  What {received.host} saw: MAIL FROM:<{received.offer.reverse_path}>, {received.offer.tls or 'no TLS'}")
    for name in ("From", "To", "Subject", "Reply-To"):
        if received.header(name):
            show.say(f"    {name}: {received.header(name)}")
    signatures = ", ".join(f"{domain} {result}" for domain, result in verdicts.dkim) or "none"
    show.say(f"    SPF {verdicts.spf}; DKIM {signatures}; reply {received.reply}")


async def settled(show: Show, queue_id: str) -> str:
    """Where a mail stands once the relay has tried it, or decided not to. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while True:
            told = json.loads(await show.relay.ask("queue", "show", queue_id, "--json"))
            state = str(told["deliveries"][0]["state"])
            if state != "queued":
                return state
            await asyncio.sleep(0.2)


async def submit(show: Show, alias: str, to: str, content: bytes) -> str:
    host, port = show.ports.submission
    client = aiosmtplib.SMTP(hostname=host, port=port, start_tls=False, local_hostname="app.example")
    async with client:
        await client.starttls(tls_context=show.world.authority.client_context())
        await client.login(APP, PASSWORD)
        _, message = await client.sendmail(f"{alias}@{RELAY_DOMAIN}", [to], content)
        return queue_id_of(message)


async def deliver(show: Show, host: str, author: str, to: str, content: bytes) -> str:
    """Bring a mail from a host of the world, and from its address, to the relay."""
    name, port = show.ports.mx
    source = (show.world.addresses[host], 0)
    client = aiosmtplib.SMTP(hostname=name, port=port, source_address=source, start_tls=False, local_hostname=host)
    async with client:
        context: ssl.SSLContext = show.world.authority.client_context()
        await client.starttls(tls_context=context)
        _, message = await client.sendmail(author, [to], content)
        return f"250 {message}"


def queue_id_of(message: str) -> str:
    return message.rsplit(maxsplit=1)[-1]
