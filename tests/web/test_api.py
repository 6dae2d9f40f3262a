"""What every call of an app has in common."""

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from relay.events import EventType
from relay.intake.tally import Share, Tallies, make_memory
from relay.store.spool import SpoolError
from relay.web.throttle import Counts, Throttle, client_of
from tests.stand_ins import StandingClock

from .house import PASSWORD, House


async def test_an_app_learns_who_it_is_and_for_whom_it_may_send(house: House):
    async with house.client(house.api().routes()) as client:
        wide = await client.get("/api/v1/app", auth=("web", PASSWORD))
        narrow = await client.get("/api/v1/app", auth=("narrow", PASSWORD))
    assert (wide.status_code, wide.json()) == (200, {"app": "web", "companies": "all"})
    assert narrow.json() == {"app": "narrow", "companies": ["garage"]}
    assert wide.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer abc", "Basic", "Basic !!!", "Basic d2Vi", "Basic /////w=="],
    ids=["none", "another scheme", "empty", "no base64", "no colon", "no text"],
)
async def test_without_a_login_that_can_be_read_an_app_is_asked_for_one(house: House, header: str):
    async with house.client(house.api().routes()) as client:
        answer = await client.get("/api/v1/app", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="relay", charset="UTF-8"'
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Unauthorized"


@pytest.mark.parametrize("login", [("web", "wrong"), ("nobody", PASSWORD), ("nearby", PASSWORD), ("wéb", "ë")])
async def test_a_wrong_login_is_refused_and_noted_without_its_password(house: House, login: tuple[str, str]):
    async with house.client(house.api().routes()) as client:
        answer = await client.get("/api/v1/app", auth=httpx2.BasicAuth(*login))
    assert answer.status_code == 401
    (event,) = house.sink.of(EventType.LOGIN_FAILED)
    assert event.data == {"user": login[0], "peer": "192.0.2.77", "over": "http"}


async def test_who_guesses_passwords_has_to_wait(house: House):
    async with house.client(house.api().routes()) as client:
        for _ in range(20):
            assert (await client.get("/api/v1/app", auth=("web", "guess"))).status_code == 401
        answer = await client.get("/api/v1/app", auth=("web", PASSWORD))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        house.clock.at += 3600
        assert (await client.get("/api/v1/app", auth=("web", PASSWORD))).status_code == 200


async def test_one_app_cannot_keep_the_relay_busy(house: House):
    async with house.client(house.api().routes(), auth=("web", PASSWORD)) as client:
        statuses = [(await client.get("/api/v1/app")).status_code for _ in range(601)]
        assert statuses == [200] * 600 + [429]
        assert (await client.get("/api/v1/app", auth=("narrow", PASSWORD))).status_code == 200


async def test_a_call_reaches_only_companies_that_the_app_may_send_for(house: House):
    async def answer(call):
        return JSONResponse(call.company().slug)

    routes = [house.api().route("/companies/{slug}", answer)]
    async with house.client(routes, auth=("narrow", PASSWORD)) as client:
        assert (await client.get("/api/v1/companies/garage")).json() == "garage"
        others = [await client.get(f"/api/v1/companies/{slug}") for slug in ("bakery", "nobody")]
    assert [answer.status_code for answer in others] == [404, 404]
    assert others[0].json() == others[1].json()


async def test_a_store_in_trouble_is_no_answer_and_says_nothing_of_its_insides(house: House):
    async def answer(call):
        raise SpoolError("/var/lib/secret place")

    async with house.client([house.api().route("/x", answer)], auth=("web", PASSWORD)) as client:
        said = await client.get("/api/v1/x")
    assert (said.status_code, said.headers["retry-after"]) == (503, "10")
    assert "secret place" not in said.text


def test_a_throttle_counts_with_all_workers_and_forgets_the_quiet(tmp_path):
    make_memory(tmp_path / "tallies", 2)
    clock = StandingClock()
    here, there = (
        Throttle(Counts(Tallies(Share(tmp_path / "tallies", slot, 2)), clock), "call", most=2) for slot in range(2)
    )
    assert [each.take("a") for each in (here, there, here, there)] == [0, 0, 60, 60]
    assert here.take("b") == 0
    assert [here.wait("a"), here.wait("b")] == [60, 0]
    clock.at += 120
    assert there.take("a") == 0


def test_throttles_of_different_kinds_do_not_meet():
    counts = Counts(Tallies(), StandingClock())
    one, other = Throttle(counts, "call", most=1), Throttle(counts, "login", most=1)
    assert [one.take("a"), other.take("a"), one.take("a")] == [0, 0, 60]


@pytest.mark.parametrize(
    ("peer", "name"),
    [(("192.0.2.1", 1), "192.0.2.1"), (("2001:db8::1:2:3:4", 1), "2001:db8::"), (("odd", 1), "odd"), (None, "")],
)
def test_of_ipv6_a_whole_network_is_one_client(peer, name):
    assert client_of(Request({"type": "http", "client": peer, "headers": []})) == name
