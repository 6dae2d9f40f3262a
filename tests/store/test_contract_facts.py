"""What a store promises about facts."""

import asyncio
from dataclasses import replace

import pytest

from relay.store.facts import Fact
from relay.store.update import update


@pytest.fixture
def facts(spool):
    return spool.facts


async def test_a_fact_is_there_for_every_worker_and_after_a_restart(bench, facts):
    stored = await facts.put(Fact("address", "shop", {"confirmed": True, "at": [1, "zwölf"]}))
    other = await bench.start(2)

    assert stored == Fact("address", "shop", {"confirmed": True, "at": [1, "zwölf"]}, version=1)
    assert await other.facts.get("address", "shop") == stored
    await bench.close()
    assert await (await bench.start(1)).facts.get("address", "shop") == stored


async def test_what_was_never_put_is_not_there(facts):
    await facts.put(Fact("address", "shop", {}))

    assert await facts.get("address", "other") is None
    assert await facts.get("token", "shop") is None


async def test_nobody_undoes_a_change_that_they_have_not_seen(bench, facts):
    first = await facts.put(Fact("token", "shop", {"n": 1}))
    other = (await bench.start(2)).facts

    second = await other.put(replace(first, value={"n": 2}))

    assert second.version == 2
    assert await facts.put(replace(first, value={"n": 3})) is None
    assert await facts.put(Fact("token", "shop", {"n": 4})) is None
    assert await facts.put(Fact("token", "new", {}, version=7)) is None
    assert await facts.get("token", "shop") == second


async def test_of_many_who_change_at_once_one_wins(bench, facts):
    stored = await facts.put(Fact("token", "shop", {"by": ""}))
    others = [(await bench.start(slot)).facts for slot in range(2, 6)]

    results = await asyncio.gather(*(other.put(replace(stored, value={"by": n})) for n, other in enumerate(others)))

    assert sum(result is not None for result in results) == 1
    assert await facts.get("token", "shop") == next(filter(None, results))


async def test_several_facts_are_looked_up_at_once(facts):
    a, b = await facts.put(Fact("token", "a", {"n": 1})), await facts.put(Fact("token", "b ü", {"n": 2}, due=5.0))
    await facts.put(Fact("address", "c", {}))

    assert await facts.get_all("token", ["b ü", "a", "c", "a"]) == {"a": a, "b ü": b}
    assert await facts.get_all("token", []) == {}


async def test_several_facts_are_put_each_in_the_place_of_its_version(bench, facts):
    first = await facts.put(Fact("token", "a", {"n": 1}))
    newer = await facts.put(replace(first, value={"n": 2}))
    other = (await bench.start(2)).facts

    results = await other.put_all(
        [
            Fact("token", "b", {"n": 3}, due=7.0),
            replace(first, value={"n": 4}),
            Fact("address", "a", {}),
            replace(newer, value={"n": 5}),
            replace(newer, value={"n": 6}),
        ]
    )

    assert [None if each is None else each.version for each in results] == [1, None, 1, 3, None]
    assert await facts.get("token", "a") == results[3]
    assert await facts.get("token", "b") == results[0]
    assert await facts.put_all([]) == []


async def test_a_fact_is_forgotten_only_as_it_was_seen(facts):
    first = await facts.put(Fact("token", "shop", {}))
    second = await facts.put(first)

    assert not await facts.drop(first)
    assert await facts.drop(second)
    assert not await facts.drop(second)
    assert await facts.get("token", "shop") is None


async def test_facts_of_a_kind_are_listed_page_by_page(facts):
    for key in ("c", "a", "d", "b"):
        await facts.put(Fact("address", key, {}))
    await facts.put(Fact("token", "e", {}))

    page = await facts.list("address", limit=3)

    assert [fact.key for fact in page] == ["a", "b", "c"]
    assert [fact.key for fact in await facts.list("address", after="c")] == ["d"]


async def test_a_due_fact_is_given_to_one_worker_and_again_when_that_one_is_silent(bench, facts):
    other = (await bench.start(2)).facts
    await facts.put(Fact("check", "late", {}, due=bench.now - 1))
    await facts.put(Fact("check", "later", {}, due=bench.now - 2))
    await facts.put(Fact("check", "not-yet", {}, due=bench.now + 100))
    await facts.put(Fact("check", "never", {}))
    await facts.put(Fact("token", "other", {}, due=bench.now - 1))

    taken = await facts.take_due("check", now=bench.now, until=bench.now + 30, limit=10)

    assert [fact.key for fact in taken] == ["later", "late"]
    assert await other.take_due("check", now=bench.now, until=bench.now + 30, limit=10) == []
    done = await facts.put(replace(taken[0], due=bench.now + 500))
    assert done is not None
    bench.clock.advance(31)
    again = await other.take_due("check", now=bench.now, until=bench.now + 30, limit=10)
    assert [fact.key for fact in again] == ["late"]
    assert await facts.put(replace(taken[1], due=None)) is None


async def test_only_so_many_due_facts_are_taken(bench, facts):
    for number in range(5):
        await facts.put(Fact("check", str(number), {}, due=bench.now - number))

    taken = await facts.take_due("check", now=bench.now, until=bench.now + 30, limit=2)

    assert [fact.key for fact in taken] == ["4", "3"]


async def test_of_many_who_update_at_once_each_gets_through(bench, facts):
    others = [facts, (await bench.start(2)).facts]

    def one_more(fact):
        return replace(fact, value={"count": fact.value.get("count", 0) + 1})

    changes = await asyncio.gather(*(update(other, "pace", "shop", one_more) for other in others for _ in range(20)))

    assert sorted(change.before.version for change in changes) == list(range(40))
    assert sorted(change.after.value["count"] for change in changes) == list(range(1, 41))
    assert (await facts.get("pace", "shop")).value == {"count": 40}


async def test_an_update_that_changes_nothing_writes_nothing(facts):
    nothing = await update(facts, "pace", "shop", lambda fact: fact)
    assert nothing == (Fact("pace", "shop", {}), Fact("pace", "shop", {}))
    assert await facts.get("pace", "shop") is None
    stored = await facts.put(Fact("pace", "shop", {"count": 1}))
    assert await update(facts, "pace", "shop", lambda fact: fact) == (stored, stored)


async def test_an_update_to_nothing_drops_what_is_stored_even_when_it_changes_meanwhile(facts):
    stored = await facts.put(Fact("pace", "shop", {}))
    *_, dropped = await asyncio.gather(
        *(update(facts, "pace", "shop", lambda fact: replace(fact, value={"late": 1})) for _ in range(12)),
        update(facts, "pace", "shop", lambda _: None),
    )
    assert dropped.before.version >= stored.version
    assert dropped.after is None
    assert await update(facts, "pace", "other", lambda _: None) == (Fact("pace", "other", {}), None)


async def test_an_update_that_raises_changes_nothing(facts):
    stored = await facts.put(Fact("pace", "shop", {"count": 1}))

    def full(_):
        raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        await update(facts, "pace", "shop", full)
    assert await facts.get("pace", "shop") == stored
