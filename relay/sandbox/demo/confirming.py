"""The first mail of a company: its address is confirmed first, by a person who presses a button."""

import asyncio
import email
import email.policy
import urllib.request

from relay.sandbox.arrivals import Received
from relay.sandbox.demo.stage import PATIENCE, Show


async def confirm(show: Show, alias: str, queue_id: str) -> None:
    """The first mail of a company: its address is confirmed first. In a later run, it has been."""
    known = await show.relay.ask("company", "status", alias, "--json")
    if '"state": "confirmed"' in known:
        show.say("  The company confirmed its address in an earlier run (`rm -r var` begins anew).")
        return
    asked = await show.world.wait_for(lambda received: "/confirm/" in _text(received), PATIENCE)
    show.say(f"  It is the company's first mail: it waits, and the relay writes to {asked.recipients[0]}:")
    show.say(f"    Subject: {asked.header('Subject')}")
    link = next(line for line in _text(asked).splitlines() if "/confirm/" in line)
    show.check(holds=not asked.offer.reverse_path, claim="that mail has the null reverse path: no robot answers it")
    looked = await asyncio.to_thread(_visit, link)
    waits = await show.relay.ask("queue", "show", queue_id, "--json")
    show.check(holds='"state": "held"' in waits, claim="a program that looks at the link confirms nothing")
    done = await asyncio.to_thread(_visit, link, b"do=confirm")
    show.check(holds=looked == done == 200, claim="the button on the page does, and the mail goes on by itself")


def _visit(link: str, form: bytes | None = None) -> int:
    with urllib.request.urlopen(link, form, timeout=PATIENCE) as answer:  # noqa: S310 -- our own page
        return int(answer.status)


def _text(received: Received) -> str:
    message = email.message_from_bytes(received.offer.content, policy=email.policy.default)
    body = message.get_body(("plain",))
    return str(body.get_content()) if body is not None else ""
