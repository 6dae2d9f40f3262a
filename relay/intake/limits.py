"""Counts what peers and apps ask of one worker, and says when it is too much. Pure but for the counters it owns."""

from collections import Counter, deque
from ipaddress import IPv4Address, IPv6Address

IpAddress = IPv4Address | IPv6Address


class Connections:
    """Open connections of one worker, in all and per peer; the limits are given at each question."""

    def __init__(self) -> None:
        self._all = 0
        self._peers: Counter[IpAddress] = Counter()

    def enter(self, peer: IpAddress, *, most: int, most_per_peer: int) -> bool:
        """Count a connection; False, and nothing counted, when it is one too many."""
        if self._all >= most or self._peers[peer] >= most_per_peer:
            return False
        self._all += 1
        self._peers[peer] += 1
        return True

    def leave(self, peer: IpAddress) -> None:
        """End a counted connection."""
        self._all -= 1
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]


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
    """Things of one kind within any 60 seconds, for each name."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def allows(self, name: str, *, now: float, most: int | None) -> bool:
        """Count one more for `name` unless that is too many in the last minute; None: no limit."""
        if most is None:
            return True
        times = self._times.setdefault(name, deque())
        while times and times[0] <= now - 60:
            times.popleft()
        if len(times) >= most:
            return False
        times.append(now)
        return True
