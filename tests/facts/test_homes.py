"""A company that cannot be reached at its own address: writers come again, are told, and are let in when it is back."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from relay.facts.addresses import Addresses
from relay.facts.homes import Homes
from relay.mail.address import Address
from relay.policy.company import Company
from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import StandingClock

DAY = 86400.0
BAKERY = Company("bakery", "Bakery", Address("info", "bakery.example"), "bakery")
MOVED = Company("bakery", "Bakery", Address("new", "bakery.example"), "bakery")


class World:
    def __init__(self, spool: SqliteSpool, clock: StandingClock) -> None:
        self.clock = clock
        self.required = False
        settings = SimpleNamespace(
            verification=SimpleNamespace(required=False), delivery=SimpleNamespace(put_off=5 * DAY)
        )
        self.verification = settings.verification
        active: Any = SimpleNamespace(snapshot=SimpleNamespace(settings=settings))
        self.addresses = Addresses(lambda: active, spool, clock)
        self.homes = Homes(lambda: active, lambda: spool.facts, self.addresses, clock)
        self.others = Homes(lambda: active, lambda: spool.facts, self.addresses, clock)

    async def code(self, company: Company = BAKERY) -> int:
        refusal = await self.homes.refusal(company)
        return refusal.code if refusal else 250


@pytest.fixture
async def world(tmp_path):
    clock = StandingClock()
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=clock)
    await spool.start()
    yield World(spool, clock)
    await spool.stop()


async def test_nothing_is_said_against_an_address_that_works(world):
    assert await world.code() == 250
    assert not await world.homes.works(BAKERY)
    assert await world.homes.may_try(BAKERY)


async def test_a_refusal_counts_for_all_workers_until_the_address_works(world):
    assert await world.others.refused(BAKERY)
    assert not await world.others.refused(BAKERY)
    for _ in range(5):
        assert await world.code() == 450
        world.clock.at += DAY
        assert await world.homes.may_try(BAKERY)
    assert await world.code() == 550
    assert await world.homes.works(BAKERY)
    assert await world.code() == 250


async def test_an_address_that_no_held_mail_tries_any_more_is_tried_by_new_mail(world):
    """A person dropped what was held, or it waited for too long."""
    await world.homes.refused(BAKERY)
    world.clock.at += 2 * DAY - 1
    assert await world.code() == 450
    world.clock.at += 5 * DAY
    assert await world.code() == 250
    assert not await world.homes.refused(BAKERY)
    assert [await world.code(), await world.others.refusal(BAKERY) is None] == [550, False]
    world.clock.at += 2 * DAY
    assert await world.code() == 250
    assert await world.homes.works(BAKERY)


async def test_who_need_not_confirm_for_a_while_begins_anew(world):
    world.verification.required = True
    assert await world.code() == 450
    world.verification.required = False
    assert await world.code() == 250
    world.verification.required = True
    world.clock.at += 6 * DAY
    assert await world.code() == 450


async def test_what_is_not_known_to_be_wrong_is_asked_again_soon(world):
    assert await world.code() == 250
    await world.others.refused(BAKERY)
    world.clock.at += 10
    assert await world.code() == 450


async def test_an_address_that_takes_mail_is_back_even_where_nobody_had_heard_of_a_refusal(world):
    assert await world.code() == 250
    await world.others.refused(BAKERY)
    assert await world.homes.works(BAKERY)
    world.clock.at += 10
    assert await world.code() == 250
    assert await world.others.refusal(BAKERY) is None


async def test_an_address_that_changes_begins_anew(world):
    await world.homes.refused(BAKERY)
    assert [await world.code(BAKERY), await world.code(MOVED)] == [450, 250]


async def test_held_mail_tries_the_address_once_a_day(world):
    await world.homes.refused(BAKERY)
    assert not await world.homes.may_try(BAKERY)
    world.clock.at += DAY
    assert [await world.homes.may_try(BAKERY), await world.others.may_try(BAKERY)] == [True, False]


async def test_an_address_that_is_not_confirmed_puts_writers_off_from_the_first_one_on(world):
    world.verification.required = True
    assert await world.code() == 450
    world.clock.at += 5 * DAY
    assert await world.code() == 550
    await world.addresses.mark(BAKERY, "seen")
    assert await world.code() == 250


async def test_a_refusal_begins_when_the_host_refuses_and_not_when_the_address_was_not_confirmed(world):
    world.verification.required = True
    assert await world.code() == 450
    world.clock.at += 6 * DAY
    await world.addresses.mark(BAKERY, "seen")
    assert await world.homes.refused(BAKERY)
    assert await world.code() == 450


async def test_where_every_writer_hears_it_from_the_host_nobody_is_put_off(world):
    await world.homes.refused(BAKERY)
    assert [await world.code(BAKERY), await world.code(replace(BAKERY, cut_through=True))] == [450, 250]
    world.verification.required = True
    assert await world.code(replace(BAKERY, cut_through=True)) == 450


async def test_where_nothing_goes_to_the_host_its_refusal_puts_nobody_off(world):
    await world.homes.refused(BAKERY)
    assert await world.code(replace(BAKERY, into_mailbox=True)) == 250
