"""How a receiving host takes mail: its replies, decided by its temperament and by the recipient's local part.

In charge of: every deliberate 4xx and 5xx of the sandbox's hosts; always the same reply for the same question.
Never does: any input or output.
"""

from enum import StrEnum

from relay.mail.address import Address
from relay.mail.reply import Reply

ACCEPTED = Reply(250, "2.1.5", "Recipient accepted")
TAKEN = Reply(250, "2.0.0", "Message accepted")
BUSY = Reply(421, "4.3.2", "Busy, try again later")
GREYLISTED = Reply(451, "4.7.1", "Greylisted, try again later")
OVER_QUOTA = Reply(452, "4.2.2", "Mailbox is over its quota, try again later")
MAILBOX_FULL = Reply(552, "5.2.2", "Mailbox is full")
UNKNOWN = Reply(550, "5.1.1", "No such user here")
FOREIGN = Reply(550, "5.7.1", "Relaying denied")
NOT_BELIEVED = Reply(550, "5.7.26", "Neither SPF nor DKIM vouches for the domain in From")

BUSY_EVERY = 3  # connections: the first, the fourth, the seventh, ...


class Temperament(StrEnum):
    """What is peculiar about a host."""

    FRIENDLY = "friendly"  # takes what comes, and notes what it thinks of it
    PICKY = "picky"  # refuses mail whose author nobody vouches for
    GREYLISTING = "greylisting"  # refuses each pair of sender and recipient once
    FULL = "full"  # every mailbox is over quota
    BUSY = "busy"  # turns connections away, the first one and every third from there


# On every host, whatever its temperament, the beginning of the local part may ask for a reply.
_BY_LOCAL_PART = {"unknown": UNKNOWN, "full": MAILBOX_FULL, "quota": OVER_QUOTA}


def turn_away(temperament: Temperament, connection: int) -> Reply | None:
    """The reply in place of a greeting to the n-th connection (from 1), if it is not greeted."""
    return BUSY if temperament is Temperament.BUSY and connection % BUSY_EVERY == 1 else None


def answer_recipient(temperament: Temperament, recipient: Address, *, seen: bool) -> Reply:
    """The reply to RCPT; `seen` says that the same sender has asked for this recipient before."""
    for beginning, reply in _BY_LOCAL_PART.items():
        if recipient.local.lower().startswith(beginning):
            return reply
    if temperament is Temperament.FULL:
        return OVER_QUOTA
    if temperament is Temperament.GREYLISTING and not seen:
        return GREYLISTED
    return ACCEPTED


def answer_message(temperament: Temperament, *, aligned: bool) -> Reply:
    """The reply to the end of the message; `aligned` says that SPF or DKIM vouches for the author's domain."""
    return NOT_BELIEVED if temperament is Temperament.PICKY and not aligned else TAKEN
