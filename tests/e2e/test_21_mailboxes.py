"""Mailboxes at a real Dovecot, read by a whole relay: every invoice once, by several workers and through kill -9."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.sandbox.world import World
from tests.fetch.fast_input import FastInputApi
from tests.fetch.mails import mail, pdf
from tests.peers.mailboxes import HOST, PASSWORD, Mailboxes

from .conftest import StartRelay
from .relay_process import Relay, free_port
from .until import until

COMPANIES = ("bakkerij-peeters", "garage-lambert", "studio-noord")
PER_COMPANY = 5


@pytest.fixture
async def mailboxes() -> AsyncIterator[Mailboxes]:
    async with Mailboxes(free_port("127.0.0.1")) as running:
        yield running


@pytest.fixture
async def api() -> AsyncIterator[FastInputApi]:
    async with FastInputApi() as running:
        yield running


@pytest.fixture
async def relay(start_relay: StartRelay, world: World, mailboxes: Mailboxes, api: FastInputApi) -> Relay:
    relay = await start_relay(
        start=False,
        workers=2,
        mailboxes={"poll": "1s", "allow_private": True},
        fast_input={"api": {"url": api.url, "key": {"file": "api-key"}, "allow_private": True}},
    )
    relay.put("api-key", api.key)
    relay.put("imap-password", PASSWORD)
    for slug in COMPANIES:
        mailbox = {
            "host": HOST,
            "port": mailboxes.port,
            "username": slug,
            "password": {"file": "imap-password"},
            "after": "seen",
            "ca": str(mailboxes.ca),
        }
        relay.change_company(slug, incoming={"mailbox": mailbox, "fast_input": {"party_id": 4711}})
    await relay.start()
    await until(lambda: all_looked(relay), "every mailbox was looked at")
    return relay


async def all_looked(relay: Relay) -> bool:
    told = (await relay.command("mailbox", "status", "--json")).json
    return [box["company"] for box in told if box["succeeded"]] == list(COMPANIES)


def invoice(slug: str, number: int):
    made = mail((f"factuur {slug} {number}.pdf", pdf(mark=f"{slug} {number}")))
    made.replace_header("Message-ID", f"<{number}@{slug}.example>")
    return made.as_bytes()


async def put_invoices(mailboxes: Mailboxes) -> list[str]:
    """Invoices for every company; the names of their files."""
    for slug in COMPANIES:
        for number in range(PER_COMPANY):
            await asyncio.to_thread(mailboxes.put, slug, invoice(slug, number))
    return sorted(f"factuur {slug} {number}.pdf" for slug in COMPANIES for number in range(PER_COMPANY))


async def all_marked(mailboxes: Mailboxes) -> bool:
    marked = [await asyncio.to_thread(mailboxes.flags, slug) for slug in COMPANIES]
    return all("Seen" in flags for mails in marked for flags in mails)


async def test_two_workers_empty_mailboxes_and_hand_on_every_invoice_once(
    relay: Relay, mailboxes: Mailboxes, api: FastInputApi
) -> None:
    names = await put_invoices(mailboxes)
    await asyncio.to_thread(mailboxes.put, COMPANIES[0], mail(subject="Hello").as_bytes())
    await relay.event("uploaded", count=len(names))
    await relay.event("skipped")
    assert sorted(api.names) == names
    assert len(api.requests) == len(names)
    history = (await relay.command("mailbox", "history", COMPANIES[0], "--json")).json
    assert len(history) == PER_COMPANY + 1
    assert "there is nothing attached" in {each["reason"] for each in history}
    assert relay.events("fault") == []
    assert await relay.stop() == 0


@pytest.mark.timeout(300)
async def test_an_invoice_goes_once_when_the_relay_is_killed_before_it_has_the_answer(
    relay: Relay, mailboxes: Mailboxes, api: FastInputApi
) -> None:
    api.faults = ["held"] * len(COMPANIES)
    names = await put_invoices(mailboxes)
    await until(lambda: len(api.taken) == len(COMPANIES), "the first invoice of each is taken and not answered")
    await relay.kill_everything()
    api.release.set()
    await relay.start()
    await until(lambda: all_marked(mailboxes), "every mail is marked", patience=200)
    assert sorted(api.names) == names
    assert len(api.requests) == len(names) + len(COMPANIES)
    assert len(relay.events("uploaded", known=True)) == len(COMPANIES)
    assert relay.events("fault") == []
