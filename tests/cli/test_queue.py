"""`relay queue`: what it shows, and what its orders change."""

import json

import pytest

from relay.events import EventType
from relay.store.spool import State


async def _three(store):
    """One that waits for its next try, one that is held, one that was delivered."""
    await store.put("a1", "piet@klant.example", leased=True)
    await store.settle("a1", State.QUEUED, last="451 4.7.1 later \x1b[31mred")
    await store.put("b2", "an@klant.example", leased=True, company="garage-lambert")
    await store.settle("b2", State.HELD, last="no such company")
    await store.put("c3", "piet@klant.example", leased=True)
    await store.settle("c3", State.DELIVERED)


async def test_what_waits_is_listed(place, store):
    await _three(store)
    ended = await place.ask("queue", "list")
    assert ended.code == 0
    assert "a1" in ended.out
    assert "b2" in ended.out
    assert "c3" not in ended.out
    assert "59 min" in ended.out
    assert ended.out.splitlines()[-1] == "2 shown"


async def test_a_stranger_cannot_speak_to_the_terminal(place, store):
    await _three(store)
    ended = await place.ask("queue", "list")
    assert "\x1b" not in ended.out
    assert "\\x1b[31mred" in ended.out


async def test_an_empty_queue_says_so(place, store):
    ended = await place.ask("queue", "list")
    assert (ended.code, ended.out) == (0, "nothing there\n")
    assert (await place.ask("queue", "list", "--json")).json == []


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), ["a1", "b2"]),
        (("--company", "garage-lambert"), ["b2"]),
        (("--recipient", "piet@KLANT.example"), ["a1"]),
        (("--state", "held"), ["b2"]),
        (("--state", "delivered", "--state", "queued"), ["a1", "c3"]),
        (("--limit", "1"), ["a1"]),
    ],
)
async def test_the_list_can_be_narrowed(place, store, options, found):
    await _three(store)
    told = (await place.ask("queue", "list", "--json", *options)).json
    assert [row["queue_id"] for row in told] == found


async def test_a_cut_list_says_that_there_is_more(place, store):
    await _three(store)
    assert (await place.ask("queue", "list", "--limit", "1")).out.splitlines()[-1] == (
        "1 shown, there are more: --limit"
    )


async def test_one_message_is_shown_with_all_its_deliveries(place, store):
    await store.put("a1", "piet@klant.example", "an@klant.example", leased=True)
    await store.settle("a1", State.DELIVERED)
    ended = await place.ask("queue", "show", "a1")
    assert ended.code == 0
    for word in ("a1", "bakkerij-peeters@my.relay.example", "piet@klant.example", "delivered", "being tried"):
        assert word in ended.out
    told = (await place.ask("queue", "show", "a1", "--json")).json
    assert [delivery["state"] for delivery in told["deliveries"]] == ["delivered", "queued"]
    assert told["app"] == "billit-web"


async def test_a_message_nobody_knows(place, store):
    ended = await place.ask("queue", "show", "zz")
    assert (ended.code, ended.err) == (1, "relay: no message zz is known\n")


@pytest.mark.parametrize(
    ("command", "state", "said"),
    [
        ("retry a1", State.QUEUED, "1 delivery due now"),
        ("hold a1", State.HELD, "1 delivery held"),
        ("release b2", State.QUEUED, "1 delivery released"),
        ("drop b2 --yes", State.DROPPED, "1 delivery dropped"),
    ],
)
async def test_an_order_changes_what_it_names(place, store, command, state, said):
    await _three(store)
    queue_id = command.split()[1]
    ended = await place.ask("queue", *command.split(), "--reason", "called")
    assert (ended.code, ended.out) == (0, f"{said}\n")
    assert await store.states(queue_id) == [state]
    last = (await store.spool.timeline(queue_id))[-1]
    assert last.data["reason"] == "called"


async def test_retrying_makes_it_due(place, store):
    await _three(store)
    assert (await place.ask("queue", "retry", "--all", "--json")).json == {"order": "retry", "changed": 1}
    (row,) = (await place.ask("queue", "list", "--json", "--state", "queued")).json
    assert row["next_attempt"] is not None
    assert "now" in (await place.ask("queue", "list", "--state", "queued")).out


async def test_an_order_that_changes_nothing_says_why(place, store):
    await _three(store)
    ended = await place.ask("queue", "retry", "b2")
    assert (ended.code, ended.out) == (1, "0 deliveries due now\n")
    assert "release" in ended.err


@pytest.mark.parametrize("arguments", [(), ("a1", "--all"), ("--all", "--company", "x")])
async def test_an_order_needs_one_clear_selection(place, store, arguments):
    await _three(store)
    ended = await place.ask("queue", "hold", *arguments)
    assert ended.code == 2
    assert "--all" in ended.err
    assert await store.states("a1") == [State.QUEUED]


async def test_dropping_asks_first(place, store, monkeypatch):
    await _three(store)
    answers = iter(["n", "y"])
    monkeypatch.setattr("typer._click.termui.visible_prompt_func", lambda prompt: next(answers))
    refused = await place.ask("queue", "drop", "--company", "garage-lambert")
    assert (refused.code, refused.out) == (1, "")
    assert "all that waits of company garage-lambert" in refused.err
    assert await store.states("b2") == [State.HELD]
    assert (await place.ask("queue", "drop", "--company", "garage-lambert")).code == 0
    assert await store.states("b2") == [State.DROPPED]
    assert (await store.spool.timeline("b2"))[-1].type is EventType.DROPPED


async def test_times_in_json_are_those_of_the_log(place, store):
    await _three(store)
    (row,) = json.loads((await place.ask("queue", "list", "--json", "--state", "queued")).out)
    assert row["next_attempt"].endswith("Z")
