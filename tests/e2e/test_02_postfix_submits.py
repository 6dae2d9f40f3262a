"""Postfix and Dovecot of Debian as a company's own server: login, one account, one sender address, TLS with proof."""

import shutil
import signal
from collections.abc import AsyncIterator

import pytest

from relay.sandbox.default_world import STUDIO_PASSWORD, STUDIO_USER
from relay.sandbox.world import World
from tests.peers.dovecot import Dovecot
from tests.peers.postfix import Listening, Postfix, submission_server

from .conftest import StartRelay
from .mail import field_names, message, with_author
from .relay_process import DOMAIN, Relay, free_port

SERVER, ADDRESS = "smtp.studio-noord.example", "127.0.20.2"
SENDER = f"studio-noord@{DOMAIN}"
PASSWORD_FILE = "var/demo/studio-noord-password"
CONTENT = message(author="Studio Noord <facturen@app.example>", to="kantoor@klant.example")


@pytest.fixture
async def server(world: World) -> AsyncIterator[int]:
    """The company's server; its port. What it takes goes on to klant.example."""
    certificate, key = world.authority.issue(SERVER)
    where = Listening(SERVER, ADDRESS, free_port(ADDRESS), key + certificate)
    world.zones.publish(SERVER, "A", ADDRESS)
    world.zones.publish("studio-noord.example", "TXT", f"v=spf1 ip4:{ADDRESS} -all")
    onwards = (world.addresses["mx.klant.example"], world.smtp_port)
    async with Dovecot(STUDIO_USER, STUDIO_PASSWORD) as dovecot:
        postfix: Postfix = submission_server(where, account=STUDIO_USER, auth=dovecot.auth, relay=onwards)
        async with postfix:
            yield where.port


@pytest.fixture
async def relay(start_relay: StartRelay, server: int) -> Relay:
    relay = await start_relay(start=False)
    relay.change_company("studio-noord", outgoing={"server": {"port": server}})
    await relay.start()
    return relay


async def is_held(relay: Relay, words: str) -> None:
    """Wait until the mail is held, for a reason with these words; nobody has been told that it failed."""
    held = await relay.event("held")
    assert words in (held.get("reply") or held.get("text"))
    # The notice about it may be on its way.
    (delivery,) = [each for each in await relay.queue() if each["recipient"] == held["recipient"]]
    assert delivery["state"] == "held"
    assert words in delivery["last"]
    assert relay.events("reported") == relay.events("failed") == []


async def test_mail_goes_through_the_companys_server(relay: Relay, world: World) -> None:
    await relay.submit(CONTENT, "kantoor@klant.example", sender=SENDER)
    received = await world.wait_for("kantoor@klant.example", 60)
    wanted = with_author(CONTENT, f"Studio Noord <{STUDIO_USER}>")
    assert received.offer.content.endswith(wanted)
    assert field_names(received.offer.content.removesuffix(wanted)) == ["Received", "Relay-Sent", "Received"]
    assert received.offer.reverse_path == STUDIO_USER
    assert (received.offer.peer, received.verdicts.spf, received.verdicts.aligned) == (ADDRESS, "pass", True)
    delivered = await relay.event("delivered")
    assert (delivered["identity"], delivered["host"]) == ("own-server", SERVER)
    assert delivered["tls"].startswith("TLS")


async def test_a_wrong_password_holds_mail_until_it_is_right(relay: Relay, world: World) -> None:
    relay.put(PASSWORD_FILE, "no longer the password")
    await relay.submit(CONTENT, "kantoor@klant.example", sender=SENDER)
    await is_held(relay, "authentication failed")
    # More mail does not knock at the door that was just shut: repeated failures lock accounts.
    await relay.submit(CONTENT, "balie@klant.example", sender=SENDER)
    await relay.event("held", count=2)
    relay.put(PASSWORD_FILE, STUDIO_PASSWORD)
    relay.signal(signal.SIGHUP)
    await world.wait_for("kantoor@klant.example", 60)
    await world.wait_for("balie@klant.example", 60)
    await relay.is_empty()


async def test_a_sender_that_is_not_the_accounts_holds_mail(relay: Relay, world: World) -> None:
    relay.change_company("studio-noord", outgoing={"from": "baas@studio-noord.example"})
    await relay.event("reloaded")
    await relay.submit(CONTENT, "kantoor@klant.example", sender=SENDER)
    await is_held(relay, "not owned by user")
    relay.change_company("studio-noord", outgoing={"from": STUDIO_USER})
    await world.wait_for("kantoor@klant.example", 60)


async def test_an_invalid_certificate_holds_mail(relay: Relay, world: World) -> None:
    ca = relay.place / "var/demo/ca.pem"
    relay.change_company("studio-noord", outgoing={"server": {"ca": None}})
    await relay.event("reloaded")
    await relay.submit(CONTENT, "kantoor@klant.example", sender=SENDER)
    await is_held(relay, "certificate is not valid")
    shutil.copy(ca, relay.place / "studio-ca.pem")
    relay.change_company("studio-noord", outgoing={"server": {"ca": "studio-ca.pem"}})
    await world.wait_for("kantoor@klant.example", 60)
