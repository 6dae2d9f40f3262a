"""Verdicts that stand on answers of the DNS alone, remembered as long as the first of those answers holds.

Strangers choose what is asked about, so each memory has room for a fixed number and lets go of what was asked for
longest ago. Verdicts that a later question could change (temporary errors) have no place here.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from relay.authn.dmarc import DmarcAnswer
from relay.dns import MAX_TTL
from relay.policy.authentication import SpfFinding

MOST = 4096

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """Values by key, each until its time; times are seconds since the epoch."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = MOST) -> None:
        self._known: OrderedDict[Key, tuple[Value, float]] = OrderedDict()
        self._most = most

    def get(self, key: Key, now: float) -> Value | None:
        """The value, while it holds."""
        known = self._known.get(key)
        # A time too far away means that the clock was set back since.
        if known is None or not now < known[1] <= now + MAX_TTL:
            return None
        self._known.move_to_end(key)
        return known[0]

    def keep(self, key: Key, value: Value, expires: float) -> None:
        """Remember the value until then."""
        self._known[key] = value, expires
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What is remembered between mails: SPF by address and domain, DMARC and organizations by domain."""

    spf: Remembered[tuple[str, str], SpfFinding] = field(default_factory=Remembered)
    dmarc: Remembered[str, DmarcAnswer] = field(default_factory=Remembered)
    organizations: Remembered[str, str] = field(default_factory=Remembered)
