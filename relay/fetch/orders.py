"""What people want done in a mailbox: facts that are carried out by whoever reads that mailbox next.

A command puts an order down; it is gone once it has been carried out. The same order given twice is one.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Self

from relay.store.facts import Fact, FactStore

ORDER = "mailbox-order"


class Wish(StrEnum):
    """What is wanted."""

    BACKFILL = "backfill"  # read mail that is there already, from a day on
    RELEASE = "release"  # hand on what is parked


@dataclass(frozen=True, slots=True)
class Order:
    """One order: by whom, and when in seconds since the epoch.

    `about` is the day from which on is read (ISO 8601), or the ledger's name of the mail that is released; of that only
    `part` where one is named.
    """

    wish: Wish
    about: str
    by: str
    at: float
    part: int | None = None

    @classmethod
    def of(cls, fact: Fact) -> Self:
        """The order in a fact."""
        value = fact.value
        part = None if value.get("part") is None else int(str(value["part"]))
        return cls(Wish(str(value["wish"])), str(value["about"]), str(value["by"]), float(str(value["at"])), part)

    @property
    def day(self) -> date:
        """From when on is read."""
        return date.fromisoformat(self.about)


class Orders:
    """The orders for the mailbox of one company. Every call raises SpoolError."""

    def __init__(self, facts: FactStore, slug: str) -> None:
        self._facts = facts
        self._slug = slug

    async def waiting(self) -> Sequence[tuple[Fact, Order]]:
        """What is to be carried out."""
        found = await self._facts.list(ORDER, after=f"{self._slug} ")
        return [(fact, Order.of(fact)) for fact in found if fact.key.startswith(f"{self._slug} ")]

    async def give(self, order: Order) -> None:
        """Put an order down."""
        key = f"{self._slug} {order.wish} {order.about} {'' if order.part is None else order.part}".strip()
        while True:
            known = await self._facts.get(ORDER, key)
            fact = Fact(ORDER, key, {**asdict(order), "wish": order.wish.value}, known.version if known else 0)
            if await self._facts.put(fact) is not None:
                return

    async def done(self, fact: Fact) -> None:
        """Forget an order that was carried out; one that was given anew meanwhile stays."""
        await self._facts.drop(fact)


async def wanted(facts: FactStore) -> frozenset[str]:
    """The companies for whose mailboxes there are orders. Raises SpoolError."""
    return frozenset(fact.key.partition(" ")[0] for fact in await facts.list(ORDER))
