"""What workers tell each other about mail that is laid into companies' mailboxes.

In charge of two things that are of no use after a time: which accounts are left in peace, and which laid mails were
taken away by the reading of the mailbox. A mail that is gone from its place cannot be found by its mark any more.
"""

from dataclasses import replace

from relay.store.facts import FactStore
from relay.store.update import update

RESTS, TAKEN = "mailbox-rests", "mailbox-taken"
KINDS = (RESTS, TAKEN)


async def rest_account(facts: FactStore, account: str, *, until: float, why: str) -> None:
    """Nothing is laid there before `until`. `account` names all that a login is made with. Raises SpoolError."""
    await update(facts, RESTS, account, lambda fact: replace(fact, value={"why": why}, due=until))


async def why_resting(facts: FactStore, account: str, *, now: float) -> str | None:
    """Why nothing is laid there now; None when nothing stands against it. Raises SpoolError."""
    fact = await facts.get(RESTS, account)
    return None if fact is None or now >= (fact.due or 0.0) else str(fact.value["why"])


async def note_taken(facts: FactStore, name: str, *, until: float) -> None:
    """The laid mail of that name is about to be moved or deleted. Raises SpoolError."""
    await update(facts, TAKEN, name, lambda fact: replace(fact, due=until))


async def was_taken(facts: FactStore, name: str) -> bool:
    """Whether the mail of that name was laid, and has been moved or deleted since. Raises SpoolError."""
    return await facts.get(TAKEN, name) is not None
