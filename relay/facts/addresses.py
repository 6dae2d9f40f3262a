"""Which companies' addresses are confirmed, and what was done to have them confirmed.

In charge of the state of each company's address: never asked, asked, confirmed. The key is the company and the address
itself, so an address that changes is asked anew. Whoever wants a mail sent says so here, durably; `relay.notices` sends
it. Confirmed is remembered by each worker for good; anything else is read from the store each time, so what another
worker or a command did counts at once.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from relay.clock import Clock, timestamp
from relay.config.keyring import Active
from relay.events import Json
from relay.policy.company import Company
from relay.policy.confirmation import (
    DAY,
    MOST_GUESSES,
    hold_key,
    is_code,
    read_link,
    wait_before_asking,
)
from relay.store.facts import Fact, FactStore
from relay.store.update import update

KIND = "address"
_MOST_REMEMBERED = 50_000


class How(StrEnum):
    """How an address was confirmed."""

    LINK = "link"
    CODE = "code"
    ADMIN = "admin"


class Verdict(StrEnum):
    """What an answer to the mail came to."""

    GOOD = "good"  # it would confirm, or has just done so
    ALREADY = "already"
    EXPIRED = "expired"
    WRONG = "wrong"
    TOO_MANY = "too-many"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """That an address was confirmed: when (seconds since the epoch), how, and by an admin for which reason."""

    at: float
    how: How
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AddressState:
    """What is known of one address. `asked` are the times of the last mails, `sent` counts all of them."""

    nonce: str = ""
    asked: tuple[float, ...] = ()
    sent: int = 0
    expires: float = 0.0
    guesses: int = 0
    confirmation: Confirmation | None = None

    @property
    def word(self) -> str:
        """The state in one word, for people and machines."""
        if self.confirmation is not None:
            return "confirmed"
        return "asked" if self.sent else "unconfirmed"


class Records(Protocol):
    """What is needed of a spool."""

    @property
    def facts(self) -> FactStore:
        """See Spool.facts."""
        ...

    async def release(self, hold_key: str, *, now: float) -> int:
        """See Spool.release."""
        ...


class Addresses:
    """The addresses of all companies, as one worker or command knows them."""

    def __init__(
        self, active: Callable[[], Active], spool: Records, clock: Clock, wake: Callable[[], None] = lambda: None
    ) -> None:
        """Begin with nothing; `wake` is called when a mail is wanted."""
        self._active = active
        self._spool = spool
        self._clock = clock
        self._wake = wake
        self._confirmed: set[str] = set()

    async def is_confirmed(self, company: Company) -> bool:
        """Whether mail may go out in the company's name; always, where the settings leave confirming to others."""
        if not self._active().snapshot.settings.verification.required:
            return True
        key = fact_key(company)
        if key in self._confirmed:
            return True
        if (await self.state(company)).confirmation is None:
            return False
        if len(self._confirmed) >= _MOST_REMEMBERED:
            self._confirmed.clear()
        self._confirmed.add(key)
        return True

    async def state(self, company: Company) -> AddressState:
        """What the store knows of the company's address now."""
        fact = await self._spool.facts.get(KIND, fact_key(company))
        return AddressState() if fact is None else read_state(fact.value)

    async def ask(self, company: Company, *, by_itself: bool = False) -> float:
        """Have a mail sent to the company's address: 0 when one goes out, else after how many seconds one may.

        Nothing is sent to an address that is confirmed.
        """
        wait = 0.0

        def change(state: AddressState, now: float) -> AddressState | None:
            nonlocal wait
            wait = wait_before_asking(state.asked, now=now, by_itself=by_itself)
            if wait or state.confirmation is not None:
                return None
            # Codes that were guessed at too often are replaced; otherwise every mail carries the same ones.
            fresh = not state.nonce or state.guesses >= MOST_GUESSES
            return replace(
                state,
                nonce=secrets.token_hex(10) if fresh else state.nonce,
                guesses=0 if fresh else state.guesses,
                asked=(*(at for at in state.asked if at > now - DAY), now),
                sent=state.sent + 1,
                expires=now + self._active().snapshot.settings.verification.valid,
            )

        await self._change(company, change, send=True)
        if not wait:
            self._wake()
        return wait

    async def judge_link(self, company: Company, token: str) -> Verdict:
        """What following the link with `token` would come to; changes nothing."""
        return self._judge_link(await self.state(company), company, token)

    async def confirm_by_link(self, company: Company, token: str) -> Verdict:
        """Confirm, if `token` is good; once only."""
        verdict = Verdict.WRONG

        def change(state: AddressState, now: float) -> AddressState | None:
            nonlocal verdict
            verdict = self._judge_link(state, company, token)
            good = verdict is Verdict.GOOD
            return replace(state, confirmation=Confirmation(now, How.LINK)) if good else None

        await self._change(company, change)
        return verdict

    async def confirm_by_code(self, company: Company, given: str) -> Verdict:
        """Confirm, if `given` is the code; every wrong one is counted."""
        verdict = Verdict.WRONG

        def change(state: AddressState, now: float) -> AddressState | None:
            nonlocal verdict
            verdict = self._judge_code(state, company, given)
            if verdict is Verdict.GOOD:
                return replace(state, confirmation=Confirmation(now, How.CODE))
            counts = verdict is Verdict.WRONG and state.nonce
            return replace(state, guesses=state.guesses + 1) if counts else None

        await self._change(company, change)
        return verdict

    async def mark(self, company: Company, reason: str) -> bool:
        """Confirm because an admin says so; False when the address was confirmed before."""
        marked = False

        def change(state: AddressState, now: float) -> AddressState | None:
            nonlocal marked
            marked = state.confirmation is None
            return replace(state, confirmation=Confirmation(now, How.ADMIN, reason)) if marked else None

        await self._change(company, change)
        return marked

    def _judge_link(self, state: AddressState, company: Company, token: str) -> Verdict:
        keys = self._active().keyring.signing
        expires = read_link(token, keys, company.slug, str(company.address), state.nonce) if state.nonce else None
        if expires is None:
            return Verdict.WRONG
        if state.confirmation is not None:
            return Verdict.ALREADY
        return Verdict.GOOD if self._clock.now() < expires else Verdict.EXPIRED

    def _judge_code(self, state: AddressState, company: Company, given: str) -> Verdict:
        if not state.nonce:
            return Verdict.WRONG
        if state.guesses >= MOST_GUESSES:
            return Verdict.TOO_MANY
        if not is_code(given, self._active().keyring.signing, company.slug, str(company.address), state.nonce):
            return Verdict.WRONG
        if state.confirmation is not None:
            return Verdict.ALREADY
        return Verdict.GOOD if self._clock.now() < state.expires else Verdict.EXPIRED

    async def _change(
        self, company: Company, change: Callable[[AddressState, float], AddressState | None], *, send: bool = False
    ) -> None:
        """Put what `change` makes of the state in its place, again when somebody else was faster."""
        now = self._clock.now()

        def changed(fact: Fact) -> Fact:
            state = change(read_state(fact.value), now)
            if state is None:
                return fact
            # A mail that waits to be sent goes on waiting, unless the address is confirmed by now.
            due = now if send else fact.due if state.confirmation is None else None
            return replace(fact, value=write_state(state), due=due)

        before, after = await update(self._spool.facts, KIND, fact_key(company), changed)
        if after is not None and after is not before and read_state(after.value).confirmation is not None:
            await self._spool.release(hold_key(company), now=now)


def fact_key(company: Company) -> str:
    """Names the company's address among the facts."""
    return f"{company.slug} {company.address}"


def read_state(value: Mapping[str, Any]) -> AddressState:
    """The state that `write_state` made this value of."""
    told = value.get("confirmed")
    return AddressState(
        nonce=str(value.get("nonce", "")),
        asked=tuple(float(at) for at in value.get("asked", ())),
        sent=int(value.get("sent", 0)),
        expires=float(value.get("expires", 0.0)),
        guesses=int(value.get("guesses", 0)),
        confirmation=None if told is None else Confirmation(float(told["at"]), How(told["how"]), str(told["reason"])),
    )


def write_state(state: AddressState) -> dict[str, Any]:
    """The state as the store keeps it."""
    told = state.confirmation
    return {
        "nonce": state.nonce,
        "asked": list(state.asked),
        "sent": state.sent,
        "expires": state.expires,
        "guesses": state.guesses,
        "confirmed": None if told is None else {"at": told.at, "how": told.how.value, "reason": told.reason},
    }


async def list_states(facts: FactStore) -> dict[str, AddressState]:
    """What is known of all addresses, by `fact_key`."""
    known: dict[str, AddressState] = {}
    after = ""
    while found := await facts.list(KIND, after=after):
        known.update((fact.key, read_state(fact.value)) for fact in found)
        after = found[-1].key
    return known


def state_as_json(company: Company, state: AddressState, *, required: bool) -> dict[str, Json]:
    """The state for machines; the names are part of what apps and scripts rely on (docs/api.md)."""
    told = state.confirmation
    return {
        "company": company.slug,
        "address": str(company.address),
        "state": state.word,
        "required": required,
        "mails": state.sent,
        "asked_at": timestamp(state.asked[-1]) if state.asked else None,
        "valid_until": timestamp(state.expires) if state.asked and told is None else None,
        "confirmed_at": None if told is None else timestamp(told.at),
        "how": None if told is None else told.how.value,
        "reason": None if told is None else told.reason,
    }
