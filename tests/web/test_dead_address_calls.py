"""What apps ask about addresses that take no more mail."""

import pytest

from relay.facts.dead_addresses import DeadAddresses
from relay.mail.address import Address
from relay.web.dead_address_calls import DeadAddressCalls

from .house import PASSWORD, House

PATH = "/api/v1/companies/bakery/dead-addresses"


@pytest.fixture
def dead(house: House) -> DeadAddresses:
    return DeadAddresses(lambda: house.spool.facts, house.clock)


@pytest.fixture
async def client(house: House, dead: DeadAddresses):
    async with house.client(DeadAddressCalls(dead).routes(house.api()), auth=("web", PASSWORD)) as client:
        yield client


async def note(dead: DeadAddresses, local: str, *, slug: str = "bakery") -> None:
    await dead.note(slug, Address(local, "x.example"), "address-gone", "5.1.1")


async def test_an_app_learns_which_addresses_are_dead_page_by_page(dead, client):
    for local in ("carl", "Anna", "bert"):
        await note(dead, local)
    await note(dead, "anna", slug="bakery-two")
    first = (await client.get(PATH, params={"limit": 2})).json()
    assert first["dead_addresses"][0] == {
        "address": "anna@x.example",
        "reason": "address-gone",
        "status": "5.1.1",
        "count": 1,
        "first": "2027-01-15T08:00:00.000Z",
        "last": "2027-01-15T08:00:00.000Z",
    }
    assert (first["next"], first["more"]) == ("bert@x.example", True)
    second = (await client.get(PATH, params={"limit": 2, "after": first["next"]})).json()
    assert [each["address"] for each in second["dead_addresses"]] == ["carl@x.example"]
    assert (second["next"], second["more"]) == ("carl@x.example", False)
    last = (await client.get(PATH, params={"after": second["next"]})).json()
    assert last == {"dead_addresses": [], "next": "carl@x.example", "more": False}


async def test_what_is_old_is_not_told(house, dead, client):
    await note(dead, "anna")
    house.clock.at += 31 * 86400
    assert (await client.get(PATH)).json()["dead_addresses"] == []


async def test_an_app_says_that_an_address_is_alive(dead, client):
    await note(dead, "anna+a/b")
    assert (await client.delete(f"{PATH}/Anna%2Ba%2Fb%40x.example")).status_code == 204
    assert (await client.get(PATH)).json()["dead_addresses"] == []
    assert (await client.delete(f"{PATH}/anna@x.example")).status_code == 404


async def test_companies_of_others_are_out_of_reach(dead, client):
    await note(dead, "anna")
    for method, path in (("GET", PATH), ("DELETE", f"{PATH}/anna@x.example")):
        assert (await client.request(method, path, auth=("narrow", PASSWORD))).status_code == 404
    assert len((await client.get(PATH)).json()["dead_addresses"]) == 1


@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1"])
async def test_a_limit_that_is_none_is_refused(client, limit):
    assert (await client.get(PATH, params={"limit": limit})).status_code == 400
