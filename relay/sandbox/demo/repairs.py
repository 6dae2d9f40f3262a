"""Two things that people repair: records that are missing, a password that has changed. Mail waits, and goes on."""

import asyncio
import json
from pathlib import Path

from relay.sandbox.default_world import STUDIO_PASSWORD
from relay.sandbox.demo.invoices import invoice
from relay.sandbox.demo.stage import Show, settled, submit, tell_journey

_ATELIER, _ATELIER_FROM = "atelier-vos", "facturen@atelier-vos.example"
_STUDIO, _STUDIO_FROM = "studio-noord", "hallo@studio-noord.example"
# The relay looks at what is held twice a minute.
_SOON = 45.0


async def publish_records(show: Show, number: int) -> None:
    """A company that sends in its own name or not at all, and whose domain publishes nothing yet."""
    title, to = f"2026-{number - 1:03d}", "balie@streng.example"
    show.say(
        f"\n{number}. Atelier Vos sends invoice {title} in its own name or not at all, and its domain says nothing yet"
    )
    queue_id = await submit(show, _ATELIER, to, invoice(title, company="Atelier Vos", author=_ATELIER_FROM, to=to))
    state = await settled(show, queue_id)
    show.check(holds=state == "held", claim="the mail waits: it neither goes out unbelievable nor in another name")
    show.say(f"  `relay company check {_ATELIER}` says what to publish, and the company does:")
    advice = json.loads(await show.relay.ask("company", "check", _ATELIER, "--json"))
    for record in advice["records"]:
        name, kind, strings = record["name"], record["type"], record["publish"]
        show.say(f"    {record['state']:<8}  {name}  {kind}  {''.join(strings)}")
        show.world.zones.publish(name, kind, strings if kind == "TXT" else strings[0])
    show.say("  The relay looks again when the old answers have run out, within half a minute or so ...")
    received = await show.world.wait_for(to, _SOON)
    await tell_journey(show, queue_id, received)
    show.check(holds=_ATELIER_FROM in received.header("From"), claim=f"From is {_ATELIER_FROM}")
    show.check(holds=received.verdicts.aligned, claim="SPF or DKIM vouches for the domain in From")


async def change_password(show: Show, number: int, password: Path) -> None:
    """A company whose account has got another password, which nobody told us."""
    name, to = f"2026-{number - 1:03d}", "directie@klant.example"
    show.say(f"\n{number}. Studio Noord has changed the password of its mail account, and sends invoice {name}")
    await asyncio.to_thread(password.write_text, "no longer the password")
    try:
        queue_id = await submit(show, _STUDIO, to, invoice(name, company="Studio Noord", author=_STUDIO_FROM, to=to))
        state = await settled(show, queue_id)
    finally:
        await asyncio.to_thread(password.write_text, STUDIO_PASSWORD)
    show.check(holds=state == "held", claim="its server refuses the login; the mail waits and nothing bounces")
    show.say("  The new password is written down, and the relay told to look now (SIGHUP) ...")
    show.relay.reload()
    received = await show.world.wait_for(to, _SOON)
    await tell_journey(show, queue_id, received)
    show.check(holds=_STUDIO_FROM in received.header("From"), claim="the mail has gone on by itself, in the same name")
