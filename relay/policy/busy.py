"""What IMAP servers say when they want to be left alone, and for how long that is.

In charge of reading codes (RFC 5530, RFC 3501 7.1) and the words of providers. A server that is busy has not refused
the account, whatever command it says no to.
"""

import re
from dataclasses import dataclass

MOST_PAUSE = 3600.0
# Exchange and Microsoft 365 name the time themselves.
_BACKOFF = re.compile(r"backoff time:? {0,3}([0-9]{1,9})", re.IGNORECASE)
# Words, the seconds that are left in peace after them, and whether the number of connections is meant.
_SIGNS: tuple[tuple[str, float, bool], ...] = (
    ("too many simultaneous", 300.0, True),
    ("too many connections", 300.0, True),
    ("maximum number of connections", 300.0, True),
    ("connection limit", 300.0, True),
    ("overquota", 3600.0, False),
    ("bandwidth", 3600.0, False),
    ("throttl", 300.0, False),
    ("[limit]", 300.0, True),
    ("[inuse]", 60.0, False),
    ("[unavailable]", 60.0, False),
    ("[serverbug]", 60.0, False),
    ("not connected", 60.0, False),
    ("too many", 300.0, False),
    ("backoff", 60.0, False),
    ("try again", 60.0, False),
    ("unavailable", 60.0, False),
)
# These say that it is the account, whatever else is said: Google puts such words behind [ALERT].
_REFUSED = ("[authenticationfailed]", "invalid credentials")


@dataclass(frozen=True, slots=True)
class Busy:
    """The server wants peace for `pause` seconds; `crowded` when there are too many connections."""

    pause: float
    crowded: bool = False


def read_busy(said: str) -> Busy | None:
    """What a NO, BAD or BYE says about being busy; None when it says something else."""
    text = said.lower()
    if any(word in text for word in _REFUSED):
        return None
    sign = next((Busy(pause, crowded) for word, pause, crowded in _SIGNS if word in text), None)
    named = _BACKOFF.search(text)
    if sign is None or named is None:
        return sign
    return Busy(min(int(named[1]) / 1000, MOST_PAUSE), sign.crowded)
