"""Postfix of Debian as the receiving host: what arrives there is what was meant to, to the octet."""

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes

import pytest

from relay.mail.envelope import MailParameters
from relay.mail.verp import is_bounce_local
from relay.sandbox.arrivals import Offer
from relay.sandbox.judge import judge
from relay.sandbox.world import World
from tests.peers.postfix import Listening, Postfix, receiving_host
from tests.peers.programs import program, run

from .conftest import PEERS
from .mail import WRITER, field_names, message, with_author
from .relay_process import BAKKERIJ, DOMAIN, Relay, rss_anon
from .until import until

HOST, POSTFIX = "mx.postfix.example", "127.0.20.1"
TO = "an@postfix.example"
AS_ALIAS = f'"Bakkerij Peeters BV" <{BAKKERIJ}>'
MIB = 1024 * 1024


@pytest.fixture
async def postfix(world: World, relay: Relay) -> AsyncIterator[Postfix]:
    world.zones.publish(HOST, "A", POSTFIX)
    world.zones.publish("postfix.example", "MX", f"10 {HOST}.")
    certificate, key = world.authority.issue(HOST)
    where = Listening(HOST, POSTFIX, world.smtp_port, key + certificate)
    async with receiving_host(where, domain="postfix.example", relay=(relay.host, relay.ports["mx"])) as postfix:
        yield postfix


async def arrived(postfix: Postfix) -> bytes:
    return (await until(postfix.mail, "mail in Postfix's mailbox"))[0]


def as_sent(mail: bytes) -> bytes:
    """Mail without what Postfix puts on top of it: Return-Path, X-Original-To, Delivered-To, its Received."""
    start = mail.index(b"DKIM-Signature:")
    assert field_names(mail[:start]) == ["Return-Path", "X-Original-To", "Delivered-To", "Received"]
    return mail[start:]


def above(content: bytes, mail: bytes) -> list[str]:
    """The fields on top of content that arrived unchanged otherwise."""
    sent = as_sent(mail)
    assert sent.endswith(content)
    return field_names(sent.removesuffix(content))


async def test_mail_arrives_in_the_name_of_the_alias(relay: Relay, postfix: Postfix) -> None:
    content = message(extra=["Bcc: geheim@klant.example", "Reply-To: <info@bakkerij-peeters.example>", "X-Odd:  two  "])
    await relay.submit(content, TO)
    mail = await arrived(postfix)
    wanted = with_author(content, AS_ALIAS).replace(b"Bcc: geheim@klant.example\r\n", b"")
    assert above(wanted, mail) == ["DKIM-Signature", "DKIM-Signature", "Received"]
    envelope = message_from_bytes(mail)
    local, _, domain = envelope["Return-Path"].strip("<>").rpartition("@")
    assert is_bounce_local(local)
    assert domain == DOMAIN
    assert envelope["Delivered-To"] == TO
    assert "TLS" in relay.events("delivered")[0]["tls"]


async def test_two_verifiers_accept_the_signatures(relay: Relay, postfix: Postfix, world: World) -> None:
    await relay.submit(message(body=b"Trailing blanks \t\r\n\r\n.\r\nend\r\n\r\n\r\n"), TO)
    content = as_sent(await arrived(postfix))
    host, _, port = world.dns_address.rpartition(":")
    code, said = await run(program("perl", "perl"), str(PEERS / "verify_dkim.pl"), host, port, stdin=content)
    assert code == 0, said
    assert f"{DOMAIN} rsa1 rsa-sha256 pass" in said.splitlines()
    offer = Offer("127.0.0.1", "mx", "", "", (), MailParameters(), content)
    verdicts = await asyncio.to_thread(judge, offer, world.zones)
    assert verdicts.dkim == ((DOMAIN, "pass"), (DOMAIN, "pass"))


async def test_dsn_wishes_are_passed_on_and_the_notice_comes_home(relay: Relay, postfix: Postfix, world: World) -> None:
    await relay.submit(
        message(),
        TO,
        mail=["RET=HDRS", "ENVID=factuur+3D1"],
        rcpt=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;An@postfix.example"],
    )
    await arrived(postfix)
    notice = await world.wait_for("info@bakkerij-peeters.example", 60)
    assert notice.offer.reverse_path == ""
    text = notice.offer.content.decode()
    assert "Subject: Successful Mail Delivery Report" in text
    assert "Original-Envelope-Id: factuur=1" in text
    assert "Original-Recipient: rfc822;An@postfix.example" in text
    assert "Action: delivered" in text
    # Postfix promised a notice of its own, so the relay wrote none.
    assert relay.events("reported") == []


async def test_international_addresses_and_headers(relay: Relay, postfix: Postfix) -> None:
    content = message("Factuur für Jürgen — €", to="jürgen@postfix.example", body="Grüße\r\n".encode())
    await relay.submit(content, "jürgen@postfix.example", mail=["SMTPUTF8", "BODY=8BITMIME"])
    mail = await arrived(postfix)
    assert above(with_author(content, AS_ALIAS), mail) == ["DKIM-Signature", "DKIM-Signature", "Reply-To", "Received"]
    assert "Delivered-To: jürgen@postfix.example\r\n".encode() in mail


BODIES = {
    "every-octet": bytes(octet for octet in range(1, 256) if octet not in b"\r\n") + b"\r\n",
    "dots": b".\r\n..\r\n.a\r\n\r\n.\r\n...\r\n",
    "long-lines": b"x" * 300_000 + b"\r\n." + b"y" * 70_000 + b"\r\n",
    "empty-lines": b"\r\n\r\n\r\n",
    "nothing": b"",
}


async def test_bodies_survive(relay: Relay, postfix: Postfix) -> None:
    sent = {}
    for name, body in BODIES.items():
        to = f"{name}@postfix.example"
        sent[to] = message(body=body, extra=["MIME-Version: 1.0", "Content-Transfer-Encoding: 8bit"])
        await relay.submit(sent[to], to, mail=["BODY=8BITMIME"])
    await until(lambda: len(postfix.mail()) == len(sent), "all of it in Postfix's mailbox")
    for mail in postfix.mail():
        to = message_from_bytes(mail)["Delivered-To"]
        above(with_author(sent.pop(to), AS_ALIAS), mail)
    assert sent == {}


async def test_large_mail_passes_both_ways_in_bounded_memory(relay: Relay, postfix: Postfix, world: World) -> None:
    line = b"JVBERi0xLjQKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZy9QYWdlcyAyIDAgUj4+ZW5kb2JqCjIgMCBvYmo8\r\n"
    content = message(body=line * (25 * MIB // len(line)))
    # Whatever a worker needs once, it has after one mail.
    await relay.submit(message(), TO)
    await relay.bring(message(author=WRITER), BAKKERIJ)
    await relay.event("delivered", count=2)
    before = {pid: rss_anon(pid) for pid in relay.workers()}
    await relay.submit(content, TO)
    await relay.bring(with_author(content, WRITER), BAKKERIJ)
    await relay.event("delivered", count=4)
    grown = {pid: rss_anon(pid) - before[pid] for pid in relay.workers()}
    assert max(grown.values()) < 40 * MIB, grown
    above(with_author(content, AS_ALIAS), max(postfix.mail(), key=len))
    large = max(world.received("info@bakkerij-peeters.example"), key=lambda received: len(received.offer.content))
    assert large.offer.content.endswith(with_author(content, WRITER))
