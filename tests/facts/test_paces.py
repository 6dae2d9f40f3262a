"""What workers remember of accounts that had to wait."""

from relay.facts.paces import Paces
from relay.policy.company import Server
from relay.policy.pacing import Pace
from tests.stand_ins import StandingClock


def account(number: int) -> Server:
    return Server("smtp.own.example", 587, "starttls", f"info{number}@own.example", None, pace=Pace(per_minute=1))


async def wait_of(paces: Paces, server: Server) -> float:
    """How long the second mail of an account is told to wait."""
    assert await paces.wait(server, 1) == 0
    return await paces.wait(server, 1)


async def test_accounts_that_once_had_to_wait_are_forgotten(facts):
    clock = StandingClock()
    paces = Paces(lambda: facts, clock)
    for number in range(200):
        assert await wait_of(paces, account(number)) > 0
        clock.at += 20
    assert len(paces._lines) < 20


async def test_an_account_that_waits_keeps_its_line_whoever_comes_after(facts):
    clock = StandingClock()
    paces = Paces(lambda: facts, clock)
    first = await wait_of(paces, account(0))
    for number in range(1, 50):
        await wait_of(paces, account(number))
    assert len(paces._lines) == 50
    assert await paces.wait(account(0), 1) == first + 60
