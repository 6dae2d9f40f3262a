"""Mails with documents reach the company's secret address at Fast input, and nobody sees which that is."""

from dataclasses import replace

import pytest

from relay.events import EventType
from relay.facts import troubles
from relay.facts.troubles import Trouble
from relay.policy.company import FastInput, SecretKind, SecretRef
from relay.sandbox.scripted_peer import Say, Script, ScriptedPeer
from relay.store.spool import Origin, State

from .house import BAKERY

NAME = "p7xq"
FAST_INPUT = "fast-input@my.relay.example"


@pytest.fixture
def documents(house, tmp_path):
    (tmp_path / "address").write_text(f"{NAME}@customer.example")
    about = FastInput(address=SecretRef(SecretKind.FILE, str(tmp_path / "address")))
    house.configure(replace(BAKERY, fast_input=about))
    house.host("customer.example", "127.0.0.1")
    return house


async def deliver(house, peer):
    house.configure(delivery={"port": peer.port})
    return await house.deliver(FAST_INPUT, origin=Origin.DOCUMENT, sender="notices@my.relay.example")


async def trouble(house):
    fact = await house.spool.facts.get(troubles.KIND, f"bakery {Trouble.DOCUMENTS_REFUSED}")
    return None if fact is None else troubles.read_trouble(fact.value)


async def test_a_document_goes_to_the_secret_address_and_bounces_come_home(documents):
    house = documents
    async with ScriptedPeer() as peer:
        queue_id = await deliver(house, peer)
    assert (await house.delivery(queue_id)).state is State.DELIVERED
    lines = peer.records[0].lines
    assert any(line.startswith(f"RCPT TO:<{NAME}@customer.example>") for line in lines)
    assert any(line.startswith(f"MAIL FROM:<b+{queue_id}.0.") for line in lines)
    assert NAME not in repr(house.sink.events)
    assert await trouble(house) is None


async def test_a_document_that_is_refused_waits_and_the_company_is_told(documents):
    house = documents
    unknown = Say(f"550 5.1.1 <{NAME.upper()}@customer.example> is unknown here")
    async with ScriptedPeer(Script(rcpt=unknown)) as peer:
        queue_id = await deliver(house, peer)
    delivery = await house.delivery(queue_id)
    assert delivery.state is State.HELD
    assert delivery.last == "550 5.1.1 <***@customer.example> is unknown here"
    assert NAME not in repr([house.sink.events, delivery]).lower()
    told = await trouble(house)
    assert (told.details.about, told.details.cause) == (queue_id, delivery.last)
    assert len(house.sink.of(EventType.FAILED)) == 1
    async with ScriptedPeer() as peer:
        await deliver(house, peer)
    assert await trouble(house) is None


async def test_a_document_of_a_company_without_the_address_waits_for_a_person(documents):
    house = documents
    house.configure(BAKERY)
    async with ScriptedPeer() as peer:
        queue_id = await deliver(house, peer)
    delivery = await house.delivery(queue_id)
    assert (delivery.state, delivery.hold_key) == (State.HELD, "")
    assert "no mail address at Fast input any more" in delivery.last


@pytest.mark.parametrize("text", [None, "not an address"])
async def test_a_document_whose_address_cannot_be_read_is_tried_again(documents, tmp_path, text):
    house = documents
    (tmp_path / "address").unlink()
    if text is not None:
        (tmp_path / "address").write_text(text)
    async with ScriptedPeer() as peer:
        queue_id = await deliver(house, peer)
    delivery = await house.delivery(queue_id)
    assert delivery.state is State.QUEUED
    assert "not an" not in delivery.last.replace("is not a mail", "")
