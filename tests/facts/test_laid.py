"""What workers tell each other about mail that is laid into companies' mailboxes."""

from dataclasses import replace

from relay.facts.laid import KINDS, TAKEN, note_taken, rest_account, was_taken, why_resting
from relay.store.facts import Fact

from .conftest import NOW


async def test_an_account_rests_until_its_time_is_over(facts):
    assert await why_resting(facts, "a", now=NOW) is None
    await rest_account(facts, "a", until=NOW + 1, why="refused")
    await rest_account(facts, "a", until=NOW + 2, why="refused again")
    assert await why_resting(facts, "a", now=NOW + 1) == "refused again"
    assert await why_resting(facts, "b", now=NOW + 1) is None
    assert await why_resting(facts, "a", now=NOW + 2) is None


async def test_what_was_taken_away_is_known_and_forgotten_some_day(facts):
    assert not await was_taken(facts, "queue.0")
    for _ in range(2):
        await note_taken(facts, "queue.0", until=NOW + 1)
    assert await was_taken(facts, "queue.0")
    assert not await was_taken(facts, "queue.1")
    (fact,) = [fact for kind in KINDS for fact in await facts.list(kind)]
    assert (fact.key, fact.due) == ("queue.0", NOW + 1)


async def test_a_note_is_made_however_often_another_worker_is_faster(facts, monkeypatch):
    put, outruns = type(facts).put, iter(range(30))

    async def put_after_another(self, fact: Fact) -> Fact | None:
        if next(outruns, None) is not None:
            assert await put(self, replace(fact, value={}, due=NOW)) is not None
        return await put(self, fact)

    monkeypatch.setattr(type(facts), "put", put_after_another)
    await note_taken(facts, "queue.0", until=NOW + 1)
    (fact,) = await facts.list(TAKEN)
    assert (fact.version, fact.due) == (31, NOW + 1)
