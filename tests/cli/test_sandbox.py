"""`relay sandbox demo` shows the same however often it is run."""

from relay.cli.sandbox import forget_names
from relay.facts.domains import KIND
from relay.store.facts import Fact


async def test_a_later_run_remembers_no_domain_of_an_earlier_world(place, store):
    facts = store.spool.facts
    for slug in ("atelier-vos", "garage-lambert"):
        await facts.put(Fact(KIND, slug, {"state": "passes"}))
    await facts.put(Fact("mailbox", "bakkerij-peeters", {}))
    await forget_names(place.path / "config/relay.yaml")
    assert await facts.list(KIND) == []
    assert len(await facts.list("mailbox")) == 1


async def test_the_first_run_needs_no_store(place):
    await forget_names(place.path / "config/relay.yaml")
    assert not (place.path / "var/relay.db").exists()
