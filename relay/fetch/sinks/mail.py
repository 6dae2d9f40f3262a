"""The sink that is a mail: to the company's secret address at Fast input, in the relay's own name, through the queue.

Taken means that the mail is on stable storage; delivering it is then the business of `relay.delivery`, which alone
knows the address. Each document has one queue id, claimed before anything is written: offered again, it is found there.
"""

import asyncio
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP

from relay.config.secrets import SecretError
from relay.events import Event, EventType, Json
from relay.fetch.outbox import Outbox
from relay.fetch.sinks.offer import Offer
from relay.mail.address import Address, AddressError, parse_address
from relay.mail.date import format_date
from relay.mail.envelope import Envelope, Recipient
from relay.policy.company import Company
from relay.policy.upload import Answer, Verdict
from relay.store.spool import Acceptance, Message, Origin, SpoolError

# Stands for the secret address wherever people look.
FAST_INPUT = "fast-input"
_SENDER = "notices"


class MailSink:
    """Sends documents of one company by mail."""

    def __init__(self, company: Company, post: Outbox) -> None:
        self._company = company
        self._post = post

    async def take(self, offer: Offer) -> Answer:
        """See Sink.take."""
        secret = self._company.fast_input.mail_address
        try:
            if secret is None:
                return Answer(Verdict.ACCESS, "the company has no mail address at Fast input")
            parse_address(self._post.active().keyring.secret(secret))
        except SecretError as error:
            return Answer(Verdict.ACCESS, str(error))
        except AddressError:
            return Answer(Verdict.ACCESS, f"{secret} is not a mail address")
        try:
            return await self._send(offer)
        except SpoolError as error:
            return Answer(Verdict.LATER, f"the store is in trouble: {error}")

    async def _send(self, offer: Offer) -> Answer:
        async def make(queue_id: str) -> Acceptance:
            return await self._acceptance(offer, queue_id)

        queue_id, is_new = await self._post.send(f"{offer.slug} {offer.key}", make)
        if is_new:
            return Answer(Verdict.TAKEN, "taken", queue_id=queue_id)
        return Answer(Verdict.KNOWN, "it is in the queue already", queue_id=queue_id)

    async def _acceptance(self, offer: Offer, queue_id: str) -> Acceptance:
        settings, now = self._post.active().snapshot.settings, self._post.clock.now()
        message_id = f"{queue_id}@{settings.domain}"
        sender = HeaderAddress(settings.notices.name or settings.domain, _SENDER, settings.domain)
        data = await asyncio.to_thread(_compose, offer, self._company.name, sender, message_id, now)
        to = Address(FAST_INPUT, settings.domain)
        message = Message(
            queue_id=queue_id,
            origin=Origin.DOCUMENT,
            received_at=now,
            app="",
            peer="",
            message_id=f"<{message_id}>",
            envelope=Envelope(Address(_SENDER, settings.domain), (Recipient(to),)),
            content=self._post.store(data),
        )
        told: dict[str, Json] = {"origin": Origin.DOCUMENT.value, "company": offer.slug, "document": offer.main.name}
        events = (Event(EventType.RECEIVED, now, queue_id, None, told),)
        return Acceptance(message, (offer.slug,), leased=False, events=events)


def _compose(offer: Offer, company: str, sender: HeaderAddress, message_id: str, at: float) -> bytes:
    """The mail, without the address that it goes to: what is stored does not tell it."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = "undisclosed-recipients:;"
    message["Subject"] = _line(offer.description) or offer.main.name
    message["Date"] = format_date(at)
    message["Message-ID"] = f"<{message_id}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(f"{_line(company)}: {offer.main.name}\n", cte="quoted-printable")
    # Fast input would take the PDF that stands in an XML invoice for one more.
    for file in (offer.main, *((offer.companion,) if offer.companion is not None and not offer.within else ())):
        kind, _, subtype = file.media_type.partition("/")
        message.add_attachment(file.data, maintype=kind, subtype=subtype, filename=file.name)
    return message.as_bytes()


def _line(text: str) -> str:
    """One line that can stand in a header."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
