"""What workers tell each other about mail that is laid into companies' mailboxes."""

from relay.facts.laid import KINDS, note_taken, rest_account, was_taken, why_resting
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


async def test_whoever_is_always_outrun_leaves_it_to_the_others(facts, monkeypatch):
    async def outrun(_fact: Fact) -> None:
        return None

    monkeypatch.setattr(type(facts), "put", lambda _self, fact: outrun(fact))
    await note_taken(facts, "queue.0", until=NOW + 1)
