"""The state of companies' addresses, over a real store."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from relay.config.keyring import Active, Keyring
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.facts import addresses
from relay.facts.addresses import Addresses, AddressState, How, Verdict, list_states, state_as_json
from relay.mail.address import Address
from relay.policy.company import Company
from relay.policy.confirmation import DAY, code, link_token
from relay.store.facts import Fact
from relay.store.spool import SpoolError
from relay.store.sqlite.facts import SqliteFacts
from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import NOW, StandingClock

SECRET = b"the secret of the tests"
BAKERY = Company("bakery", "Bakery", Address("info", "bakery.example"), "bakery")


class Office:
    """Addresses as two workers know them."""

    def __init__(self, spool: SqliteSpool, clock: StandingClock) -> None:
        self.spool, self.clock, self.woken = spool, clock, 0
        self.configure()
        self.here, self.there = (Addresses(lambda: self.active, spool, clock, self._wake) for _ in range(2))

    def configure(self, **changes) -> None:
        given = {
            "hostname": "mx1.my.relay.example",
            "domain": "my.relay.example",
            "postmaster": "postmaster@operator.example",
            "sending_addresses": ["192.0.2.1"],
            "secrets": {"signing": [{"file": "never-read"}]},
        }
        self.active = Active(Snapshot.of(Settings.model_validate(given | changes), [BAKERY]), Keyring((SECRET,), {}))

    def _wake(self) -> None:
        self.woken += 1

    async def link(self, company: Company = BAKERY) -> str:
        state = await self.here.state(company)
        expires = int(state.expires)
        return link_token(SECRET, company.slug, str(company.address), state.nonce, expires=expires)

    async def code(self, company: Company = BAKERY) -> str:
        return code(SECRET, company.slug, str(company.address), (await self.here.state(company)).nonce)

    async def due(self) -> list[Fact]:
        return list(
            await self.spool.facts.take_due(addresses.KIND, now=self.clock.at, until=self.clock.at + 60, limit=9)
        )


@pytest.fixture
async def office(tmp_path) -> AsyncIterator[Office]:
    clock = StandingClock()
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=clock)
    await spool.start()
    yield Office(spool, clock)
    await spool.stop()


async def test_an_address_is_not_confirmed_until_somebody_confirms_it(office: Office):
    assert not await office.here.is_confirmed(BAKERY)
    assert (await office.here.state(BAKERY)).word == "unconfirmed"
    assert await office.here.ask(BAKERY) == 0
    assert (await office.here.state(BAKERY)).word == "asked"
    assert not await office.here.is_confirmed(BAKERY)
    assert await office.here.confirm_by_link(BAKERY, await office.link()) is Verdict.GOOD
    assert await office.here.is_confirmed(BAKERY)
    assert await office.there.is_confirmed(BAKERY)
    assert (await office.here.state(BAKERY)).word == "confirmed"


async def test_where_confirming_is_left_to_others_every_address_is(office: Office):
    office.configure(verification={"required": False})
    assert await office.here.is_confirmed(BAKERY)


async def test_asking_has_a_mail_sent_once_by_one_worker(office: Office):
    assert await office.here.ask(BAKERY, by_itself=True) == 0
    assert await office.there.ask(BAKERY, by_itself=True) == DAY
    assert office.woken == 1
    assert len(await office.due()) == 1
    assert await office.due() == []


async def test_asking_again_gives_the_same_link_more_time(office: Office):
    await office.here.ask(BAKERY)
    first, typed = await office.link(), await office.code()
    office.clock.at += 3600
    assert await office.here.ask(BAKERY) == 0
    assert await office.code() == typed
    assert await office.link() != first
    assert await office.here.confirm_by_link(BAKERY, first) is Verdict.GOOD


async def test_people_cannot_have_an_address_flooded(office: Office):
    waits = []
    for _ in range(6):
        waits.append(await office.here.ask(BAKERY))
        office.clock.at += 60
    assert waits == [0, 0, 0, 0, 0, DAY - 300]


async def test_looking_at_a_link_confirms_nothing(office: Office):
    await office.here.ask(BAKERY)
    assert await office.here.judge_link(BAKERY, await office.link()) is Verdict.GOOD
    assert not await office.here.is_confirmed(BAKERY)


async def test_a_link_confirms_once(office: Office):
    await office.here.ask(BAKERY)
    link = await office.link()
    assert await office.here.confirm_by_link(BAKERY, link) is Verdict.GOOD
    office.clock.at += 3600
    assert await office.there.confirm_by_link(BAKERY, link) is Verdict.ALREADY
    confirmation = (await office.here.state(BAKERY)).confirmation
    assert confirmation is not None
    assert (confirmation.at, confirmation.how) == (NOW, How.LINK)


async def test_a_link_and_a_code_have_an_end(office: Office):
    await office.here.ask(BAKERY)
    link, typed = await office.link(), await office.code()
    office.clock.at += 7 * DAY
    assert await office.here.confirm_by_link(BAKERY, link) is Verdict.EXPIRED
    assert await office.here.confirm_by_code(BAKERY, typed) is Verdict.EXPIRED
    assert not await office.here.is_confirmed(BAKERY)


async def test_a_code_confirms_and_wrong_ones_are_counted_across_workers(office: Office):
    await office.here.ask(BAKERY)
    typed = await office.code()
    for worker in (office.here, office.there) * 4:
        assert await worker.confirm_by_code(BAKERY, "AAAA-AAAA") is Verdict.WRONG
    assert await office.here.confirm_by_code(BAKERY, typed) is Verdict.GOOD
    assert await office.here.confirm_by_code(BAKERY, typed) is Verdict.ALREADY


async def test_a_code_that_was_guessed_at_is_dead_and_a_new_mail_brings_a_new_one(office: Office):
    await office.here.ask(BAKERY)
    typed = await office.code()
    for _ in range(10):
        assert await office.here.confirm_by_code(BAKERY, "AAAA-AAAA") is Verdict.WRONG
    assert await office.here.confirm_by_code(BAKERY, typed) is Verdict.TOO_MANY
    assert await office.here.judge_link(BAKERY, await office.link()) is Verdict.GOOD
    office.clock.at += 60
    await office.here.ask(BAKERY)
    assert await office.here.confirm_by_code(BAKERY, typed) is Verdict.WRONG
    assert await office.here.confirm_by_code(BAKERY, await office.code()) is Verdict.GOOD


async def test_before_anybody_was_asked_nothing_is_right(office: Office):
    assert await office.here.confirm_by_code(BAKERY, "AAAA-AAAA") is Verdict.WRONG
    assert await office.here.judge_link(BAKERY, f"{int(NOW) + 9}.{'A' * 32}") is Verdict.WRONG
    assert (await office.here.state(BAKERY)).guesses == 0


async def test_a_changed_address_is_asked_anew_and_old_links_are_worth_nothing(office: Office):
    await office.here.ask(BAKERY)
    link, typed = await office.link(), await office.code()
    moved = replace(BAKERY, address=Address("new", "bakery.example"))
    await office.here.confirm_by_link(BAKERY, link)
    assert not await office.here.is_confirmed(moved)
    assert await office.here.ask(moved, by_itself=True) == 0
    assert await office.here.confirm_by_link(moved, link) is Verdict.WRONG
    assert await office.here.confirm_by_code(moved, typed) is Verdict.WRONG
    assert await office.here.is_confirmed(BAKERY)


async def test_an_admin_marks_with_a_reason_that_stays(office: Office):
    await office.here.ask(BAKERY)
    assert await office.here.mark(BAKERY, "called them, 2 May")
    assert not await office.there.mark(BAKERY, "again")
    state = await office.there.state(BAKERY)
    assert state_as_json(BAKERY, state, required=True) == {
        "company": "bakery",
        "address": "info@bakery.example",
        "state": "confirmed",
        "required": True,
        "mails": 1,
        "asked_at": "2027-01-15T08:00:00.000Z",
        "valid_until": None,
        "confirmed_at": "2027-01-15T08:00:00.000Z",
        "how": "admin",
        "reason": "called them, 2 May",
    }
    # The mail that was wanted is wanted no more.
    assert await office.due() == []


async def test_a_confirmed_address_is_sent_nothing(office: Office):
    await office.here.mark(BAKERY, "known")
    assert await office.here.ask(BAKERY) == 0
    assert await office.due() == []


async def test_states_are_listed_however_many_there_are(office: Office, monkeypatch):
    whole = SqliteFacts.list
    monkeypatch.setattr(SqliteFacts, "list", lambda self, kind, *, after: whole(self, kind, after=after, limit=2))
    companies = [Company(f"c{number}", "C", Address("info", "c.example"), f"c{number}") for number in range(5)]
    for company in companies:
        await office.here.mark(company, "known")
    assert sorted(await list_states(office.spool.facts)) == [f"c{number} info@c.example" for number in range(5)]


async def test_an_address_that_others_change_all_the_time_is_trouble_of_the_store(office: Office, monkeypatch):
    async def never(self, fact):
        return None

    monkeypatch.setattr(SqliteFacts, "put", never)
    with pytest.raises(SpoolError, match="too fast"):
        await office.here.ask(BAKERY)


def test_a_state_is_kept_as_it_is():
    state = AddressState("n", (1.0, 2.0), 2, 3.0, 4, addresses.Confirmation(5.0, How.CODE))
    assert addresses.read_state(addresses.write_state(state)) == state
    assert addresses.read_state(addresses.write_state(AddressState())) == AddressState()
