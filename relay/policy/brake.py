"""How many automatic answers one address may send about one thing before something is wrong. Pure.

Two robots that answer each other never stop by themselves. People's mail is never counted, and neither is a robot's
first answer to each of our mails: a customer's system may acknowledge every invoice of a month's end.
"""

from dataclasses import dataclass

WINDOW = 3600.0
MOST = 10


@dataclass(frozen=True, slots=True)
class Counted:
    """Automatic answers so far: how many, since when (seconds since the epoch)."""

    since: float = 0.0
    count: int = 0


def count_answer(counted: Counted, now: float) -> Counted | None:
    """With one more answer; None when it is one too many."""
    if not counted.count or not counted.since <= now < counted.since + WINDOW:
        return Counted(now, 1)
    if counted.count >= MOST:
        return None
    return Counted(counted.since, counted.count + 1)
