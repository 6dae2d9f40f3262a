"""`relay company verify` and `relay company status`, beside a store."""

import pytest

from relay.clock import SystemClock
from relay.facts.addresses import KIND
from relay.facts.dead_addresses import DeadAddresses
from relay.mail.address import Address
from relay.store.spool import State

VERIFY = ("company", "verify", "bakkerij-peeters")
STATUS = ("company", "status")
ADDRESS = "info@bakkerij-peeters.example"
KEY = f"address:bakkerij-peeters:{ADDRESS}"


@pytest.fixture
def asking(place):
    text = (place.path / "config/relay.yaml").read_text()
    public = 'listeners: {web: {address: "127.0.0.1:9", public_url: "https://mail.relay.example"}}'
    place.write("relay.yaml", text.replace("verification: {required: false}", public))
    return place


async def _due(store):
    return [fact.key for fact in await store.spool.facts.take_due(KIND, now=2e9, until=2e9, limit=9)]


async def test_a_running_relay_is_told_to_send_the_mail(asking, store):
    ended = await asking.ask(*VERIFY)
    assert (ended.code, ended.out) == (0, f"{ADDRESS}: not confirmed, asked 0 s ago (1 mail)\n")
    assert await _due(store) == [f"bakkerij-peeters {ADDRESS}"]


async def test_it_is_sent_again_only_when_asked_for_and_not_too_often(asking, store):
    await asking.ask(*VERIFY)
    again = await asking.ask(*VERIFY)
    assert (again.code, again.out.partition("(")[2]) == (0, "1 mail)\n")
    hasty = await asking.ask(*VERIFY, "--resend")
    assert hasty.code == 1
    assert "another mail may be sent in" in hasty.err


async def test_an_admin_confirms_with_a_reason_and_held_mail_goes_on(asking, store):
    await store.put("id1", "an@klant.example", leased=True)
    await store.hold("id1", KEY)
    ended = await asking.ask(*VERIFY, "--mark", "--reason", "called them")
    assert ended.code == 0
    assert ended.out.startswith(f"{ADDRESS}: confirmed by admin ")
    assert ended.out.endswith("(called them)\n")
    assert await store.states("id1") == [State.QUEUED]
    told = (await asking.ask(*STATUS, "bakkerij-peeters", "--json")).json
    assert (told[0]["state"], told[0]["how"], told[0]["reason"]) == ("confirmed", "admin", "called them")


@pytest.mark.parametrize(
    "words",
    [("--mark",), ("--reason", "x"), ("--mark", "--reason", " "), ("--mark", "--reason", "x", "--resend")],
)
async def test_a_mark_and_its_reason_belong_together(asking, store, words):
    ended = await asking.ask(*VERIFY, *words)
    assert ended.code == 2
    assert "--reason" in ended.err


async def test_all_companies_that_are_known_are_marked_in_one_go(asking, store):
    asking.write("companies/other.yaml", "name: Other\naddress: info@other.example\nalias: other\n")
    await asking.ask("company", "verify", "other", "--mark", "--reason", "called them")
    ended = await asking.ask("company", "verify", "--all", "--mark", "--reason", "known before")
    assert (ended.code, ended.out) == (0, "1 address confirmed\n")
    reasons = {each["company"]: each["reason"] for each in (await asking.ask(*STATUS, "--json")).json}
    assert reasons == {"bakkerij-peeters": "known before", "other": "called them"}
    assert (await asking.ask("company", "verify", "--all", "--mark", "--reason", "x", "--json")).json == {"marked": 0}


@pytest.mark.parametrize("words", [(), ("--all",), ("--all", "--resend"), ("x", "--all", "--mark", "--reason", "y")])
async def test_either_a_company_is_named_or_all_are_marked(asking, store, words):
    assert (await asking.ask("company", "verify", *words)).code == 2


async def test_where_nobody_has_to_confirm_nobody_is_asked(place, store):
    ended = await place.ask(*VERIFY)
    assert ended.code == 1
    assert "verification.required" in ended.err
    assert (await place.ask(*STATUS, "bakkerij-peeters")).code == 0


async def test_a_company_that_is_not_there_is_told(asking, store):
    for words in (("company", "verify", "nobody"), (*STATUS, "nobody")):
        ended = await asking.ask(*words)
        assert (ended.code, ended.err) == (2, "relay: there is no company nobody\n")


async def test_status_shows_what_every_company_needs(asking, store):
    asking.write("companies/other.yaml", "name: Other\naddress: info@other.example\nalias: other\n")
    await asking.ask("company", "verify", "other", "--mark", "--reason", "known")
    await store.put("id1", "an@klant.example", leased=True)
    await store.hold("id1", KEY)
    everything = await asking.ask(*STATUS)
    assert everything.code == 0
    lines = everything.out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("bakkerij-peeters "))
    assert "not confirmed, not asked yet" in lines[first]
    assert "1 for address" in lines[first]
    assert any(line.startswith("other ") and "confirmed by admin" in line for line in lines)
    assert lines[-1] == "2 companies"
    needy = (await asking.ask(*STATUS, "--attention", "--json")).json
    assert [(each["company"], each["identity"], each["held"]) for each in needy] == [
        ("bakkerij-peeters", "alias", {KEY: 1})
    ]
    assert (await asking.ask(*STATUS, "bakkerij-peeters")).code == 1
    assert (await asking.ask(*STATUS, "other")).code == 0


async def test_explaining_says_that_mail_waits_for_the_address(asking, store):
    before = await asking.ask("explain", "bakkerij-peeters", "an@klant.example")
    assert before.code == 1
    assert f"is held: the company has not confirmed its address {ADDRESS}" in before.out
    text = (asking.path / "config/relay.yaml").read_text()
    asking.write("relay.yaml", text.replace("companies: all}", "companies: all, unconfirmed: refuse}"))
    refused = await asking.ask("explain", "bakkerij-peeters", "an@klant.example")
    assert "refused: 550 5.7.1 The company has not confirmed its address" in refused.out


async def test_explaining_needs_no_store(asking):
    ended = await asking.ask("explain", "bakkerij-peeters", "an@klant.example")
    assert "is held: the company has not confirmed" in ended.out


async def test_a_page_without_an_address_is_an_error_that_says_what_to_write(asking):
    text = (asking.path / "config/relay.yaml").read_text()
    asking.write("relay.yaml", text.replace(', public_url: "https://mail.relay.example"', ""))
    ended = asking.run("check")
    assert ended.code == 78
    assert "public_url: https://…" in ended.err


async def test_dead_addresses_are_shown_and_forgotten(asking, store):
    dead = DeadAddresses(lambda: store.spool.facts, SystemClock())
    await dead.note("bakkerij-peeters", Address("weg", "klant.example"), "address-gone", "5.1.1")
    command = ("company", "dead-addresses", "bakkerij-peeters")
    (told,) = (await asking.ask(*command, "--json")).json
    assert (told["address"], told["reason"], told["status"], told["count"]) == (
        *("weg@klant.example", "address-gone", "5.1.1"),
        1,
    )
    assert "weg@klant.example" in (await asking.ask(*command)).out
    assert (await asking.ask(*command, "--forget", "Weg@klant.example")).out == "nothing there\n"
    assert (await asking.ask(*command, "--forget", "weg@klant.example")).code == 1
