"""What apps ask about their companies' addresses."""

import pytest

from relay.web.address_calls import AddressCalls

from .house import BAKERY, PASSWORD, House

PATH = "/api/v1/companies/bakery/address"


@pytest.fixture
async def client(house: House):
    routes = AddressCalls(house.addresses).routes(house.api())
    async with house.client(routes, auth=("web", PASSWORD)) as client:
        yield client


async def test_an_app_learns_whether_an_address_is_confirmed(house: House, client):
    assert (await client.get(PATH)).json() == {
        "company": "bakery",
        "address": "info@bakery.example",
        "state": "unconfirmed",
        "required": True,
        "mails": 0,
        "asked_at": None,
        "valid_until": None,
        "confirmed_at": None,
        "how": None,
        "reason": None,
    }
    await house.addresses.mark(BAKERY, "known")
    told = (await client.get(PATH)).json()
    assert (told["state"], told["how"], told["reason"]) == ("confirmed", "admin", "known")


async def test_an_app_has_the_mail_sent_and_sent_again_within_bounds(house: House, client):
    first = await client.post(f"{PATH}/ask")
    assert first.status_code == 202
    assert (first.json()["state"], first.json()["mails"]) == ("asked", 1)
    again = await client.post(f"{PATH}/ask")
    assert (again.status_code, again.headers["retry-after"]) == (429, "60")
    house.clock.at += 60
    assert (await client.post(f"{PATH}/ask")).json()["mails"] == 2


async def test_a_confirmed_address_is_not_asked_again(house: House, client):
    await house.addresses.mark(BAKERY, "known")
    answer = await client.post(f"{PATH}/ask")
    assert (answer.status_code, answer.json()["detail"]) == (409, "The address is confirmed already.")


async def test_where_nobody_has_to_confirm_nobody_is_asked(house: House, client):
    house.configure(verification={"required": False})
    assert (await client.post(f"{PATH}/ask")).status_code == 409
    assert (await client.get(PATH)).json()["required"] is False


async def test_companies_of_others_are_out_of_reach(house: House, client):
    for method in ("GET", "POST"):
        path = PATH + ("/ask" if method == "POST" else "")
        assert (await client.request(method, path, auth=("narrow", PASSWORD))).status_code == 404
    assert (await house.addresses.state(BAKERY)).sent == 0
