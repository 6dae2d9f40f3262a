"""What a company's own mail names as its accounts is known afterwards."""

from relay.delivery.learning import Learner
from relay.facts.account_numbers import KIND, AccountNumbers
from relay.store.spool import Origin

from .house import MAIL, SECRET, House

OURS, OTHER = "BE71096123456769", "NL91ABNA0417164300"


def learner(house: House) -> Learner:
    return Learner(lambda: house.active, house.spool, house.clock)


async def known(house: House, number: str) -> bool:
    numbers = AccountNumbers(house.spool.facts, (SECRET,))
    return not (await numbers.look("bakery", "customer.example", [number], in_thread=True)).strange


def naming(number: str) -> bytes:
    return MAIL + f"IBAN: {number}\r\n".encode()


async def test_one_mail_in_a_while_is_looked_at(house: House):
    learns = learner(house)
    await learns.learn(house.message(octets=naming(OURS)), ["bakery", "bakery"])
    await learns.learn(house.message(octets=naming(OTHER)), ["bakery"])
    assert await known(house, OURS)
    assert not await known(house, OTHER)
    house.clock.at += 60
    await learns.learn(house.message(octets=naming(OTHER)), ["bakery"])
    assert await known(house, OTHER)


async def test_mail_that_names_none_and_mail_from_outside_teach_nothing(house: House):
    await learner(house).learn(house.message(), ["bakery"])
    await learner(house).learn(house.message(octets=naming(OURS), origin=Origin.MX), ["bakery"])
    await learner(house).learn(house.message(octets=naming(OURS)), [""])
    assert await house.spool.facts.list(KIND) == []


async def test_a_mail_that_cannot_be_read_is_delivered_all_the_same(house: House, monkeypatch):
    monkeypatch.setattr("relay.delivery.learning.readable_text", lambda _: 1 / 0)
    await learner(house).learn(house.message(octets=naming(OURS)), ["bakery"])
    assert await house.spool.facts.list(KIND) == []
