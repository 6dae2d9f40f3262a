"""Learns which bank accounts a company's own mail names, so that another one in an answer is noticed.

In charge of looking seldom: a company's accounts rarely change, so one mail in a while is enough, and bulk mail costs
nothing. Whatever goes wrong here delays no delivery and changes none.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from relay.clock import Clock
from relay.config.keyring import Active
from relay.facts.account_numbers import AccountNumbers
from relay.mail.iban import find_ibans
from relay.mail.text import MOST_READ, readable_text
from relay.store.spool import Message, Origin, Spool, SpoolError

# Seconds between two looks at mail of one company, in one worker.
_PAUSE = 60.0
_MOST_REMEMBERED = 10_000

log = structlog.get_logger("relay.delivery")


@dataclass(slots=True)
class Learner:
    """Looks at mail of apps for one worker."""

    active: Callable[[], Active]
    spool: Spool
    clock: Clock
    _looked: dict[str, float] = field(default_factory=dict)

    async def learn(self, message: Message, companies: Sequence[str]) -> None:
        """Look at a mail that has been delivered for these companies, if it is time; its content has to be there."""
        now = self.clock.now()
        due = [slug for slug in dict.fromkeys(companies) if slug and now >= self._looked.get(slug, 0.0) + _PAUSE]
        if message.origin is not Origin.SUBMISSION or not due:
            return
        if len(self._looked) >= _MOST_REMEMBERED:
            self._looked.clear()
        self._looked |= dict.fromkeys(due, now)
        try:
            octets = self.spool.read(message.content, 0, MOST_READ)
            numbers = await asyncio.to_thread(_numbers, octets)
            known = AccountNumbers(self.spool.facts, self.active().keyring.signing)
            for slug in due if numbers else ():
                await known.sent(slug, numbers, now)
        except SpoolError as error:
            log.warning("the accounts that a mail names cannot be noted", queue_id=message.queue_id, error=str(error))
        except Exception:
            # The outcome of the delivery has to be written down whatever happens here.
            log.exception("a mail cannot be read for the accounts that it names", queue_id=message.queue_id)


def _numbers(octets: bytes) -> tuple[str, ...]:
    return find_ibans(readable_text(octets))
