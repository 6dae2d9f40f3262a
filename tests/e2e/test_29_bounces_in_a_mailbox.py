"""A company's own server (Postfix) cannot deliver a mail: its bounce is found in the company's mailbox (Dovecot)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.sandbox.default_world import STUDIO_PASSWORD, STUDIO_USER
from relay.sandbox.scripted_peer import Say, Script, ScriptedPeer
from relay.sandbox.world import World
from tests.peers.dovecot import Dovecot
from tests.peers.mailboxes import HOST, PASSWORD, Mailboxes
from tests.peers.postfix import Listening, submission_server

from .conftest import StartRelay
from .mail import message
from .relay_process import DOMAIN, Relay, free_port
from .until import until

SERVER, ADDRESS = "smtp.studio-noord.example", "127.0.20.6"
GONE = "gone@klant.example"


@pytest.fixture
async def next_host() -> AsyncIterator[ScriptedPeer]:
    """Where the company's server sends everything: one recipient is not known there."""
    async with ScriptedPeer(Script(recipients={GONE: Say("550 5.1.1 User unknown")})) as peer:
        yield peer


@pytest.fixture
async def port(world: World, next_host: ScriptedPeer) -> AsyncIterator[int]:
    certificate, key = world.authority.issue(SERVER)
    where = Listening(SERVER, ADDRESS, free_port(ADDRESS), key + certificate)
    world.zones.publish(SERVER, "A", ADDRESS)
    onwards = (next_host.host, next_host.port)
    async with (
        Dovecot(STUDIO_USER, STUDIO_PASSWORD) as dovecot,
        submission_server(where, account=STUDIO_USER, auth=dovecot.auth, relay=onwards),
    ):
        yield where.port


@pytest.fixture
async def mailboxes() -> AsyncIterator[Mailboxes]:
    async with Mailboxes(free_port("127.0.0.1")) as running:
        yield running


@pytest.fixture
async def relay(start_relay: StartRelay, port: int, mailboxes: Mailboxes) -> Relay:
    relay = await start_relay(start=False, mailboxes={"poll": "1s", "allow_private": True})
    relay.put("imap-password", PASSWORD)
    mailbox = {"host": HOST, "port": mailboxes.port, "username": "studio-noord", "ca": str(mailboxes.ca)}
    mailbox["password"] = {"file": "imap-password"}
    relay.change_company("studio-noord", outgoing={"server": {"port": port}}, incoming={"mailbox": mailbox})
    await relay.start()
    await until(lambda: was_looked_at(relay), "the mailbox was looked at")
    return relay


async def was_looked_at(relay: Relay) -> bool:
    return any(each["succeeded"] for each in (await relay.command("mailbox", "status", "--json")).json)


async def bounces_of(relay: Relay, queue_id: str) -> list[dict[str, Any]]:
    (told,) = (await relay.command("trace", queue_id, "--json")).json
    return [event for event in told["events"] if event["type"] == "bounced"]


async def test_what_the_companys_server_could_not_deliver_is_told_of(
    relay: Relay, next_host: ScriptedPeer, mailboxes: Mailboxes
) -> None:
    content = message(author="Studio Noord <facturen@app.example>", to=GONE)
    queue_id = await relay.submit(content, GONE, sender=f"studio-noord@{DOMAIN}")
    # DATA comes along with RCPT, and holds nothing where that is refused.
    await next_host.wait_for(lambda peer: any(peer.messages), 60)
    bounce = next(filter(None, next_host.messages)).replace(b"\r\n..", b"\r\n.")
    await asyncio.to_thread(mailboxes.put, "studio-noord", bounce)
    (bounced,) = await until(lambda: bounces_of(relay, queue_id), "the bounce is told of")

    data = bounced["data"]
    assert (data["recipient"], data["class"], data["permanent"]) == (GONE, "address-gone", True)
    (dead,) = (await relay.command("company", "dead-addresses", "studio-noord", "--json")).json
    assert (dead["address"], dead["status"]) == (GONE, "5.1.1")
    (read,) = (await relay.command("mailbox", "history", "studio-noord", "--json")).json
    assert read["reason"] == f"bounce of mail {queue_id} to {GONE} (address-gone)"
