"""A receiving host with a judge of its own (rspamd): whatever the relay lets go passes DMARC there, or it waits."""

from collections.abc import AsyncIterator
from email import message_from_bytes

import pytest

from relay.sandbox.default_world import STUDIO_PASSWORD, STUDIO_USER
from relay.sandbox.world import World
from tests.peers.dovecot import Dovecot
from tests.peers.postfix import Listening, Postfix, receiving_host, submission_server
from tests.peers.rspamd import Rspamd

from .client import RawClient
from .conftest import StartRelay
from .mail import message
from .relay_process import DOMAIN, Relay, free_port
from .until import until

HOST, ADDRESS = "mx.streng-oordeel.example", "127.0.20.4"
SERVER, SERVER_ADDRESS = "smtp.studio-noord.example", "127.0.20.5"
TO = "an@streng-oordeel.example"
GARAGE = f"garage-lambert@{DOMAIN}"


@pytest.fixture
async def judge(world: World, relay_host: str) -> AsyncIterator[Postfix]:
    """Postfix with rspamd before it; both look up names in the sandbox."""
    world.zones.publish(HOST, "A", ADDRESS)
    world.zones.publish("streng-oordeel.example", "MX", f"10 {HOST}.")
    certificate, key = world.authority.issue(HOST)
    where = Listening(HOST, ADDRESS, world.smtp_port, key + certificate)
    async with Rspamd(ADDRESS, free_port(ADDRESS), world.dns_address) as rspamd:
        nowhere = (relay_host, 1)
        host = receiving_host(where, domain="streng-oordeel.example", relay=nowhere, milter=rspamd.milter)
        async with host as postfix:
            yield postfix


def verdict(mail: bytes) -> str:
    """What the judge thinks of a mail that it let in."""
    (results,) = message_from_bytes(mail).get_all("Authentication-Results", [])
    (dmarc,) = [part.split()[0] for part in results.split(";") if part.strip().startswith("dmarc=")]
    return dmarc


async def believed(judge: Postfix, count: int = 1) -> list[bytes]:
    """Wait for so many mails in the judge's mailbox: all of them passed."""
    mail = await until(lambda: judge.mail() if len(judge.mail()) >= count else None, f"{count} mails at the judge")
    assert [verdict(one) for one in mail] == ["dmarc=pass"] * count
    return mail


def author(mail: bytes) -> str:
    return str(message_from_bytes(mail)["From"])


async def test_the_judge_refuses_what_nobody_vouches_for(world: World, judge: Postfix) -> None:
    """Without this, the other tests would prove nothing."""
    async with RawClient(ADDRESS, world.smtp_port) as client:
        await client.hello()
        await client.envelope("facturen@garage-lambert.example", TO)
        assert (await client.say("DATA")).startswith("354")
        await client.send(message(author="<info@bakkerij-peeters.example>", to=TO) + b".\r\n")
        assert (await client.reply()).endswith("5.7.1 Action set by DMARC")
    assert judge.mail() == []


async def test_an_alias_is_believed(relay: Relay, judge: Postfix) -> None:
    await relay.submit(message(to=TO), TO)
    (mail,) = await believed(judge)
    assert author(mail) == f'"Bakkerij Peeters BV" <bakkerij-peeters@{DOMAIN}>'


async def test_a_report_to_a_company_is_believed(relay: Relay, judge: Postfix) -> None:
    relay.change_company("bakkerij-peeters", address=TO)
    await relay.event("reloaded")
    await relay.submit(message(), "unknown-person@klant.example")
    (mail,) = await believed(judge)
    assert author(mail).endswith(f"<mailer-daemon@{DOMAIN}>")


async def test_an_own_domain_is_believed_while_its_spf_record_allows_us(relay: Relay, judge: Postfix) -> None:
    await relay.submit(message(to=TO), TO, sender=GARAGE)
    (mail,) = await believed(judge)
    assert author(mail).endswith("<facturen@garage-lambert.example>")
    assert message_from_bytes(mail)["Return-Path"] == "<facturen@garage-lambert.example>"


async def test_an_own_domain_that_does_not_allow_us_gives_way_to_the_alias(
    relay: Relay, judge: Postfix, world: World
) -> None:
    world.zones.publish("garage-lambert.example", "TXT", "v=spf1 mx -all")
    await relay.submit(message(to=TO), TO, sender=GARAGE)
    (mail,) = await believed(judge)
    assert author(mail).endswith(f"<{GARAGE}>")


async def test_an_own_server_is_believed(start_relay: StartRelay, judge: Postfix, world: World) -> None:
    certificate, key = world.authority.issue(SERVER)
    where = Listening(SERVER, SERVER_ADDRESS, free_port(SERVER_ADDRESS), key + certificate)
    world.zones.publish(SERVER, "A", SERVER_ADDRESS)
    world.zones.publish("studio-noord.example", "TXT", f"v=spf1 ip4:{SERVER_ADDRESS} -all")
    async with Dovecot(STUDIO_USER, STUDIO_PASSWORD) as dovecot:
        onwards = (ADDRESS, world.smtp_port)
        async with submission_server(where, account=STUDIO_USER, auth=dovecot.auth, relay=onwards):
            relay = await start_relay(start=False)
            relay.change_company("studio-noord", outgoing={"server": {"port": where.port}})
            await relay.start()
            await relay.submit(message(to=TO), TO, sender=f"studio-noord@{DOMAIN}")
            (mail,) = await believed(judge)
    assert author(mail).endswith(f"<{STUDIO_USER}>")
