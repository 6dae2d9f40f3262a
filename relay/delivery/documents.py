"""Says so when mails with a company's documents do not reach Fast input: they wait here, and somebody has to know."""

from relay.delivery.settle import Settlement
from relay.facts.troubles import Details, Trouble, Troubles
from relay.store.spool import State


async def tell_of_documents(troubles: Troubles, settlements: list[Settlement]) -> None:
    """Tell the company, or that it is over. Raises SpoolError."""
    for settlement in settlements:
        delivery, change = settlement.delivery, settlement.change
        if change.state is State.DELIVERED:
            await troubles.over(delivery.company, Trouble.DOCUMENTS_REFUSED)
        elif change.state is State.HELD:
            await troubles.tell(delivery.company, Trouble.DOCUMENTS_REFUSED, Details(change.queue_id, change.last))
