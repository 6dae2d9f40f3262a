"""Counts what peers and apps ask of this machine, and says when it is too much. Knows no socket and no reply.

Peers are counted by address and by network, for one person may hold many addresses: of IPv4 the address and its /24,
of IPv6 the /64, which is one customer's line, and its /56. A network is allowed a few times what one address is.
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from relay.intake.tally import Tallies

IpAddress = IPv4Address | IPv6Address

NETWORK_SHARE = 4
_MINUTE = 60.0
_ERRORS = 600.0
_LOGINS = 900.0
_FREE_ERRORS = 10
_LONGEST_DELAY = 20.0


@lru_cache(maxsize=4096)
def names_of(peer: IpAddress) -> tuple[str, str]:
    """What is counted for a peer: what passes for one address, and the network around it."""
    if isinstance(peer, IPv4Address):
        return str(peer), f"{IPv4Address(int(peer) >> 8 << 8)}/24"
    return f"{IPv6Address(int(peer) >> 64 << 64)}/64", f"{IPv6Address(int(peer) >> 72 << 72)}/56"


def is_network(name: str) -> bool:
    """Whether a name of `names_of` is that of a network."""
    return name.endswith(("/24", "/56"))


class Connections:
    """Open connections: those of this worker in all, and those of each peer and network with all workers."""

    def __init__(self, tallies: Tallies) -> None:
        self._all = 0
        self._open = tallies.tally(None)

    def enter(self, peer: IpAddress, *, most: int, most_per_peer: int) -> bool:
        """Count a connection; False, and nothing counted, when it is one too many."""
        address, network = names_of(peer)
        if (
            self._all >= most
            or self._open.total(address) >= most_per_peer
            or self._open.total(network) >= NETWORK_SHARE * most_per_peer
        ):
            return False
        self._all += 1
        self._open.add(address)
        self._open.add(network)
        return True

    def leave(self, peer: IpAddress) -> None:
        """End a counted connection."""
        self._all -= 1
        for name in names_of(peer):
            self._open.add(name, count=-1)


class Receiving:
    """Octets of messages in reception at once in one worker."""

    def __init__(self) -> None:
        self.octets = 0

    def take(self, octets: int, *, most: int) -> bool:
        """Count octets; False, and nothing counted, when they are too many. One message alone always has room."""
        if self.octets and self.octets + octets > most:
            return False
        self.octets += octets
        return True

    def give_back(self, octets: int) -> None:
        """End the reception of a message of which this many octets were counted."""
        self.octets -= octets


class Rate:
    """Messages in a minute, for each name, over all workers."""

    def __init__(self, tallies: Tallies) -> None:
        self._tally = tallies.tally(_MINUTE)

    def allows(self, name: str, *, now: float, most: int | None) -> bool:
        """Count one more for `name` unless that is too many in the last minute; None: no limit."""
        if most is None:
            return True
        if self._tally.total(name, now=now) + 1 > most:
            return False
        self._tally.add(name, now=now)
        return True

    def allows_peer(self, peer: IpAddress, *, now: float, most: int) -> bool:
        """The same for a peer and its network."""
        address, network = names_of(peer)
        return self.allows(network, now=now, most=NETWORK_SHARE * most) and self.allows(address, now=now, most=most)


@dataclass(frozen=True, slots=True)
class Misconduct:
    """What a peer has to put up with: its errors are answered `delay` seconds late, or it is `unwelcome` altogether."""

    delay: float
    unwelcome: bool


class Errors:
    """Refusals that peers brought upon themselves within ten minutes, set off against mail that was taken from them."""

    def __init__(self, tallies: Tallies) -> None:
        self._errors = tallies.tally(_ERRORS)
        self._taken = tallies.tally(_ERRORS)

    def count(self, peer: IpAddress, *, now: float) -> None:
        """One more refusal."""
        for name in names_of(peer):
            self._errors.add(name, now=now)

    def excuse(self, peer: IpAddress, *, now: float) -> None:
        """A message was taken: whoever brings mail makes errors too."""
        for name in names_of(peer):
            self._taken.add(name, now=now)

    def has_brought_mail(self, peer: IpAddress, *, now: float) -> bool:
        """Whether a message was taken from this peer lately."""
        return self._taken.total(names_of(peer)[0], now=now) > 0

    def judge(self, peer: IpAddress, *, now: float, most: int) -> Misconduct:
        """How a peer with at most `most` errors, or of a network with a few times that, is to be treated."""
        worst = 0.0
        for name, share in zip(names_of(peer), (1, NETWORK_SHARE), strict=True):
            errors = self._errors.total(name, now=now)
            if errors:
                worst = max(worst, (errors - self._taken.total(name, now=now)) / share)
        return Misconduct(delay_after(worst), worst >= most)


def delay_after(errors: float) -> float:
    """Seconds by which the answer to the next error is held back: nothing for the first, then more and more."""
    beyond = errors - _FREE_ERRORS
    return 0.0 if beyond <= 0 else min(_LONGEST_DELAY, 0.25 * 2 ** min(beyond / 5, 10))


class Guesses:
    """Refused logins within a quarter of an hour, for each user name and for each peer."""

    def __init__(self, tallies: Tallies) -> None:
        self._refused = tallies.tally(_LOGINS)

    def count(self, username: str, peer: IpAddress, *, now: float) -> None:
        """One more refused login."""
        for name in (f"user {username}", *names_of(peer)):
            self._refused.add(name, now=now)

    def of(self, name: str, *, now: float) -> float:
        """Refused logins of one thing that is counted: "user NAME", or what `names_of` calls a peer."""
        return self._refused.total(name, now=now)
