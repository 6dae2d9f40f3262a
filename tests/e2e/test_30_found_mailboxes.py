"""A company writes its address and a password: the relay finds the mailbox, or says what to write."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.sandbox.world import World
from tests.fetch.fast_input import FastInputApi
from tests.fetch.mails import mail, pdf
from tests.peers.mailboxes import PASSWORD, Mailboxes

from .conftest import StartRelay
from .relay_process import Relay, free_port
from .until import until

SLUG = "bakkerij-peeters"
DOMAIN = f"{SLUG}.example"
HOSTER = "imap.hoster.example"


@pytest.fixture
async def mailboxes(world: World) -> AsyncIterator[Mailboxes]:
    async with Mailboxes(free_port("127.0.0.1"), names=(f"imap.{DOMAIN}", HOSTER)) as running:
        for name in (f"imap.{DOMAIN}", HOSTER):
            world.zones.publish(name, "A", "127.0.0.1")
        yield running


@pytest.fixture
async def api() -> AsyncIterator[FastInputApi]:
    async with FastInputApi() as running:
        yield running


@pytest.fixture
async def relay(start_relay: StartRelay, mailboxes: Mailboxes, api: FastInputApi) -> Relay:
    relay = await start_relay(
        start=False,
        workers=2,
        mailboxes={"poll": "1s", "allow_private": True},
        fast_input={"api": {"url": api.url, "key": {"file": "api-key"}, "allow_private": True}},
    )
    relay.put("api-key", api.key)
    relay.put("imap-password", PASSWORD)
    write(relay, mailboxes)
    return relay


def write(relay: Relay, mailboxes: Mailboxes, **more: object) -> None:
    """The company's mailbox; its authority is not one of the system's."""
    mailbox = {"password": {"file": "imap-password"}, "ca": str(mailboxes.ca), **more}
    relay.change_company(SLUG, incoming={"mailbox": mailbox, "fast_input": {"party_id": 4711}})


def point(world: World, mailboxes: Mailboxes, host: str) -> None:
    world.zones.publish(f"_imaps._tcp.{DOMAIN}", "SRV", f"0 1 {mailboxes.port} {host}.")


def asked(world: World, name: str) -> int:
    return len([question for question in world.dns.questions if question.name == name])


async def status(relay: Relay) -> dict[str, object]:
    return next(iter((await relay.command("mailbox", "status", "--json")).json), {"succeeded": None, "error": ""})


async def is_read(relay: Relay) -> bool:
    return bool((await status(relay))["succeeded"])


async def is_in_trouble(relay: Relay) -> bool:
    return bool((await status(relay))["error"])


async def put(mailboxes: Mailboxes) -> None:
    invoice = mail(("factuur 1.pdf", pdf(mark="1"))).as_bytes()
    await asyncio.to_thread(mailboxes.put, f"info@{DOMAIN}", invoice)


async def test_an_address_and_a_password_are_enough(
    relay: Relay, world: World, mailboxes: Mailboxes, api: FastInputApi
) -> None:
    point(world, mailboxes, f"imap.{DOMAIN}")
    await relay.start()
    await until(lambda: is_read(relay), "the mailbox is found and read")
    await put(mailboxes)
    await relay.event("uploaded")
    assert api.names == ["factuur 1.pdf"]
    assert asked(world, f"_imaps._tcp.{DOMAIN}") == 1
    server = (await status(relay))["server"]
    assert isinstance(server, dict)
    assert (server["host"], server["source"]) == (f"imap.{DOMAIN}", f"SRV records of {DOMAIN}")
    foreseen = (await relay.command("mailbox", "dry-run", SLUG, "--since", "2000-01-01", "--json")).json
    assert [each["fate"] for each in foreseen] == ["known"]
    assert relay.events("fault") == []


async def test_a_server_of_somebody_else_hears_nothing_until_a_person_has_written_it(
    relay: Relay, world: World, mailboxes: Mailboxes, api: FastInputApi
) -> None:
    point(world, mailboxes, HOSTER)
    await relay.start()
    await until(lambda: is_in_trouble(relay), "the trouble is told")
    written = f"host: {HOSTER}, port: {mailboxes.port}, tls: implicit"
    assert f"If it is right, write {written} under incoming.mailbox" in str((await status(relay))["error"])
    assert asked(world, HOSTER) == 0
    write(relay, mailboxes, host=HOSTER, port=mailboxes.port, tls="implicit")
    await until(lambda: is_read(relay), "what was written counts", patience=100)
    await put(mailboxes)
    await relay.event("uploaded")
    assert api.names == ["factuur 1.pdf"]
