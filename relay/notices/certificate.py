"""Tells the operator in time that nobody has renewed the listeners' certificate."""

from datetime import UTC, datetime

from relay.config.certificate import EXPIRING
from relay.facts.troubles import OPERATOR, Details, Trouble, Troubles


async def watch_certificate(troubles: Troubles, hostname: str, *, until: float, now: float) -> None:
    """Say how the certificate that `hostname` shows stands, as often as you like. Raises SpoolError.

    `until` is when it expires; times in seconds since the epoch.
    """
    if now < until - EXPIRING:
        await troubles.over(OPERATOR, Trouble.CERTIFICATE_EXPIRES)
        return
    at = datetime.fromtimestamp(until, UTC)
    await troubles.tell(OPERATOR, Trouble.CERTIFICATE_EXPIRES, Details(hostname, f"{at:%Y-%m-%d %H:%M} UTC"))
