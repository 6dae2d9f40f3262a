"""Mail that ends here: reports of receivers, for an address that domains name in their DMARC and TLS records.

It is a delivery like any other, to ourselves: what was accepted is stored already, is tried again while the store is in
trouble, and is counted once however often that happens. What is no report goes on to the postmaster.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from relay.config.keyring import Active
from relay.facts.received_reports import ReceivedReports
from relay.facts.report_files import MOST_MAIL
from relay.mail.report_address import reported_alias
from relay.policy.outcome import Action, Outcome, Phase, Scope
from relay.store.spool import Delivery, Message, Origin, Spool

log = structlog.get_logger("relay.delivery")


@dataclass(frozen=True, slots=True)
class ReportsIn:
    """Takes reports for one worker."""

    active: Callable[[], Active]
    spool: Spool
    reports: ReceivedReports

    async def take(self, message: Message, delivery: Delivery) -> Outcome | None:
        """Take a report in; None when there is none, and the mail is to go on. Raises SpoolError."""
        settings = self.active().snapshot.settings
        address = delivery.recipient.address
        alias = reported_alias(address.local) if address.domain == settings.domain else None
        if message.origin is not Origin.MX or alias is None or delivery.company:
            return None
        company = self.active().snapshot.by_alias(alias) if alias else None
        if alias and company is None:
            return None
        slug, domain = (company.slug, company.own_author.ascii_domain) if company is not None else ("", settings.domain)
        size = min(message.content.size, MOST_MAIL + 1)
        octets = await asyncio.to_thread(self.spool.read, message.content, 0, size)
        try:
            count = await self.reports.take(octets, slug, domain, {str(each) for each in settings.sending_addresses})
        except ValueError as error:
            log.info("mail for reports has none that can be taken", queue_id=message.queue_id, reason=str(error))
            return None
        text = f"taken in: {count} report{'' if count == 1 else 's'} about {domain}"
        return Outcome(Action.DELIVERED, Scope.RECIPIENT, "2.0.0", text, Phase.FINAL)
