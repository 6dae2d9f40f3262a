"""Mail from outside: forwarded octet for octet, never relayed; bounces only to addresses of our making."""

import re
import time

import pytest

from relay.mail.srs import srs_reverse
from relay.sandbox.answer import send_answer
from relay.sandbox.world import World

from .client import RawClient
from .mail import WRITER, field_names, message
from .relay_process import BAKKERIJ, DOMAIN, Relay

COMPANY = "info@bakkerij-peeters.example"
SIGNED = b"DKIM-Signature: v=1; a=rsa-sha256; d=klant.example; s=x; h=from; bh=;\r\n\tb=odd  \r\n\t spacing==\r\n"


async def test_an_answer_is_forwarded_octet_for_octet(relay: Relay, world: World) -> None:
    content = SIGNED + message("Re: Factuur  ", author=WRITER, to=BAKKERIJ, extra=["X-Odd :  kept\r\n\tfolded "])
    queue_id = await relay.bring(content, BAKKERIJ)
    received = await world.wait_for(COMPANY, 60)
    assert received.offer.content.endswith(content)
    assert field_names(received.offer.content.removesuffix(content)) == [
        *("ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"),
        *("Authentication-Results", "Relay-Forwarded", "Received"),
    ]
    assert queue_id in received.header("Received")
    local, _, domain = received.offer.reverse_path.rpartition("@")
    assert domain == DOMAIN
    secret = (relay.place / "var/demo/signing-secret").read_bytes()
    assert str(srs_reverse(local, secrets=[secret], day=int(time.time()) // 86400)) == "an@klant.example"
    assert received.verdicts.spf == "pass"


async def test_a_customer_answers_what_arrived(relay: Relay, world: World) -> None:
    queue_id = await relay.submit(message(), "an@klant.example")
    received = await world.wait_for("an@klant.example", 60)
    code, _ = await send_answer(
        received, "Klopt.", source=world.addresses["mx.klant.example"], target=(relay.host, relay.ports["mx"]), at=1.0
    )
    assert code == 250
    answer = await world.wait_for(COMPANY, 60)
    assert answer.header("In-Reply-To") == received.header("Message-ID")
    (journey,) = await relay.trace(queue_id)
    (replied,) = [event for event in journey["events"] if event["type"] == "replied"]
    assert (replied["data"]["kind"], replied["data"]["tie"]) == ("person", "tag")


REFUSED = {
    "unknown alias": (f"<nobody@{DOMAIN}>", "550 5.1.1"),
    "relay for strangers": ("<an@klant.example>", "550 5.7.1"),
    "percent hack": (f"<an%klant.example@{DOMAIN}>", "550 5.1.1"),
    "bang path": (f"<klant.example!an@{DOMAIN}>", "550 5.1.1"),
    "source route": (f"<@{DOMAIN}:an@klant.example>", "553 5.1.3"),
    "subdomain": (f"<bakkerij-peeters@x.{DOMAIN}>", "550 5.7.1"),
    "forged bounce address": (f"<b+1m83n6z0e39ye9.0.aaaaaaaaaaaaaaaa@{DOMAIN}>", "550 5.1.1"),
    "forged SRS": (f"<SRS0=AAAAAAAA=AA=klant.example=an@{DOMAIN}>", "550 5.1.1"),
}


async def test_what_is_refused_at_rcpt(relay: Relay, world: World) -> None:
    for sender in ("an@klant.example", BAKKERIJ, ""):
        async with RawClient(relay.host, relay.ports["mx"]) as client:
            assert "AUTH" not in await client.hello()
            assert (await client.say(f"MAIL FROM:<{sender}>")).startswith("250")
            for case, (recipient, reply) in REFUSED.items():
                said = await client.say(f"RCPT TO:{recipient}")
                assert said.startswith(reply), (case, said)
            assert (await client.say("DATA")).startswith("554 5.5.1")
    assert world.received() == relay.events("received") == []


async def test_a_bounce_reaches_the_company_and_a_forged_one_nobody(relay: Relay, world: World) -> None:
    queue_id = await relay.submit(message(), "an@klant.example")
    ours = (await world.wait_for("an@klant.example", 60)).offer.reverse_path
    report = message("Undelivered Mail", author="MAILER-DAEMON@buur.example", to=ours)
    async with RawClient(relay.host, relay.ports["mx"], source=world.addresses["mx.klant.example"]) as client:
        await client.hello()
        # A return address of ours takes bounces, nothing else.
        await client.envelope("an@klant.example")
        assert (await client.say(f"RCPT TO:<{ours}>")).startswith("550 5.7.1")
        await client.say("RSET")
        forged = re.sub(r"\.(\d)\.", ".1.", ours)
        assert forged != ours
        await client.envelope("")
        assert (await client.say(f"RCPT TO:<{forged}>")).startswith("550 5.1.1")
        assert (await client.say(f"RCPT TO:<{ours.upper()}>")).startswith("250")
        assert (await client.say("DATA")).startswith("354")
        await client.send(report + b".\r\n")
        assert (await client.reply()).startswith("250")
    bounce = await world.wait_for(COMPANY, 60)
    assert bounce.offer.reverse_path == ""
    assert bounce.offer.content.endswith(report)
    (journey,) = await relay.trace(queue_id)
    assert "bounced" in [event["type"] for event in journey["events"]]


@pytest.mark.parametrize("address", ["postmaster", f"Postmaster@{DOMAIN}"])
async def test_postmaster_is_a_person(relay: Relay, world: World, address: str) -> None:
    async with RawClient(relay.host, relay.ports["mx"]) as client:
        await client.hello()
        await client.envelope("an@klant.example", address)
        assert (await client.say("DATA")).startswith("354")
        await client.send(message("Hello", author=WRITER) + b".\r\n")
        assert (await client.reply()).startswith("250")
    assert (await world.wait_for("postmaster@operator.example", 60)).header("Subject") == "Hello"


async def test_loops_end(relay: Relay, world: World) -> None:
    hops = ["Received: from a by b; Mon, 23 Nov 2026 07:00:00 +0000"] * 101
    async with RawClient(relay.host, relay.ports["mx"]) as client:
        await client.hello()
        await client.envelope("an@klant.example", BAKKERIJ)
        assert (await client.say("DATA")).startswith("354")
        await client.send(message(extra=hops) + b".\r\n")
        assert (await client.reply()).startswith("554 5.4.6")
    assert relay.events("received") == []


async def test_what_cannot_be_forwarded_waits_for_a_person_and_tells_no_stranger(relay: Relay, world: World) -> None:
    world.zones.publish("bakkerij-peeters.example", "MX", "0 .")
    queue_id = await relay.bring(message(author=WRITER), BAKKERIJ)
    await relay.event("held", queue_id=queue_id)
    # The operator's notice may be on its way.
    (waits,) = [each for each in await relay.queue() if each["queue_id"] == queue_id]
    assert waits["state"] == "held"
    assert relay.events("reported") == world.received("an@klant.example") == []
