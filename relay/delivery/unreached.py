"""Tells the operator when a company's own address takes no mail, and when it does again."""

from relay.facts.troubles import Details, Trouble, Troubles
from relay.policy.company import Company


async def tell_of_unreached(troubles: Troubles, company: Company, text: str) -> None:
    """The host of the company's address refuses it, in these words; a reminder once a day. Raises SpoolError."""
    await troubles.tell(company.slug, Trouble.ADDRESS_REFUSED, Details(str(company.address), text))


async def tell_of_reached(troubles: Troubles, company: Company) -> None:
    """The address takes mail again. Raises SpoolError."""
    await troubles.over(company.slug, Trouble.ADDRESS_REFUSED)
