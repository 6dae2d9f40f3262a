"""Which companies have a trouble that people were told about, or have to be.

In charge of one notice for one trouble, at most a reminder a day while it lasts, and one word when it is over,
whichever worker sees it. Whoever notices a trouble, or its end, says so here, as often as it likes; `relay.notices`
writes the mail.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from relay.clock import Clock
from relay.store.facts import Fact, FactStore
from relay.store.update import update

KIND = "trouble"
_DAY = 86400.0
_MOST_DETAIL = 1000
# Telling again within this time asks nobody: a trouble may be met by every mail.
_QUIET = 30.0
_MOST_REMEMBERED = 10_000
# In the place of a company: what only the operator can repair.
OPERATOR = ""


class Trouble(StrEnum):
    """Every trouble there is a notice for; the value is the name of its template."""

    DOMAIN_AT_RISK = "domain-at-risk"
    DOMAIN_LOST = "domain-lost"
    ACCOUNT_REFUSED = "account-refused"
    CONSENT_NEEDED = "consent-needed"
    FORWARDING_LOOP = "forwarding-loop"
    MAIL_HELD = "mail-held"
    MAILBOX_REFUSED = "mailbox-refused"
    FAST_INPUT_REFUSED = "fast-input-refused"
    DOCUMENTS_REFUSED = "documents-refused"
    CERTIFICATE_EXPIRES = "certificate-expires"
    SENT_BY_OTHERS = "sent-by-others"
    ADDRESS_REFUSED = "address-refused"


# How long nobody is reminded of a trouble that lasts; a day unless it says so here.
_PAUSES = {Trouble.SENT_BY_OTHERS: 7 * _DAY}


@dataclass(frozen=True, slots=True)
class Details:
    """What a notice says beside its own words: plain sentences, without secrets.

    `about` is the domain or the account; `cause` is one sentence; `advice` may have several lines, such as a record to
    publish.
    """

    about: str
    cause: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class TroubleState:
    """One trouble of one company: since when, when people were last told (0: not yet), how often, and its details."""

    since: float
    told: float
    count: int
    over: bool
    details: Details


class Troubles:
    """The troubles of all companies, as one worker knows them."""

    def __init__(self, facts: FactStore, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self._quiet: dict[str, float] = {}

    async def tell(self, slug: str, trouble: Trouble, details: Details) -> None:
        """The company has that trouble now.

        A notice goes out at the first time, and a reminder when it is told again a day after the last one; or a week
        after, where nobody has to repair anything.
        """
        key = fact_key(slug, trouble)
        now = self._clock.now()
        if now < self._quiet.get(key, 0.0):
            return
        if len(self._quiet) >= _MOST_REMEMBERED:
            self._quiet.clear()
        self._quiet[key] = now + _QUIET
        short = Details(details.about[:_MOST_DETAIL], details.cause[:_MOST_DETAIL], details.advice[:_MOST_DETAIL])

        def told(fact: Fact) -> Fact:
            if not fact.version:
                state = TroubleState(now, 0.0, 0, over=False, details=short)
                return replace(fact, value=write_trouble(state), due=now)
            state = read_trouble(fact.value)
            # What comes back before its end was told has never been away.
            due = None if state.over else fact.due
            if due is None and state.told and now >= state.told + _PAUSES.get(trouble, _DAY):
                due = now
            if not state.over and due == fact.due:
                return fact
            return replace(fact, value=write_trouble(replace(state, over=False, details=short)), due=due)

        await update(self._facts, KIND, key, told)

    async def over(self, slug: str, *troubles: Trouble) -> None:
        """The company has none of these troubles any more: one mail says so, if any of them was told."""
        told = False
        for trouble in troubles:
            self._quiet.pop(fact_key(slug, trouble), None)
            told = await self._end(slug, trouble, silent=told) or told

    async def _end(self, slug: str, trouble: Trouble, *, silent: bool) -> bool:
        """Whether one mail says, or will say, that it is over."""
        now = self._clock.now()

        def over(fact: Fact) -> Fact | None:
            if not fact.version:
                return None
            state = read_trouble(fact.value)
            if state.over:
                return fact
            # A notice that a courier has in its hands counts as told.
            waits = not state.told and (fact.due is None or fact.due <= now)
            if silent or waits:
                return None
            return replace(fact, value=write_trouble(replace(state, over=True)), due=now)

        return (await update(self._facts, KIND, fact_key(slug, trouble), over)).after is not None


def fact_key(slug: str, trouble: Trouble) -> str:
    """Names a company's trouble among the facts."""
    return f"{slug} {trouble}"


def read_key(key: str) -> tuple[str, Trouble]:
    """The company and the trouble that `fact_key` named."""
    slug, _, trouble = key.rpartition(" ")
    return slug, Trouble(trouble)


def read_trouble(value: Mapping[str, Any]) -> TroubleState:
    """The state that `write_trouble` made this value of."""
    return TroubleState(
        since=float(value["since"]),
        told=float(value["told"]),
        count=int(value["count"]),
        over=bool(value["over"]),
        details=Details(**value["details"]),
    )


def write_trouble(state: TroubleState) -> dict[str, Any]:
    """The state as the store keeps it."""
    return {
        "since": state.since,
        "told": state.told,
        "count": state.count,
        "over": state.over,
        "details": asdict(state.details),
    }
