"""Counts what one client asks for, with all workers of the machine, and says when it is too much."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.requests import Request

from relay.clock import Clock
from relay.intake.tally import Tallies

_WINDOW = 60.0


class Counts:
    """Where the throttles of one worker count: one table for all of them."""

    def __init__(self, tallies: Tallies, clock: Clock) -> None:
        self._tally = tallies.tally(_WINDOW)
        self.clock = clock

    def add(self, name: str) -> None:
        """Count one more."""
        self._tally.add(name, now=self.clock.now())

    def total(self, name: str) -> float:
        """What was counted within a minute, fading."""
        return self._tally.total(name, now=self.clock.now())


class Throttle:
    """At most `most` things of one kind within a minute for each name."""

    def __init__(self, counts: Counts, kind: str, *, most: int) -> None:
        self._counts = counts
        self._kind = kind
        self._most = most

    def take(self, name: str) -> float:
        """Count one more for `name`: 0 when it may go on, else in how many seconds it may come back."""
        wait = self.wait(name)
        if not wait:
            self._counts.add(f"{self._kind} {name}")
        return wait

    def wait(self, name: str) -> float:
        """As `take`, without counting."""
        return _WINDOW if self._counts.total(f"{self._kind} {name}") + 1 > self._most else 0.0


def address_of(request: Request) -> IPv4Address | IPv6Address:
    """The client's address, as the proxy on this machine passes it on; `::` where there is none."""
    try:
        return ip_address(request.client.host if request.client else "")
    except ValueError:
        return IPv6Address(0)


def client_of(request: Request) -> str:
    """Whom to count: the client's address, as the proxy on this machine passes it on; of IPv6 its network (/64)."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(IPv6Address(int(address) >> 64 << 64)) if isinstance(address, IPv6Address) else host
