"""`relay status`: well or not, for people and for monitoring."""

import time

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


async def test_nobody_at_work(place, store):
    await store.spool.heartbeat(now=time.time() - 3600, detail=DETAIL)
    ended = await place.ask("status")
    assert ended.code == 1
    assert "! no worker is alive: the relay is not running" in ended.out
    assert (await place.ask("status", "--json")).json["workers"] == []
