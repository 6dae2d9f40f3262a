"""Refusals of accounts, and their end, when many attempts end at the same time."""

import asyncio

from relay.facts.accounts import AccountState, AccountStates

REFUSED = AccountState("old", until=0, probe=0, action="hold", status="5.7.8", text="Wrong", phase="login")


async def test_the_end_of_a_refusal_is_noted_however_many_are_refused_meanwhile(facts):
    states = AccountStates(lambda: facts)
    assert await states.refuse("shop", REFUSED)

    async def end() -> bool:
        return await states.prove("shop") is not None

    refusals = [states.refuse("shop", REFUSED) for _ in range(30)]
    *news, one, other = await asyncio.gather(*refusals, end(), end())

    # Each end is followed by news, unless it came last.
    assert one or other
    assert sum(news) + (await states.of("shop") is None) == one + other
