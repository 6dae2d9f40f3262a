"""`relay status`: well or not, for people and for monitoring."""

import time
from dataclasses import asdict, replace

from relay.store.facts import Fact
from relay.webhooks.progress import KIND, Progress

DETAIL = {"generation": "abc", "companies": 3, "sessions": 2, "in_hand": 1, "config_error": ""}


async def test_a_relay_that_is_well(place, store):
    await store.put("a1", "piet@klant.example")
    await store.spool.heartbeat(now=time.time(), detail=DETAIL)
    ended = await place.ask("status")
    assert ended.code == 0
    assert "queue: 1 queued, 0 held" in ended.out
    assert "test.0.1" in ended.out
    assert ended.out.splitlines()[-1] == "all is well"
    told = (await place.ask("status", "--json")).json
    assert (told["healthy"], told["attention"], told["queue"]) == (True, [], {"queued": 1, "held": 0})
    (worker,) = told["workers"]
    assert (worker["generation"], worker["companies"], worker["in_hand"]) == ("abc", 3, 1)


async def test_a_wrong_configuration_is_told_with_its_place(place, store):
    error = "config/relay.yaml:3:1: unknown key\nconfig/companies/x.yaml:1:1: this key is missing"
    await store.spool.heartbeat(now=time.time(), detail=DETAIL | {"config_error": error})
    ended = await place.ask("status")
    assert ended.code == 1
    assert "! the configuration is wrong, the last good one stays: config/relay.yaml:3:1: unknown key" in ended.out
    assert "! config/companies/x.yaml:1:1: this key is missing" in ended.out
    assert (await place.ask("status", "--json")).json["healthy"] is False


async def test_a_certificate_that_nobody_renews(place, store):
    for days, told in ((13, "expires in 13 d"), (-2, "expired 2 d")):
        until = time.time() + days * 86400 + 0.5 * (1 if days > 0 else -1) * 3600
        await store.spool.heartbeat(now=time.time(), detail=DETAIL | {"certificate_until": until})
        ended = await place.ask("status")
        assert ended.code == 1
        assert f"! the listeners' certificate {told}" in ended.out
    await store.spool.heartbeat(now=time.time(), detail=DETAIL | {"certificate_until": time.time() + 15 * 86400})
    assert (await place.ask("status")).code == 0


async def test_locks_of_logins(place, store):
    await store.spool.heartbeat(now=time.time(), detail=DETAIL | {"locked": ["user web", "192.0.2.0/24"]})
    ended = await place.ask("status")
    assert ended.code == 1
    assert "! logins of user web are locked for a while: too many were refused" in ended.out
    assert "! logins of 192.0.2.0/24 are locked for a while" in ended.out


async def test_nobody_at_work(place, store):
    await store.spool.heartbeat(now=time.time() - 3600, detail=DETAIL)
    ended = await place.ask("status")
    assert ended.code == 1
    assert "! no worker is alive: the relay is not running" in ended.out
    assert (await place.ask("status", "--json")).json["workers"] == []


async def test_apps_that_do_not_take_their_events(place, store):
    await store.spool.heartbeat(now=time.time(), detail=DETAIL)
    failing = Progress(5).failed("it answers with status 500", time.time() - 7200)
    await store.spool.facts.put(Fact(KIND, "billing", asdict(failing)))
    assert (await place.ask("status")).code == 0
    await store.spool.facts.put(Fact(KIND, "shop", asdict(replace(failing, told=True))))
    await store.spool.facts.put(Fact(KIND, "web", asdict(replace(failing, gone="abc"))))
    ended = await place.ask("status")
    assert ended.code == 1
    assert "! the webhook of shop has failed for 2 h: it answers with status 500" in ended.out
    assert "! the webhook of web answered 410: nothing is sent to it until it has another URL" in ended.out
