"""The mail that asks a company to confirm its address."""

from dataclasses import replace

from relay.mail.address import Address
from relay.policy.company import Language
from relay.policy.confirmation import is_code, read_link

from .house import BAKERY, DAY, GARAGE, NOW, SECRET, House, text_of


async def test_it_has_a_link_and_a_code_that_are_good_for_this_address(house: House):
    await house.addresses.ask(GARAGE)
    assert await house.courier.send_due() == 1
    (entry,) = await house.entries()
    (delivery,) = entry.deliveries
    assert (str(delivery.recipient.address), delivery.company) == ("info@garage.example", "garage")
    mail = house.read(entry)
    assert str(mail["Subject"]) == "my.relay.example: please confirm the e-mail address of Garage"
    lines = text_of(mail).splitlines()
    nonce = (await house.addresses.state(GARAGE)).nonce
    whom = ("garage", "info@garage.example", nonce)
    (link,) = [line for line in lines if line.startswith("https:")]
    prefix = "https://mail.relay.example/x/confirm/garage/"
    assert link.startswith(prefix)
    assert read_link(link.removeprefix(prefix), (SECRET,), *whom) == int(NOW) + 7 * DAY
    assert any(is_code(line, (SECRET,), *whom) for line in lines)
    assert nonce not in text_of(mail)


async def test_it_goes_out_once_for_each_time_it_is_asked_for(house: House):
    await house.addresses.ask(BAKERY)
    other = house.make_courier()
    assert await house.courier.send_due() + await other.send_due() == 1
    assert await house.courier.send_due() == 0


async def test_it_speaks_the_companys_language_and_in_the_relays_name(house: House):
    house.configure(BAKERY, notices={"name": "Billit", "language": Language.NL})
    await house.addresses.ask(BAKERY)
    await house.courier.send_due()
    (mail,) = await house.mails()
    assert str(mail["Subject"]).startswith("Billit: bitte bestätigen Sie")
    assert str(mail["From"]) == "Billit <notices@my.relay.example>"


async def test_it_is_not_sent_to_an_address_that_is_no_longer_the_companys(house: House):
    await house.addresses.ask(GARAGE)
    house.configure(replace(GARAGE, address=Address("new", "garage.example")))
    assert await house.courier.send_due() == 0
    assert await house.courier.send_due() == 0


async def test_a_worker_that_dies_before_it_is_stored_is_replaced(house: House):
    await house.addresses.ask(GARAGE)
    await house.spool.facts.take_due("address", now=NOW, until=NOW + 60, limit=1)
    assert await house.courier.send_due() == 0
    house.clock.at += 60
    assert await house.courier.send_due() == 1
