"""When to try again, when to say that mail is late, when to give up. Pure: time and chance are passed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Patience:
    """All in seconds; `steps` are the waiting times between attempts, the last one repeats."""

    steps: Sequence[float]
    expire: float
    delay_notice: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How a delivery stands after attempt number `attempts` (from 1) was deferred; `told`: a delay notice went out."""

    received_at: float
    attempts: int
    told: bool


class Verdict(StrEnum):
    """What a deferral comes down to."""

    WAIT = "wait"
    WAIT_AND_TELL = "wait-and-tell"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class Retry:
    """The verdict and, when waiting, the time of the next attempt in seconds since the epoch."""

    verdict: Verdict
    next_attempt: float = 0.0


def decide_retry(patience: Patience, progress: Progress, *, now: float, chance: float) -> Retry:
    """Decide what follows a deferral.

    `chance` in [0, 1) spreads the next attempt over the last fifth of its waiting time and the first fifth beyond,
    so that mail that failed together does not come back together. The last attempt falls on the expiry itself.
    """
    expiry = progress.received_at + patience.expire
    if now >= expiry:
        return Retry(Verdict.EXPIRE)
    step = patience.steps[min(progress.attempts, len(patience.steps)) - 1]
    next_attempt = min(now + step * (0.8 + 0.4 * chance), expiry)
    late = now - progress.received_at >= patience.delay_notice
    verdict = Verdict.WAIT_AND_TELL if late and not progress.told else Verdict.WAIT
    return Retry(verdict, next_attempt)
