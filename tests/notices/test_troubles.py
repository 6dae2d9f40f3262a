"""One notice for one trouble, a reminder a day while it lasts, one word at its end."""

from datetime import UTC, datetime

import pytest

from relay.events import EventType
from relay.facts import troubles
from relay.facts.troubles import Details, Trouble, Troubles
from relay.mail.address import Address
from relay.notices.certificate import watch_certificate
from relay.policy.company import Company, Language
from relay.store.spool import Origin

from .house import BAKERY, DAY, GARAGE, House, text_of

DOMAIN = Details("bakery.example", "SPF fails", "Publish a record.")


@pytest.fixture
async def house(house: House) -> House:
    """Companies whose addresses are confirmed."""
    for company in (BAKERY, GARAGE):
        await house.addresses.mark(company, "known to us")
    return house


async def subjects(house: House) -> list[str]:
    await house.courier.send_due()
    return [str(mail["Subject"]) for mail in await house.mails()]


async def test_a_trouble_is_told_once_however_often_it_is_met(house: House):
    for _ in range(3):
        await house.troubles.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
        house.clock.at += 3600
    assert await subjects(house) == ["Garage: we cannot send as bakery.example"]
    await house.troubles.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
    assert len(await subjects(house)) == 1


async def test_a_notice_goes_to_the_company_with_the_null_reverse_path_and_is_noted(house: House):
    await house.troubles.tell("bakery", Trouble.ACCOUNT_REFUSED, DOMAIN)
    assert await house.courier.send_due() == 1
    (entry,) = await house.entries()
    assert entry.message.envelope.reverse_path is None
    assert [str(each.recipient.address) for each in entry.deliveries] == ["info@bakery.example"]
    assert [each.company for each in entry.deliveries] == ["bakery"]
    assert house.looked == 1
    (event,) = house.sink.events
    assert event.type is EventType.RECEIVED
    assert event.data == {
        "origin": Origin.NOTICE,
        "notice": "account-refused",
        "company": "bakery",
        "to": "info@bakery.example",
    }
    assert (await house.spool.timeline(entry.message.queue_id))[0].data == event.data


async def test_each_company_is_told_in_its_language(house: House):
    house.configure(notices={"language": "nl"})
    await house.troubles.tell("bakery", Trouble.DOMAIN_LOST, DOMAIN)
    await house.troubles.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
    assert sorted(await subjects(house)) == [
        "Bäckerei & Söhne: wir können nicht als bakery.example senden",
        "Garage: we kunnen niet versturen als bakery.example",
    ]


async def test_a_trouble_that_lasts_is_told_again_each_day(house: House):
    for _ in range(3):
        await house.troubles.tell("garage", Trouble.DOMAIN_AT_RISK, DOMAIN)
        await house.courier.send_due()
        house.clock.at += DAY
    first, *others = await subjects(house)
    assert others == [f"Reminder: {first}"] * 2


async def test_the_end_is_told_once_and_a_new_beginning_again(house: House):
    await house.troubles.tell("garage", Trouble.CONSENT_NEEDED, Details("a@garage.example"))
    await house.courier.send_due()
    house.clock.at += 60
    for _ in range(2):
        await house.troubles.over("garage", Trouble.CONSENT_NEEDED)
    assert (await subjects(house))[1:] == ["Garage: your mail account works again"]
    await house.troubles.over("garage", Trouble.CONSENT_NEEDED)
    assert len(await subjects(house)) == 2
    await house.troubles.tell("garage", Trouble.CONSENT_NEEDED, Details("a@garage.example"))
    assert len(await subjects(house)) == 3


async def test_troubles_that_end_together_are_told_to_have_ended_once(house: House):
    for trouble in (Trouble.DOMAIN_AT_RISK, Trouble.DOMAIN_LOST):
        await house.troubles.tell("garage", trouble, DOMAIN)
        await house.courier.send_due()
        house.clock.at += 60
    await house.troubles.over("garage", Trouble.DOMAIN_LOST, Trouble.DOMAIN_AT_RISK)
    assert (await subjects(house))[2:] == ["Garage: mail from bakery.example works again"]
    assert await house.spool.facts.list(troubles.KIND) == []


async def test_what_ends_before_it_was_told_is_never_told(house: House):
    await house.troubles.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
    await house.troubles.over("garage", Trouble.DOMAIN_LOST)
    assert await subjects(house) == []


async def test_what_ends_while_it_is_being_told_is_told_to_have_ended(house: House):
    await house.troubles.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
    now = house.clock.at
    (claimed,) = await house.spool.facts.take_due(troubles.KIND, now=now, until=now + 60, limit=1)
    await house.troubles.over("garage", Trouble.DOMAIN_LOST)
    assert await house.courier._serve(claimed) == 1
    house.clock.at += 1
    assert await subjects(house) == [
        "Garage: we cannot send as bakery.example",
        "Garage: mail from bakery.example works again",
    ]


async def test_what_comes_back_before_its_end_was_told_has_never_been_away(house: House):
    await house.troubles.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
    await house.courier.send_due()
    await house.troubles.over("garage", Trouble.DOMAIN_LOST)
    await house.troubles.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
    assert len(await subjects(house)) == 1


async def test_two_workers_tell_one_trouble_once(house: House):
    other = Troubles(house.spool.facts, house.clock)
    await house.troubles.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
    await other.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
    await house.make_courier().send_due()
    assert len(await subjects(house)) == 1


async def test_a_worker_that_dies_over_a_notice_is_replaced(house: House):
    await house.troubles.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
    now = house.clock.at
    assert len(await house.spool.facts.take_due(troubles.KIND, now=now, until=now + 60, limit=10)) == 1
    assert await subjects(house) == []
    house.clock.at += 60
    assert len(await subjects(house)) == 1


async def test_one_recipient_gets_only_so_many_notices_in_a_day(house: House):
    shared = [Company(f"c{number}", "C", Address("One", "shared.example"), f"c{number}") for number in range(5)]
    house.configure(*shared, notices={"per_day": 3}, verification={"required": False})
    for company in shared:
        await house.troubles.tell(company.slug, Trouble.DOMAIN_LOST, DOMAIN)
    assert len(await subjects(house)) == 3
    house.clock.at += DAY
    assert len(await subjects(house)) == 5


async def test_a_company_that_is_gone_is_told_nothing(house: House):
    await house.troubles.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
    house.configure(BAKERY)
    assert await subjects(house) == []
    assert await house.spool.facts.list(troubles.KIND) == []


async def test_a_notice_that_cannot_be_written_keeps_no_other_waiting(house: House):
    await house.troubles.tell("garage", Trouble.DOMAIN_LOST, DOMAIN)
    (fact,) = await house.spool.facts.list(troubles.KIND)
    broken = type(fact)(troubles.KIND, "bakery from-another-version", fact.value, 0, 1.0)
    assert await house.spool.facts.put(broken) is not None
    assert len(await subjects(house)) == 1


async def test_who_has_not_confirmed_its_address_is_told_through_the_operator(house: House):
    stranger = Company("stranger", "Stranger", Address("info", "stranger.example"), "stranger", language=Language.FR)
    house.configure(stranger)
    await house.troubles.tell("stranger", Trouble.DOMAIN_LOST, DOMAIN)
    assert await subjects(house) == ["Stranger: we cannot send as bakery.example"]
    (entry,) = await house.entries()
    (delivery,) = entry.deliveries
    assert (str(delivery.recipient.address), delivery.company) == ("postmaster@operator.example", "")
    text = text_of(house.read(entry))
    assert " ".join(text.split()).startswith(
        "This notice is for Stranger. Its address info@stranger.example is not confirmed, so it goes to you"
    )


async def test_that_a_companys_address_takes_no_mail_is_told_to_the_operator(house: House):
    refused = troubles.Details("info@bakery.example", "550 5.1.1 Nobody")
    await house.troubles.tell("bakery", Trouble.ADDRESS_REFUSED, refused)
    assert await subjects(house) == [f"{BAKERY.name}: its address takes no mail"]
    (entry,) = await house.entries()
    (delivery,) = entry.deliveries
    assert (str(delivery.recipient.address), delivery.company) == ("postmaster@operator.example", "")
    text = " ".join(text_of(house.read(entry)).split())
    assert text.startswith("Hello, the mail host of info@bakery.example refuses mail for that address, so answers to")
    assert "What the host says: 550 5.1.1 Nobody" in text
    await house.troubles.over("bakery", Trouble.ADDRESS_REFUSED)
    assert f"{BAKERY.name}: its address takes mail again" in await subjects(house)


@pytest.mark.parametrize("trouble", Trouble)
def test_keys_name_company_and_trouble(trouble: Trouble):
    assert troubles.read_key(troubles.fact_key(GARAGE.slug, trouble)) == (GARAGE.slug, trouble)


async def test_what_only_the_operator_can_repair_is_told_there(house: House):
    await house.troubles.tell(troubles.OPERATOR, Trouble.FAST_INPUT_REFUSED, Details("https://api.example", "HTTP 401"))
    assert await subjects(house) == ["Fast input does not let us in"]
    (entry,) = await house.entries()
    assert [str(each.recipient.address) for each in entry.deliveries] == ["postmaster@operator.example"]
    await house.troubles.over(troubles.OPERATOR, Trouble.FAST_INPUT_REFUSED)
    assert "Fast input lets us in again" in await subjects(house)


async def test_the_operator_is_told_two_weeks_before_the_certificate_expires(house: House):
    async def look(until: float) -> list[str]:
        await watch_certificate(house.troubles, "mx1.relay.example", until=until, now=house.clock.now())
        return await subjects(house)

    until = house.clock.now() + 15 * DAY
    assert await look(until) == []
    expires = "mx1.relay.example: the certificate expires"
    house.clock.at += DAY
    assert await look(until) == [expires]
    assert await look(until) == [expires]
    # A word a day, also when it has expired.
    house.clock.at += 14 * DAY
    assert sorted(await look(until)) == sorted([expires, f"Reminder: {expires}"])
    text = " ".join(text_of(house.read((await house.entries())[0])).split())
    assert f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC" in text
    assert "mx1.relay.example: the certificate is renewed" in await look(house.clock.now() + 90 * DAY)


async def test_who_is_told_of_others_mail_is_left_alone_for_a_week(house: House):
    servers = Details("garage.example", "198.51.100.7 (12)")
    for _ in range(8):
        await house.troubles.tell("garage", Trouble.SENT_BY_OTHERS, servers)
        await house.courier.send_due()
        house.clock.at += DAY
    assert await subjects(house) == ["Garage: others send mail as garage.example"] * 2
    assert "198.51.100.7 (12)" in text_of(house.read((await house.entries())[0]))


async def test_the_operator_is_told_of_others_mail_in_our_own_name(house: House):
    await house.troubles.tell(troubles.OPERATOR, Trouble.SENT_BY_OTHERS, Details("my.relay.example", "192.0.2.9 (20)"))
    assert await subjects(house) == ["others send mail as my.relay.example"]
