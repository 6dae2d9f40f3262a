"""When to try again, when to say that mail is late, when to give up. Pure: time and chance are passed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# Mail that was held for longer than mail may take is tried so often before it goes back: hosts turn strangers away at
# first (greylisting), and the time it was held says nothing about its recipient.
_FEWEST = 4


@dataclass(frozen=True, slots=True)
class Patience:
    """All in seconds; `steps` are the waiting times between attempts, the last one repeats."""

    steps: Sequence[float]
    expire: float
    delay_notice: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How a delivery stands after attempt number `attempts` was deferred; `told`: a delay notice went out.

    Attempts are counted from 1, and anew when mail that was held is released.
    """

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
    so that mail that failed together does not come back together. The last attempt falls on the expiry itself; mail
    that has only now begun to be tried has a few attempts beyond.
    """
    expiry = progress.received_at + patience.expire
    if now >= expiry and progress.attempts >= _fewest(patience):
        return Retry(Verdict.EXPIRE)
    step = patience.steps[min(progress.attempts, len(patience.steps)) - 1]
    next_attempt = now + step * (0.8 + 0.4 * chance)
    if now < expiry:
        next_attempt = min(next_attempt, expiry)
    late = now - progress.received_at >= patience.delay_notice
    verdict = Verdict.WAIT_AND_TELL if late and not progress.told else Verdict.WAIT
    return Retry(verdict, next_attempt)


def _fewest(patience: Patience) -> int:
    """How often mail is tried at least: no more than fits into the time of mail that was never held."""
    attempts, age = 2, patience.steps[0] * 1.2
    while attempts < _FEWEST and age < patience.expire:
        age += patience.steps[min(attempts, len(patience.steps)) - 1] * 1.2
        attempts += 1
    return attempts
