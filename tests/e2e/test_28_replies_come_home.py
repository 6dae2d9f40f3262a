"""Answers reach a company whose host enforces DMARC (rspamd), whatever their writers can prove."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message

import dkim
import pytest
from aiosmtplib import SMTPResponseException
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from relay.mail.dkim import dns_record
from relay.sandbox.world import World
from tests.peers.postfix import Listening, Postfix, receiving_host
from tests.peers.rspamd import Rspamd

from .client import RawClient
from .conftest import StartRelay
from .mail import message
from .relay_process import BAKKERIJ, DOMAIN, Relay, free_port
from .until import until

HOST, ADDRESS = "mx.streng-thuis.example", "127.0.20.6"
HOME = "info@streng-thuis.example"
KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
# All that comes to the relay comes from here, what the relay sends too: SPF of a writer's domain proves nothing there,
# because the reverse path is ours.
HERE = "v=spf1 ip4:127.0.0.0/8 -all"


@dataclass(frozen=True)
class Writer:
    """What a writer's domain publishes, and what becomes of an answer from there."""

    dmarc: str = "v=DMARC1; p=reject"
    spf: str = HERE
    signs: bool = False
    breaks: bool = False
    null: bool = False
    munged: bool = True


WRITERS = {
    "ondertekend": Writer(signs=True, munged=False),
    "ondertekend-zonder-spf": Writer(signs=True, spf="v=spf1 -all", munged=False),
    "alleen-spf": Writer(),
    "alleen-spf-quarantaine": Writer(dmarc="v=DMARC1; p=quarantine"),
    "gebroken": Writer(signs=True, breaks=True),
    "zonder-dmarc": Writer(dmarc="", munged=False),
    "vraagt-niets": Writer(dmarc="v=DMARC1; p=none", munged=False),
    "automaat": Writer(null=True),
    "automaat-ondertekend": Writer(null=True, signs=True, munged=False),
}


def domain(name: str) -> str:
    return f"{name}.example"


def publish(world: World) -> None:
    for name, writer in WRITERS.items():
        world.zones.publish(domain(name), "TXT", writer.spf)
        world.zones.publish(domain(name), "MX", f"10 mx.{domain(name)}.")
        world.zones.publish(f"mx.{domain(name)}", "A", "127.0.0.1")
        world.zones.publish(f"mx.{domain(name)}", "TXT", writer.spf)
        world.zones.publish(f"s1._domainkey.{domain(name)}", "TXT", dns_record(KEY))
        if writer.dmarc:
            world.zones.publish(f"_dmarc.{domain(name)}", "TXT", writer.dmarc)


def letter(name: str, *, extra: tuple[str, ...] = ()) -> bytes:
    """An answer as that writer's server hands it on."""
    writer = WRITERS[name]
    octets = message(f"Re: {name}", author=f"Jan Peeters <jan@{domain(name)}>", to=BAKKERIJ, extra=list(extra))
    if writer.signs:
        octets = dkim.sign(octets, b"s1", domain(name).encode(), PEM) + octets
    return octets + b"-- \r\nA footer of some host on the way\r\n" if writer.breaks else octets


@pytest.fixture
async def judge(world: World, relay_host: str) -> AsyncIterator[Postfix]:
    """The company's host: Postfix with rspamd before it, which refuses what DMARC lets it refuse."""
    world.zones.publish(HOST, "A", ADDRESS)
    world.zones.publish("streng-thuis.example", "MX", f"10 {HOST}.")
    certificate, key = world.authority.issue(HOST)
    where = Listening(HOST, ADDRESS, world.smtp_port, key + certificate)
    async with Rspamd(ADDRESS, free_port(ADDRESS), world.dns_address, arc=True) as rspamd:
        nowhere = (relay_host, 1)
        async with receiving_host(where, domain="streng-thuis.example", relay=nowhere, milter=rspamd.milter) as postfix:
            yield postfix


@pytest.fixture
async def relay(start_relay: StartRelay) -> Relay:
    relay = await start_relay(start=False)
    relay.change_company("bakkerij-peeters", address=HOME)
    await relay.start()
    return relay


async def arrived(judge: Postfix, count: int) -> dict[str, Message]:
    """So many mails at the company's host, by what they are about."""
    mails = await until(lambda: judge.mail() if len(judge.mail()) >= count else None, f"{count} mails at home")
    return {str(read["Subject"]).removeprefix("Re: "): read for read in map(message_from_bytes, mails)}


def said(mail: Message, method: str) -> str:
    """What the judge found out by one method."""
    (results,) = [each for each in mail.get_all("Authentication-Results", []) if not each.startswith(f"mx1.{DOMAIN}")]
    found = [part.split()[0].partition("=")[2] for part in results.split(";") if part.strip().startswith(method + "=")]
    return found[0] if found else "none"


def unfolded(value: object) -> str:
    return " ".join(str(value).split())


async def bring(relay: Relay, name: str) -> str:
    sender = "" if WRITERS[name].null else f"jan@{domain(name)}"
    return await relay.bring(letter(name), BAKKERIJ, sender=sender, helo=f"mx.{domain(name)}")


async def test_every_answer_arrives_at_a_host_that_enforces_dmarc(relay: Relay, judge: Postfix, world: World) -> None:
    publish(world)
    ids = {name: await bring(relay, name) for name in WRITERS}
    mails = await arrived(judge, len(WRITERS))
    assert mails.keys() == WRITERS.keys()
    for name, writer in WRITERS.items():
        mail, original = mails[name], f"Jan Peeters <jan@{domain(name)}>"
        assert said(mail, "dmarc") == ("pass" if writer.munged or writer.signs else said(mail, "dmarc")), name
        assert said(mail, "dmarc") != "fail" or writer.dmarc.endswith("p=none"), name
        assert said(mail, "arc") == "pass", name
        if writer.munged:
            assert unfolded(mail["From"]) == f'"Jan Peeters via Bakkerij Peeters BV" <{BAKKERIJ}>', name
            assert (mail["Reply-To"], mail["Original-From"]) == (original, original), name
        else:
            assert (mail["From"], mail["Reply-To"]) == (original, None), name
            assert mail.as_bytes().replace(b"\n", b"\r\n").endswith(letter(name)[-200:]), name
        assert mail["Return-Path"].startswith("<>" if writer.null else "<SRS0="), name
    for name, queue_id in ids.items():
        (journey,) = await relay.trace(queue_id)
        (delivered,) = [event for event in journey["events"] if event["type"] == "delivered"]
        assert any("From becomes" in reason for reason in delivered["data"]["reasons"]) is WRITERS[name].munged


@pytest.mark.parametrize("name", [name for name, writer in WRITERS.items() if writer.munged])
async def test_the_same_answer_would_be_refused_in_its_writers_name(judge: Postfix, world: World, name: str) -> None:
    """Without this, the other test would prove nothing."""
    publish(world)
    async with RawClient(ADDRESS, world.smtp_port) as client:
        await client.hello()
        await client.envelope("" if WRITERS[name].null else f"SRS0=x=y=z=jan@{DOMAIN}", HOME)
        assert (await client.say("DATA")).startswith("354")
        await client.send(letter(name) + b".\r\n")
        assert (await client.reply()).startswith("554 5.7.1")
    assert judge.mail() == []


LIST = "lijst.example"


def from_list(name: str) -> bytes:
    """The answer as a mailing list hands it on: a footer broke the signature, and the list's seal says that it held."""
    found = f"Authentication-Results: {LIST}; dmarc=pass header.from={domain(name)}\r\n".encode()
    octets = found + b"List-Id: <post.lijst.example>\r\n" + letter(name) + b"-- \r\nLeave the list: post-request\r\n"
    return b"".join(dkim.arc_sign(octets, b"s1", LIST.encode(), PEM, LIST.encode())) + octets


async def test_what_a_trusted_mailing_list_changed_arrives_and_of_others_it_waits(
    relay: Relay, judge: Postfix, world: World
) -> None:
    publish(world)
    world.zones.publish(LIST, "TXT", HERE)
    world.zones.publish(f"s1._domainkey.{LIST}", "TXT", dns_record(KEY))

    async def bring_from_list(name: str) -> str:
        return await relay.bring(from_list(name), BAKKERIJ, sender=f"post-bounces@{LIST}", helo=f"mx.{LIST}")

    held = await bring_from_list("ondertekend")
    (journey,) = await relay.trace(held)
    assert [event["type"] for event in journey["events"]][-1] == "held"
    relay.change({"authentication": {"trusted_sealers": [LIST]}})
    await relay.event("reloaded")
    await bring_from_list("ondertekend-zonder-spf")
    mails = await arrived(judge, 2)  # the notice about the held one, and the other one
    assert "ondertekend" not in mails
    mail = mails["ondertekend-zonder-spf"]
    assert unfolded(mail["From"]) == f'"Jan Peeters via Bakkerij Peeters BV" <{BAKKERIJ}>'
    assert (said(mail, "dmarc"), said(mail, "arc")) == ("pass", "pass")


SPAM = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


async def test_what_the_companys_host_refuses_its_writer_hears_at_once(
    relay: Relay, judge: Postfix, world: World
) -> None:
    publish(world)
    spam = letter("vraagt-niets") + SPAM.encode() + b"\r\n"
    sender, helo = f"jan@{domain('vraagt-niets')}", f"mx.{domain('vraagt-niets')}"
    held = await relay.bring(spam, BAKKERIJ, sender=sender, helo=helo)
    await relay.event("held", queue_id=held)
    relay.change_company("bakkerij-peeters", incoming={"cut_through": True})
    await relay.event("reloaded")
    with pytest.raises(SMTPResponseException) as refusal:
        await relay.bring(spam, BAKKERIJ, sender=sender, helo=helo)
    assert refusal.value.code == 554
    assert refusal.value.message.startswith("5.7.1 The company's mail host says:")
    await bring(relay, "vraagt-niets")
    assert (await arrived(judge, 1)).keys() == {"vraagt-niets"}
    assert len(relay.events("held")) == 1


async def test_secrets_of_return_addresses_change_without_losing_what_is_on_its_way(
    relay: Relay, judge: Postfix, world: World
) -> None:
    publish(world)

    async def path(name: str) -> str:
        before = len(judge.mail())
        await bring(relay, name)
        mails = await arrived(judge, before + 1)
        return str(mails[name]["Return-Path"]).strip("<>")

    async def answer(address: str) -> str:
        async with RawClient(relay.host, relay.ports["mx"]) as client:
            await client.hello()
            await client.envelope("")
            return await client.say(f"RCPT TO:<{address}>")

    async def sign_with(*names: str) -> None:
        count = len(relay.events("reloaded"))
        relay.change({"secrets": {"signing": [{"file": f"var/demo/{name}"} for name in names]}})
        await relay.event("reloaded", count=count + 1)

    relay.put("var/demo/newer-secret", "a secret that comes after the first one")
    old = await path("ondertekend")
    await sign_with("newer-secret", "signing-secret")
    new = await path("zonder-dmarc")
    assert [(await answer(address))[:3] for address in (old, new)] == ["250", "250"]
    await sign_with("newer-secret")
    assert [(await answer(address))[:3] for address in (old, new)] == ["550", "250"]
