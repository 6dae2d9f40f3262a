"""Counts what one client asks for, and says when it is too much. Forgets who has been quiet."""

from collections import OrderedDict
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.requests import Request

from relay.clock import Clock

_WINDOW = 60.0
_MOST_REMEMBERED = 10_000


class Throttle:
    """At most `most` things of one kind within a minute for each name; counted by each worker for itself."""

    def __init__(self, clock: Clock, *, most: int) -> None:
        self._clock = clock
        self._most = most
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, name: str) -> float:
        """Count one more for `name`: 0 when it may go on, else in how many seconds it may come back."""
        now = self._clock.now()
        wait = self.wait(name)
        if wait:
            return wait
        begun, count = self._windows.pop(name, (now, 0))
        self._windows[name] = (begun, count + 1) if now < begun + _WINDOW else (now, 1)
        if len(self._windows) > _MOST_REMEMBERED:
            self._windows.popitem(last=False)
        return 0.0

    def wait(self, name: str) -> float:
        """As `take`, without counting."""
        begun, count = self._windows.get(name, (0.0, 0))
        left = begun + _WINDOW - self._clock.now()
        return left if left > 0 and count >= self._most else 0.0


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
