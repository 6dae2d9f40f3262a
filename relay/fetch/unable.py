"""Tells a company of a mail in its mailbox that may hold an invoice and could not be taken, with that mail attached.

Such a report may land in the very mailbox it is about. Its Message-ID carries our seal: it is known again and left.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from relay.events import Event, EventType, Json
from relay.fetch.outbox import Outbox
from relay.mail.address import Address
from relay.mail.envelope import Body, Envelope, Recipient
from relay.mail.seal import is_sealed, seal
from relay.notices.compose import Composer, Letter
from relay.notices.courier import SENDER, language_of
from relay.policy.company import Company
from relay.store.facts import Fact
from relay.store.spool import Acceptance, Message, Origin
from relay.store.update import update

_COUNTED = "mailbox-reports"
_DAY = 86400.0
_LETTERS = 16
_OURS = re.compile(r"<unable\.([0-9a-z]{1,20})\.([a-z2-7]{16})@([^@<>]{1,253})>", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A mail that nothing, or not everything, could be taken of. `cause` names the reason for people's languages."""

    key: str
    message_id: str
    subject: str
    file: str
    cause: str
    reason: str


class Unable:
    """Writes such reports for one worker."""

    def __init__(self, outbox: Outbox, is_confirmed: Callable[[Company], Awaitable[bool]]) -> None:
        self._outbox = outbox
        self._is_confirmed = is_confirmed
        self._composer = Composer()

    def is_ours(self, message_id: str) -> bool:
        """Whether a mail is one of these reports."""
        match = _OURS.fullmatch(message_id)
        active = self._outbox.active()
        if match is None or match[3].lower() != active.snapshot.settings.domain:
            return False
        return is_sealed(match[2], active.keyring.signing, "unable", match[1])

    async def tell(self, company: Company, about: Unusable, original: bytes | None) -> None:
        """Report a mail, once; so many a day. Raises SpoolError."""
        if not await self._count(company):
            return

        async def make(queue_id: str) -> Acceptance:
            return await self._acceptance(queue_id, company, about, original)

        await self._outbox.send(f"{company.slug} unable {about.key}", make)

    async def _count(self, company: Company) -> bool:
        """Whether the company has room for one more today. What is not told stands in the history all the same."""
        facts, day = self._outbox.spool.facts, int(self._outbox.clock.now() // _DAY)
        most = self._outbox.active().snapshot.settings.notices.per_day

        def counted(fact: Fact) -> Fact:
            count = int(str(fact.value.get("count", 0))) if fact.value.get("day") == day else 0
            return fact if count >= most else replace(fact, value={"day": day, "count": count + 1})

        before, after = await update(facts, _COUNTED, company.slug, counted)
        return after is not before

    async def _acceptance(self, queue_id: str, company: Company, about: Unusable, original: bytes | None) -> Acceptance:
        active, now = self._outbox.active(), self._outbox.clock.now()
        settings = active.snapshot.settings
        confirmed = await self._is_confirmed(company)
        to = company.address if confirmed else settings.postmaster
        token = seal(active.keyring.signing[0], "unable", queue_id, letters=_LETTERS).lower()
        letter = Letter(
            kind="unable",
            language=language_of(company, settings) if confirmed else settings.notices.language,
            to=to,
            sender=Address(SENDER, settings.domain),
            relay=settings.notices.name or settings.domain,
            message_id=f"unable.{queue_id}.{token}@{settings.domain}",
            at=now,
            values={
                "company": company.name,
                "address": str(company.address),
                "subject": about.subject,
                "file": about.file,
                "cause": about.cause,
                "reason": about.reason,
                "attached": original is not None,
            },
            for_operator=not confirmed,
        )
        data = await asyncio.to_thread(self._composer.compose, letter, original)
        body = None if data.isascii() else Body.EIGHT_BIT
        envelope = Envelope(None, (Recipient(to),), body=body, smtputf8=not to.is_ascii)
        content = self._outbox.store(data)
        message = Message(queue_id, Origin.NOTICE, now, "", "", f"<{letter.message_id}>", envelope, content)
        told: dict[str, Json] = {"origin": Origin.NOTICE.value, "notice": "unable", "company": company.slug}
        told |= {"to": str(to), "about": about.message_id}
        events = (Event(EventType.RECEIVED, now, queue_id, None, told),)
        return Acceptance(message, (company.slug if confirmed else "",), leased=False, events=events)
