"""Addresses that do not exist are remembered, and refused to apps that want that."""

import pytest

from relay.mail.address import Address

from .front import HASH, send
from .test_bounces import ANNA, BAKERY, arf, dsn, sealed

GONE = Address("anna", "customer.example")
PIET = "<piet@customer.example>"
DAYS = 86400


def refusing(front) -> None:
    front.configure(apps={"web": {"password": {"hash": HASH}, "companies": "all", "dead_addresses": "refuse"}})


async def submitted(front) -> str:
    return (await send(await front.app(), BAKERY, ANNA)).text


async def test_an_address_that_does_not_exist_is_refused_to_an_app_that_wants_that(front):
    sent = await submitted(front)
    await send(front.mx(), "<>", sealed(sent), dsn())
    assert (await send(await front.app(), BAKERY, ANNA)).code == 250
    refusing(front)
    said = str(await send(await front.app(), BAKERY, ANNA))
    assert said == "550 5.1.1 The recipient's host said on 2024-10-04 that there is no such address"
    assert (await send(await front.app(), BAKERY, PIET)).code == 250
    assert (await send(await front.app(), "<garage@my.relay.example>", ANNA)).code == 250


async def test_so_is_the_address_of_somebody_who_complained(front):
    sent = await submitted(front)
    await send(front.mx(), "<>", sealed(sent), arf(f"Return-Path: {sealed(sent)}"))
    refusing(front)
    said = str(await send(await front.app(), BAKERY, ANNA))
    assert said == "550 5.7.1 The recipient complained about mail of this company on 2024-10-04"


@pytest.mark.parametrize(
    ("to", "fields"),
    [
        (None, {"Status": "4.2.2", "Diagnostic-Code": "smtp; 452 4.2.2 full", "Action": "delayed"}),
        (None, {"Status": "5.2.2", "Diagnostic-Code": "smtp; 552 5.2.2 mailbox full"}),
        (BAKERY, {"returned": "Message-ID: <1@app>"}),
    ],
)
async def test_only_a_sealed_bounce_that_is_for_good_counts(front, to, fields):
    sent = await submitted(front)
    assert (await send(front.mx(), "<>", to or sealed(sent), dsn(**fields))).code == 250
    assert await front.dead.of("bakery", GONE) is None


async def test_after_a_month_and_when_it_is_known_to_live_mail_is_taken_again(front):
    for _ in range(2):
        await send(front.mx(), "<>", sealed(await submitted(front)), dsn())
    known = await front.dead.of("bakery", GONE)
    assert (known.reason, known.status, known.count) == ("address-gone", "5.1.1", 2)
    refusing(front)
    front.clock.at += 31 * DAYS
    assert (await send(await front.app(), BAKERY, ANNA)).code == 250
    front.clock.at -= 31 * DAYS
    assert [address async for address, _ in front.dead.list("bakery")] == ["anna@customer.example"]
    assert [address async for address, _ in front.dead.list("bake")] == []
    assert await front.dead.forget("bakery", "Anna@Customer.example")
    assert (await send(await front.app(), BAKERY, ANNA)).code == 250
