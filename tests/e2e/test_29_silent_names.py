"""A writer whose name server never answers: his mail is taken all the same, and nobody else waits for it."""

import asyncio
from email import message_from_bytes

from relay.sandbox.world import World
from relay.sandbox.zones import FaultKind

from .client import RawClient
from .conftest import StartRelay
from .mail import message
from .relay_process import BAKKERIJ
from .until import until

SILENT = "zwijgt.example"
SIGNATURE = (
    f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={SILENT}; s=s1; h=from;\r\n"
    "\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YmI=\r\n"
)


async def test_a_name_server_that_never_answers_keeps_nobody_waiting(start_relay: StartRelay, world: World) -> None:
    # Left to the resolver alone, each question would take longer than this test may.
    relay = await start_relay(dns={"timeout": "10m"})
    for name in (SILENT, f"_dmarc.{SILENT}", f"s1._domainkey.{SILENT}"):
        world.zones.break_name(name, FaultKind.DROP)
    async with RawClient(relay.host, relay.ports["mx"]) as client:
        await client.hello()
        await client.envelope(f"jan@{SILENT}", BAKKERIJ)
        await client.say("DATA")
        content = message("Re: stil", author=f"Jan <jan@{SILENT}>", message_id="<1@zwijgt.example>")
        await client.send(SIGNATURE.encode() + content + b".\r\n")
        taken = asyncio.create_task(client.reply())
        asked = {SILENT, f"_dmarc.{SILENT}", f"s1._domainkey.{SILENT}"}
        await until(lambda: asked <= {question.name for question in world.dns.questions}, "the relay asks")

        for number in range(3):
            await relay.bring(message(f"Re: {number}", author="An <an@klant.example>", to=BAKKERIJ), BAKKERIJ)
        assert not taken.done()

        assert (await taken).startswith("250 2.0.0")
    received = await world.wait_for(lambda each: each.header("Message-ID") == "<1@zwijgt.example>", 60)
    (results,) = message_from_bytes(received.offer.content).get_all("Authentication-Results", [])
    found = {part.split()[0] for part in results.split(";")[1:] if part.strip()}
    assert {"spf=temperror", "dkim=temperror", "dmarc=temperror"} <= found
