"""What was counted for a while is forgotten after it."""

from relay.facts.fading import forget_faded
from relay.store.facts import Fact

from .conftest import NOW


async def test_only_what_has_had_its_time_goes(facts):
    for number in range(450):
        await facts.put(Fact("count", f"{number:03}", {}, due=NOW - number))
    await facts.put(Fact("count", "later", {}, due=NOW + 1))
    await facts.put(Fact("count", "always", {}))
    await facts.put(Fact("other", "old", {}, due=NOW - 1))

    assert await forget_faded(facts, ("count",), now=NOW) == 450

    assert [fact.key for fact in await facts.list("count")] == ["always", "later"]
    assert len(await facts.list("other")) == 1
