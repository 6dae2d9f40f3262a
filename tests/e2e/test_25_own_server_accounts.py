"""Accounts on a company's own server (Postfix and Dovecot of Debian) that change while mail is on its way."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from relay.sandbox.default_world import STUDIO_PASSWORD, STUDIO_USER
from relay.sandbox.world import World
from tests.delivery.issuer import Issuer
from tests.peers.dovecot import Dovecot
from tests.peers.postfix import Listening, submission_server

from .conftest import StartRelay
from .mail import message
from .relay_process import DOMAIN, Relay, free_port
from .until import until

SERVER, ADDRESS = "smtp.studio-noord.example", "127.0.20.3"
SENDER = f"studio-noord@{DOMAIN}"
CONTENT = message(author="Studio Noord <facturen@app.example>", to="kantoor@klant.example")


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer() as issuer:
        issuer.username = STUDIO_USER
        yield issuer


@pytest.fixture
async def dovecot(issuer: Issuer) -> AsyncIterator[Dovecot]:
    async with Dovecot(STUDIO_USER, STUDIO_PASSWORD, tokens=f"{issuer.url}/introspect") as dovecot:
        yield dovecot


@pytest.fixture
async def port(world: World, dovecot: Dovecot) -> AsyncIterator[int]:
    certificate, key = world.authority.issue(SERVER)
    where = Listening(SERVER, ADDRESS, free_port(ADDRESS), key + certificate)
    world.zones.publish(SERVER, "A", ADDRESS)
    world.zones.publish("studio-noord.example", "TXT", f"v=spf1 ip4:{ADDRESS} -all")
    onwards = (world.addresses["mx.klant.example"], world.smtp_port)
    async with submission_server(where, account=STUDIO_USER, auth=dovecot.auth, relay=onwards):
        yield where.port


def configure_tokens(relay: Relay, port: int, issuer: Issuer) -> None:
    relay.put("var/sealing", "a secret of the tests, long enough for sealing")
    relay.put("var/refresh", "refresh-0")
    client = {"client_id": "relay", "token_url": f"{issuer.url}/token", "internal": True}
    relay.change(
        {
            "delivery": {"connections_idle": "1ms"},
            "secrets": {"sealing": [{"file": "var/sealing"}]},
            "oauth2": {"issuer": client},
        }
    )
    oauth2 = {"client": "issuer", "refresh_token": {"file": "var/refresh"}}
    relay.change_company("studio-noord", outgoing={"server": {"port": port, "password": None, "oauth2": oauth2}})


async def send_another(relay: Relay) -> bool:
    """One more mail; whether some is held by now."""
    await relay.submit(CONTENT, "balie@klant.example", sender=SENDER)
    return bool(relay.events("held"))


async def test_a_password_changed_on_the_server_holds_mail_until_it_is_in_yaml(
    start_relay: StartRelay, port: int, dovecot: Dovecot, world: World
) -> None:
    relay = await start_relay(start=False)
    relay.change({"delivery": {"connections_idle": "1ms"}})
    relay.change_company("studio-noord", outgoing={"server": {"port": port}})
    await relay.start()
    await relay.submit(CONTENT, "kantoor@klant.example", sender=SENDER)
    await world.wait_for("kantoor@klant.example", 60)
    dovecot.change_password("another password")
    # Dovecot looks at its file again after a second; until then the old one counts.
    await until(lambda: send_another(relay), "a login that is refused")
    told = await relay.event("account-refused")
    assert told["company"] == "studio-noord"
    assert "password" in told["advice"]
    assert relay.events("failed") == relay.events("reported") == []
    relay.put("var/demo/studio-noord-password", "another password")
    relay.signal(signal.SIGHUP)
    await relay.event("account-back")
    await relay.is_empty()


async def test_tokens_that_rotate_and_a_consent_that_is_revoked(
    start_relay: StartRelay, port: int, issuer: Issuer, world: World
) -> None:
    relay = await start_relay(start=False)
    configure_tokens(relay, port, issuer)
    await relay.start()
    await relay.submit(CONTENT, "kantoor@klant.example", sender=SENDER)
    await world.wait_for("kantoor@klant.example", 60)
    assert issuer.asked[0]["refresh_token"] == "refresh-0"
    issuer.valid = None
    await until(lambda: send_another(relay), "a login that is refused")
    assert "535" in relay.events("held")[0]["reply"]
    assert relay.events("failed") == relay.events("reported") == []
    # Consent anew, had elsewhere, and written into YAML.
    issuer.valid = "refresh-new"
    relay.put("var/refresh", "refresh-new")
    relay.signal(signal.SIGHUP)
    await relay.is_empty()
    assert b"refresh-" not in (relay.place / "var").joinpath("relay.db").read_bytes()


async def test_kill_9_while_a_token_is_being_renewed_loses_neither_mail_nor_consent(
    start_relay: StartRelay, port: int, issuer: Issuer, world: World
) -> None:
    relay = await start_relay(start=False)
    configure_tokens(relay, port, issuer)
    await relay.start()
    # An issuer that takes the old refresh token once more, as Microsoft and Google do.
    issuer.rotates = False
    issuer.before_answer = asyncio.Event()
    await relay.submit(CONTENT, "kantoor@klant.example", sender=SENDER)
    await issuer.arrived.wait()
    await relay.kill_everything()
    issuer.before_answer.set()
    await relay.start()
    await world.wait_for("kantoor@klant.example", 150)
    assert [form["refresh_token"] for form in issuer.asked] == ["refresh-0", "refresh-0"]
