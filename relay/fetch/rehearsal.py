"""What would become of the mails in a mailbox, without anything being done: nothing is noted, marked or handed on.

Whatever is decided here is decided as `relay.fetch.visit` and `relay.fetch.maildesk` do.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from relay.config.settings import Mailboxes
from relay.fetch.ledger import Ledger, MailRecord
from relay.fetch.reader import Reader
from relay.imap.heads import Head
from relay.imap.session import ImapSession
from relay.incoming.returned import SentMail, describe
from relay.policy.company import Mailbox
from relay.policy.invoice.identity import Acquaintance, recognise
from relay.policy.invoice.judge import judge
from relay.policy.invoice.score import Taste

_BATCH = 50


class Fate(StrEnum):
    """What would become of a mail."""

    TAKEN = "taken"
    SKIPPED = "skipped"
    PARKED = "parked"
    KNOWN = "known"  # decided about before


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would become of one mail: `documents` are the names of what would be handed on; `received` in seconds."""

    uid: int
    message_id: str
    received: float
    fate: Fate
    documents: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A look at one company's mailbox that changes nothing."""

    mailbox: Mailbox
    settings: Mailboxes
    ledger: Ledger
    reader: Reader
    sent: SentMail

    async def run(self, session: ImapSession, *, since: date | None, beyond: int) -> AsyncIterator[Foreseen]:
        """What would become of the mails from a day on, or of those beyond a UID.

        Raises MailboxError, SpoolError and OSError (no child can be started).
        """
        await session.select(self.mailbox.folder, readonly=True)
        uids: Sequence[int] = await (session.newer_than(beyond) if since is None else session.since(since))
        for start in range(0, len(uids), _BATCH):
            for head in await session.heads(uids[start : start + _BATCH]):
                yield await self._foresee(session, head)

    async def _foresee(self, session: ImapSession, head: Head) -> Foreseen:
        record = await self.ledger.mail(head.key)
        if record is not None:
            return _foreseen(head, Fate.KNOWN, reason=_known(record))
        if head.only_text:
            return _foreseen(head, Fate.SKIPPED, reason="there is nothing attached")
        if head.size > self.settings.message_size:
            return _foreseen(head, Fate.PARKED, reason="the mail is larger than mailboxes.message_size")
        body = await session.body(head.uid)
        if body is None:
            return _foreseen(head, Fate.SKIPPED, reason="the server does not hand the mail out")
        return await self._judge(head, body)

    async def _judge(self, head: Head, body: bytes) -> Foreseen:
        contents = await self.reader.read(body)
        tied = () if contents.bounce is None else await self.sent.find(self.ledger.slug, contents.bounce)
        if contents.bounce is not None and tied:
            return _foreseen(head, Fate.SKIPPED, reason=describe(contents.bounce, tied))
        judged = judge(contents.facts, Taste(self.settings.words, self.settings.enough))
        taken: list[str] = []
        reasons = [each.reason for each in judged.left if each.fate.value == "parked"]
        known = False
        for document in judged.documents:
            earlier = await self.ledger.earlier(document.keys)
            match recognise(document.digest, {key: each.digest for key, each in earlier.items()}):
                case Acquaintance.KNOWN:
                    known = True
                case Acquaintance.DISPUTED:
                    reasons.insert(0, "another invoice of this supplier, with the same number and total, came before")
                case Acquaintance.NEW:
                    part = contents.facts.parts[document.part]
                    taken.append(part.name or part.kind.value)
        # A mail of which anything is parked waits for a person, also when something of it is taken.
        fate = Fate.PARKED if reasons else Fate.TAKEN if taken else Fate.KNOWN if known else Fate.SKIPPED
        reason = next(iter(reasons), judged.reason or ("the invoice came by another mail before" if known else ""))
        return _foreseen(head, fate, tuple(taken), reason)


def _foreseen(head: Head, fate: Fate, documents: tuple[str, ...] = (), reason: str = "") -> Foreseen:
    return Foreseen(head.uid, head.message_id, head.received, fate, documents, reason)


def _known(record: MailRecord) -> str:
    fate = "parked" if record.parked else "taken" if record.documents or record.known else "skipped"
    return ": ".join(filter(None, (f"it was {fate} before", record.reason)))
