"""Configuration that changes while the relay runs: taken over live and whole, or refused with its place."""

import asyncio
import json

import aiosmtplib
import dns.name
import pytest

from relay.mail.challenge import challenge_name
from relay.sandbox.scripted_peer import ScriptedPeer
from relay.sandbox.world import World

from .conftest import StartRelay
from .mail import WRITER, message
from .relay_process import APP, BAKKERIJ, DOMAIN, PASSWORD, Relay, write_certificate
from .until import until

LATER = "127.0.20.5"
NEW = f"slagerij-maes@{DOMAIN}"


async def test_a_new_company_may_send_and_receive_within_moments(relay: Relay, world: World) -> None:
    with pytest.raises(aiosmtplib.SMTPSenderRefused):
        await relay.submit(message(), "an@klant.example", sender=NEW)
    relay.change_company("slagerij-maes", name="Slagerij Maes", address="info@klant.example", alias="slagerij-maes")
    await relay.event("reloaded", added=1)
    await relay.submit(message(author="Maes <x@y.example>"), "an@klant.example", sender=NEW)
    assert (await world.wait_for("an@klant.example", 60)).header("From") == f"Maes <{NEW}>"
    await relay.bring(message(author=WRITER), NEW)
    await world.wait_for("info@klant.example", 60)


async def test_a_mistake_keeps_the_last_good_state_and_is_named(start_relay: StartRelay, world: World) -> None:
    relay = await start_relay(workers=2)
    assert (await relay.command("status")).code == 0
    good = (relay.config / "companies/garage-lambert.yaml").read_text()
    relay.put("config/companies/garage-lambert.yaml", good.replace("own-domain", "own_domain"))
    relay.change_company("slagerij-maes", name="Slagerij Maes", address="info@klant.example", alias="slagerij-maes")
    failed = await relay.event("reload-failed", count=2)
    line = next(number for number, text in enumerate(good.splitlines(), start=1) if "identity: own-domain" in text)
    assert f"garage-lambert.yaml:{line}:13: outgoing.identity" in failed["error"]
    # Whole or not at all: what is right in itself waits with what is wrong.
    with pytest.raises(aiosmtplib.SMTPSenderRefused):
        await relay.submit(message(), "an@klant.example", sender=NEW)
    await relay.submit(message(), "inkoop@streng.example", sender=f"garage-lambert@{DOMAIN}")
    assert "facturen@garage-lambert.example" in (await world.wait_for("inkoop@streng.example", 60)).header("From")
    assert await relay.metric("relay_config_broken") == 1

    async def told() -> bool:
        ended = await relay.command("status", "--json")
        return ended.code == 1 and f"garage-lambert.yaml:{line}:13" in json.dumps(ended.json["attention"])

    await until(told, "relay status names the mistake")
    assert (await relay.get("/readyz"))[0] == 200

    relay.put("config/companies/garage-lambert.yaml", good)
    await relay.event("reloaded", count=2)
    assert await relay.metric("relay_config_broken") == 0

    async def is_well() -> bool:
        return (await relay.command("status")).code == 0

    await until(is_well, "relay status says that all is well")
    await relay.submit(message(), "an@klant.example", sender=NEW)


async def test_a_changed_identity_counts_for_mail_that_waits(relay: Relay, world: World) -> None:
    garage = f"garage-lambert@{DOMAIN}"
    relay.change_company("garage-lambert", outgoing={"from": "facturen@klant.example", "otherwise": "hold"})
    await relay.event("reloaded")
    queue_id = await relay.submit(message(), "inkoop@streng.example", sender=garage)
    held = await relay.event("held", queue_id=queue_id)
    assert "nothing proves that klant.example is the company's" in held["reason"]
    relay.change_company("garage-lambert", outgoing={"otherwise": "alias"})
    received = await world.wait_for("inkoop@streng.example", 60)
    assert garage in received.header("From")
    (journey,) = await relay.trace(queue_id)
    assert [event["type"] for event in journey["events"]] == ["received", "held", "released", "delivered"]
    reasons = journey["events"][-1]["data"]["reasons"]
    assert any("the company's alias is used instead" in reason for reason in reasons)


async def test_a_repaired_record_releases_mail(relay: Relay, world: World) -> None:
    world.zones.ttl = 1
    name = challenge_name("garage-lambert.example")
    (proof,) = world.zones.find(dns.name.from_text(name), "TXT").records
    world.zones.withdraw(name)
    relay.change_company("garage-lambert", outgoing={"otherwise": "hold"})
    await relay.event("reloaded")
    await relay.submit(message(), "inkoop@streng.example", sender=f"garage-lambert@{DOMAIN}")
    await relay.event("held")
    world.zones.publish(name, "TXT", proof.strings[0])
    assert "facturen@garage-lambert.example" in (await world.wait_for("inkoop@streng.example", 90)).header("From")


async def test_a_company_that_is_gone_holds_its_mail_until_it_is_back(relay: Relay, world: World) -> None:
    file = relay.config / "companies/bakkerij-peeters.yaml"
    kept = file.read_text()
    world.zones.publish("later.example", "MX", "10 mx.later.example.")
    world.zones.publish("mx.later.example", "A", LATER)
    queue_id = await relay.submit(message(), "an@later.example")
    await relay.event("deferred", queue_id=queue_id)
    file.unlink()
    held = await relay.event("held", queue_id=queue_id)
    assert held["reason"] == "there is no company bakkerij-peeters in the configuration any more"
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await relay.bring(message(author=WRITER), BAKKERIJ)
    async with ScriptedPeer(host=LATER, port=world.smtp_port) as peer:
        relay.put("config/companies/bakkerij-peeters.yaml", kept)
        await peer.wait_for(lambda peer: len(peer.messages) == 1, 60)


async def test_a_renewed_certificate_is_shown_without_a_restart(relay: Relay, world: World) -> None:
    async def serial() -> str:
        async with relay.session() as client:
            await client.starttls(tls_context=world.authority.client_context())
            return str(client.get_transport_info("peercert")["serialNumber"])

    first = await serial()
    async with relay.session() as kept:
        await kept.starttls(tls_context=world.authority.client_context())
        await asyncio.to_thread(write_certificate, relay.place / "var/demo", world.authority, relay.host)

        async def is_new() -> bool:
            return await serial() != first

        await until(is_new, "the new certificate is shown")
        # A session that is open goes on.
        await kept.login(APP, PASSWORD)
        await kept.sendmail(BAKKERIJ, ["an@klant.example"], message())
    await world.wait_for("an@klant.example", 60)


async def test_a_broken_certificate_leaves_the_last_good_one(relay: Relay, world: World) -> None:
    """Half a file, or a key that belongs to another certificate: TLS goes on, and whoever looks hears of it."""

    async def serial() -> str:
        async with relay.session() as client:
            await client.starttls(tls_context=world.authority.client_context())
            return str(client.get_transport_info("peercert")["serialNumber"])

    first, file = await serial(), relay.place / "var/demo/tls-cert.pem"
    good = file.read_bytes()
    other, _ = world.authority.issue(f"mx1.{DOMAIN}", relay.host)
    for number, broken in enumerate((good[: len(good) // 2], other, b""), start=1):
        file.write_bytes(broken)
        await relay.event("reload-failed", count=number)
        assert await serial() == first

    async def told() -> bool:
        return "tls." in (await relay.command("status")).out

    await until(told, "relay status says what is wrong")
    assert await serial() == first
    await asyncio.to_thread(write_certificate, relay.place / "var/demo", world.authority, relay.host)

    async def is_new() -> bool:
        return await serial() != first

    await until(is_new, "the new certificate is shown")

    async def forgotten() -> bool:
        return not await told()

    await until(forgotten, "relay status is content again")
