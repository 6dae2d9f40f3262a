"""What becomes of mail that says it is from somebody who does not vouch for it. Pure.

RFC 9989 7.4: nobody's wish that such mail be rejected is a reason to reject it; much that fails was only forwarded.
"""

from collections.abc import Iterable
from enum import StrEnum

from relay.mail.message import fold
from relay.mail.reply import Reply
from relay.policy.authentication import Authentication, Result
from relay.policy.dmarc import Policy


class Spoofed(StrEnum):
    """What to do with such mail. AS_ASKED: quarantine where the author's domain asks to reject, else mark."""

    AS_ASKED = "as-asked"
    MARK = "mark"
    QUARANTINE = "quarantine"
    REFUSE = "refuse"


WARNING = "Relay-Warning"
# What such mail waits for when it is held: a person.
HOLD_KEY = "spoofed"


def is_spoofed(found: Authentication) -> bool:
    """Whether the author's domain asks for something to be done, and no trusted sealer saw that it was the author.

    What could not be looked up is not held against anybody. A From that names nobody clearly is: it may be made so
    that people read a name in it for which nobody had to vouch.
    """
    dmarc = found.dmarc
    if dmarc.result is Result.PERMERROR:
        return True
    return dmarc.result is Result.FAIL and dmarc.policy is not Policy.NONE and not found.arc.vouched_by


def treatment(found: Authentication, wish: Spoofed) -> Spoofed | None:
    """What to do with this mail: MARK, QUARANTINE, REFUSE, or None for nothing."""
    if not is_spoofed(found):
        return None
    if wish is Spoofed.AS_ASKED:
        return Spoofed.QUARANTINE if found.dmarc.policy is Policy.REJECT else Spoofed.MARK
    return wish


def refuse_spoofed(found: Authentication, wishes: Iterable[Spoofed]) -> Reply | None:
    """The answer to such mail when everybody it is for wants it refused; `wishes` has one a recipient."""
    if is_spoofed(found) and all(treatment(found, wish) is Spoofed.REFUSE for wish in wishes):
        return Reply(550, "5.7.1", explain_spoofed(found))
    return None


def explain_spoofed(found: Authentication) -> str:
    """Why, in a sentence of plain ASCII."""
    dmarc = found.dmarc
    if dmarc.result is Result.PERMERROR:
        return "The From field does not name its author clearly"
    signed = ", ".join(sorted({each.result.value for each in found.dkim})) or "none"
    return (
        f"Nothing proves that this mail is from {dmarc.author}, which asks for {dmarc.policy} then "
        f"(DMARC fail; SPF {found.spf.result}; DKIM {signed})"
    )


def warning_field(found: Authentication) -> bytes:
    """The field that such mail is marked with."""
    return fold(f"{WARNING}: spoofed; {explain_spoofed(found)}".encode("ascii", "replace"))
