"""Stands before the logins: whoever guesses passwords is locked out for a while, and our apps are not.

Refused logins are counted for each user name and for each peer, over all workers of the machine. Too many of either,
and logins are put off unseen until the count has faded. A customer's app must not be locked out by somebody else's
guesses: networks from which a user has logged in before are remembered in the store, written once a day, and from
there the password counts always.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from relay.clock import Clock
from relay.events import Event, EventType, Json
from relay.intake.limits import NETWORK_SHARE, Guesses, IpAddress, is_network, names_of
from relay.intake.logins import Logins
from relay.store.facts import Fact, FactStore
from relay.store.spool import SpoolError

KIND = "login-networks"
MOST_OF_USER = 50
MOST_OF_PEER = 20
_DAY = 86400
_REMEMBERED = 30  # days
_MOST_NETWORKS = 100
_MOST_NOTED = 1000
_MOST_SHOWN = 10


class Verdict(Enum):
    """What became of a login."""

    RIGHT = auto()
    WRONG = auto()
    LOCKED = auto()  # not looked at


@dataclass(frozen=True, slots=True)
class GuardWorld:
    """What the guard needs of a worker."""

    guesses: Guesses
    facts: Callable[[], FactStore]
    clock: Clock
    tell: Callable[[Event], None]


class LoginGuard:
    """Checks logins for one worker."""

    def __init__(self, logins: Logins, world: GuardWorld) -> None:
        self._logins = logins
        self._world = world
        self._noted: set[tuple[str, str, int]] = set()
        self._locked: set[str] = set()

    async def check(self, username: str, password: str, known: str | None, peer: IpAddress) -> Verdict:
        """Check a login from `peer` against the hash `known`, None when there is no such user."""
        if (lock := self._lock(username, peer)) and not await self._is_at_home(username, peer):
            self._tell(lock, username, peer)
            return Verdict.LOCKED
        if not await self._logins.check(username, password, known):
            self._world.guesses.count(username, peer, now=self._world.clock.now())
            return Verdict.WRONG
        await self._note(username, peer)
        return Verdict.RIGHT

    def locked(self) -> list[str]:
        """The locks that this worker has met and that still hold: user names, addresses and networks."""
        now = self._world.clock.now()
        self._locked = {lock for lock in self._locked if self._holds(lock, now)}
        return sorted(self._locked)[:_MOST_SHOWN]

    def _lock(self, username: str, peer: IpAddress) -> str:
        """What is locked for this login, "" for nothing."""
        now = self._world.clock.now()
        address, network = names_of(peer)
        return next((lock for lock in (address, network, f"user {username}") if self._holds(lock, now)), "")

    def _holds(self, lock: str, now: float) -> bool:
        return self._world.guesses.of(lock, now=now) >= _most(lock)

    def _tell(self, lock: str, username: str, peer: IpAddress) -> None:
        """Say once of each lock that it has begun."""
        self.locked()
        if lock not in self._locked:
            self._locked.add(lock)
            data: dict[str, Json] = {"locked": lock, "user": username, "peer": str(peer)}
            self._world.tell(Event(EventType.LOGIN_LOCKED, self._world.clock.now(), data=data))

    # Where users are at home.

    async def _is_at_home(self, username: str, peer: IpAddress) -> bool:
        try:
            fact = await self._world.facts().get(KIND, username)
        except SpoolError:
            return False
        return fact is not None and names_of(peer)[1] in _recent(fact.value, self._today())

    async def _note(self, username: str, peer: IpAddress) -> None:
        """Remember where a login came from; the store is written once a day for each network."""
        today, network = self._today(), names_of(peer)[1]
        if (username, network, today) in self._noted:
            return
        if len(self._noted) >= _MOST_NOTED:
            self._noted.clear()
        self._noted.add((username, network, today))
        try:
            facts = self._world.facts()
            fact = await facts.get(KIND, username) or Fact(KIND, username, {})
            recent = {**_recent(fact.value, today), network: today}
            if fact.value.get(network) != today:
                newest = sorted(recent, key=lambda each: recent[each])[-_MOST_NETWORKS:]
                # Another worker may have written meanwhile: its network counts now, ours with the next login.
                if await facts.put(replace(fact, value={each: recent[each] for each in newest})) is None:
                    self._noted.discard((username, network, today))
        except SpoolError:
            self._noted.discard((username, network, today))

    def _today(self) -> int:
        return int(self._world.clock.now() // _DAY)


def _most(lock: str) -> int:
    if lock.startswith("user "):
        return MOST_OF_USER
    return MOST_OF_PEER * (NETWORK_SHARE if is_network(lock) else 1)


def _recent(value: Mapping[str, Json], today: int) -> dict[str, int]:
    return {network: day for network, day in value.items() if isinstance(day, int) and day > today - _REMEMBERED}
