"""A receiving host with a judge of its own (rspamd): whatever the relay lets go passes DMARC there, or it waits."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from email import message_from_bytes

import pytest

from relay.mail.challenge import challenge_name, challenge_text
from relay.sandbox.default_world import STUDIO_PASSWORD, STUDIO_USER
from relay.sandbox.world import World
from relay.sandbox.zones import FaultKind
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
ALLOWED = f"v=spf1 include:{DOMAIN} -all"


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


@dataclass(frozen=True)
class Domain:
    """What a company's domain publishes, and in whose name mail goes out because of it; None: it waits."""

    goes_out: str | None
    spf: str | None = ALLOWED
    dmarc: str | None = "v=DMARC1; p=reject"
    key: bool = True
    proof: bool = True
    bounce: bool = False
    otherwise: str = "alias"
    fault: FaultKind | None = None
    path: str = DOMAIN


DOMAINS = {
    "whole": Domain("own-domain"),
    "whole-strict": Domain("own-domain", dmarc="v=DMARC1; p=reject; adkim=s; aspf=s"),
    "bounces-to-us": Domain("own-domain", bounce=True, path="bounce.bounces-to-us.example"),
    "key-only": Domain("own-domain", spf="v=spf1 -all"),
    "typing-error": Domain("own-domain", spf=f"v=spf1 include.{DOMAIN} -all"),
    "spf-only": Domain("own-domain", key=False, dmarc="v=DMARC1; p=none", path="spf-only.example"),
    "spf-quarantine": Domain("own-domain", key=False, dmarc="v=DMARC1; p=quarantine", path="spf-quarantine.example"),
    "spf-strict": Domain("own-domain", key=False, dmarc="v=DMARC1; p=quarantine; aspf=s", path="spf-strict.example"),
    "spf-reject": Domain("alias", key=False),
    "typing-error-alone": Domain("alias", key=False, spf=f"v=spf1 include.{DOMAIN} -all", dmarc="v=DMARC1; p=none"),
    "two-records": Domain("alias", key=False, spf="two", dmarc="v=DMARC1; p=none"),
    "nothing": Domain("alias", key=False, spf=None, dmarc=None),
    "nothing-and-hold": Domain(None, key=False, spf=None, dmarc=None, otherwise="hold"),
    "reject-and-hold": Domain(None, key=False, otherwise="hold"),
    "not-proven": Domain("alias", proof=False),
    "not-known-now": Domain(None, fault=FaultKind.SERVFAIL),
}


def publish(world: World, name: str, secret: bytes) -> None:
    """Put into the DNS what the domain of that company publishes."""
    shows, domain, zones = DOMAINS[name], f"{name}.example", world.zones
    if shows.spf is not None:
        texts = [ALLOWED, "v=spf1 mx -all"] if shows.spf == "two" else [shows.spf]
        zones.publish(domain, "TXT", *texts)
    if shows.dmarc is not None:
        zones.publish(f"_dmarc.{domain}", "TXT", shows.dmarc)
    if shows.key:
        zones.publish(f"d1._domainkey.{domain}", "CNAME", f"d1._domainkey.{DOMAIN}.")
    if shows.proof:
        zones.publish(challenge_name(domain), "TXT", challenge_text(name, domain, secrets=(secret,)))
    if shows.bounce:
        zones.publish(f"bounce.{domain}", "CNAME", f"{DOMAIN}.")
    if shows.fault is not None:
        for each in (domain, f"_dmarc.{domain}", f"d1._domainkey.{domain}", challenge_name(domain)):
            zones.break_name(each, shows.fault)


async def test_own_domains_are_believed_or_give_way_or_wait(
    start_relay: StartRelay, judge: Postfix, world: World
) -> None:
    relay = await start_relay(start=False)
    secret = (relay.place / "var/demo/signing-secret").read_bytes().strip()
    for name, shows in DOMAINS.items():
        publish(world, name, secret)
        relay.change_company(
            name,
            name=name,
            address=f"info@{name}.example",
            alias=name,
            outgoing={"identity": "own-domain", "otherwise": shows.otherwise},
        )
    await relay.start()
    sent = {}
    for name in DOMAINS:
        queue_id = await relay.submit(message(name, to=TO), TO, sender=f"{name}@{DOMAIN}")
        sent[queue_id] = name
    out = {name: shows for name, shows in DOMAINS.items() if shows.goes_out is not None}
    arrived = {str(message_from_bytes(mail)["Subject"]): mail for mail in await believed(judge, len(out))}
    assert arrived.keys() == out.keys()
    for name, mail in arrived.items():
        own = out[name].goes_out == "own-domain"
        assert author(mail).endswith(f"<info@{name}.example>" if own else f"<{name}@{DOMAIN}>"), name
        assert message_from_bytes(mail)["Return-Path"].endswith(f"@{out[name].path if own else DOMAIN}>"), name
    for name in DOMAINS.keys() - out.keys():
        (queue_id,) = [each for each, known in sent.items() if known == name]
        waits = await relay.event("held" if DOMAINS[name].otherwise == "hold" else "deferred", queue_id=queue_id)
        assert waits.get("reason") or waits.get("text")
    # Whoever falls back is told, and so is the app.
    for event in relay.events("delivered"):
        name = sent[event["queue_id"]]
        assert event["fallback"] is (DOMAINS[name].goes_out == "alias"), name
        assert event["reasons"], name


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
