"""What whoever takes documents by HTTP means by its answers, and what one says to it.

In charge of reading statuses and bodies; who asks, and when again, is decided elsewhere. The first answer that was
taken is the only one with a number: a repeated key is answered 409, without it.
"""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_MOST_TEXT = 300
_WAITS = (408, 425, 429, 502, 503, 504)
_MOST_PAUSE = 3600.0


class Verdict(StrEnum):
    """What became of a document that was offered."""

    TAKEN = "taken"
    KNOWN = "known"  # it had been taken before
    REFUSED = "refused"  # this document, for good
    FAULT = "fault"  # the other side stumbled, perhaps over this document
    LATER = "later"  # busy, or not there
    ACCESS = "access"  # whoever asks may not: nothing goes until that is repaired


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict, in words for people; `upload` is the number it was given, `pause` seconds that were asked for.

    `queue_id` names the mail that takes it on, where it goes by mail.
    """

    verdict: Verdict
    text: str
    upload: int | None = None
    pause: float = 0.0
    queue_id: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether the other side has the document, now or from before."""
        return self.verdict in (Verdict.TAKEN, Verdict.KNOWN)


def read_answer(status: int, body: bytes, retry_after: str = "") -> Answer:
    """What an HTTP answer means."""
    if 200 <= status < 300:
        return Answer(Verdict.TAKEN, "taken", upload=_number(body))
    if status in _WAITS:
        return Answer(Verdict.LATER, f"busy (HTTP {status})", pause=_pause(retry_after))
    verdict, text = _refusal(status)
    return Answer(verdict, text if verdict in (Verdict.KNOWN, Verdict.FAULT) else f"{text}: {_said(body)}")


def _refusal(status: int) -> tuple[Verdict, str]:
    match status:
        case 409:
            return Verdict.KNOWN, "it was there already"
        case 401 | 403:
            return Verdict.ACCESS, f"access is refused (HTTP {status})"
        case 404 | 405 | 410:
            # The address is wrong, not the document: the next one would fare no better.
            return Verdict.ACCESS, f"nothing takes documents there (HTTP {status})"
        case _ if 400 <= status < 500:
            return Verdict.REFUSED, f"refused (HTTP {status})"
        case _:
            return Verdict.FAULT, f"a fault on the other side (HTTP {status})"


def idempotency_key(slug: str, digest: str) -> str:
    """The same for the same octets of the same company, and for nothing else."""
    return hashlib.sha256(f"{slug}\n{digest}".encode()).hexdigest()


def _number(body: bytes) -> int | None:
    text = body[:40].strip()
    return int(text) if text.isdigit() else None


def _pause(text: str) -> float:
    return min(float(text), _MOST_PAUSE) if text.isascii() and text.isdigit() else 0.0


def _said(body: bytes) -> str:
    """The list of errors in an answer, as one line; what is not that form is not repeated."""
    try:
        found: Any = json.loads(body)
        errors = found["errors"]
        texts = [f"{each['Code']}: {each.get('Description') or ''}" for each in errors]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "without a reason that can be read"
    return "; ".join(texts)[:_MOST_TEXT] or "without a reason"
