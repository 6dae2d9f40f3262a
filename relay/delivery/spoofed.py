"""Says so when mail in a false name waits: it may be an answer after all, that a forwarder or a list has changed."""

from relay.delivery.settle import Settlement
from relay.facts.troubles import OPERATOR, Details, Trouble, Troubles
from relay.policy.forward import read_evidence
from relay.policy.spoof import HOLD_KEY
from relay.store.spool import Message, State


async def tell_of_spoofed(troubles: Troubles, message: Message, settlements: list[Settlement]) -> None:
    """Tell the company, or the operator of the relay's own mail; at most once a day each. Raises SpoolError."""
    for change, delivery in ((each.change, each.delivery) for each in settlements):
        if change.state is State.HELD and change.hold_key == HOLD_KEY:
            found = read_evidence(message.findings)
            author = found.dmarc.author if found is not None else ""
            details = Details(about=author, cause=change.queue_id)
            await troubles.tell(delivery.company or OPERATOR, Trouble.MAIL_HELD, details)
