"""One look at one mailbox: what is new in it, and what is done to the mails that have been handled.

Exactly once rests on order. A mail's documents are handed on and noted (`relay.fetch.maildesk`), the mailbox is marked
only then, and only after that the mail is done with. Whoever takes over begins at the same mail and finds all of it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from relay.clock import Clock
from relay.config.keyring import Active
from relay.config.settings import Mailboxes
from relay.events import EventSink
from relay.fetch.imap import Head, ImapSession, MailboxError, MailboxFault, Opened, Place
from relay.fetch.ledger import Ledger, MailboxState, MailRecord, Stage
from relay.fetch.maildesk import MOST_TRIES, Desk, MailDesk
from relay.fetch.reader import Reader
from relay.fetch.sinks import Sink
from relay.policy.company import After, Company, Mailbox
from relay.store.facts import Fact, FactStore
from relay.store.spool import SpoolError

T = TypeVar("T")

# A worker keeps a mailbox for LEASE seconds, and prolongs that every RENEW.
LEASE = 60.0
_RENEW = 20.0
_BATCH = 50
_DAY = timedelta(days=1)
_FIRST_DAY = date(1970, 1, 1)
# A day begins somewhere up to so much earlier than in Greenwich.
_EARLIEST = 14 * 3600.0


class LostHoldError(Exception):
    """Another worker reads this mailbox now."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a worker reads mailboxes with. `run` calls a blocking function in a thread."""

    active: Callable[[], Active]
    facts: FactStore
    clock: Clock
    events: EventSink
    reader: Reader
    threads: Executor
    run: Callable[..., Any]


class Visit:
    """A look at the mailbox of one company, by whoever holds its fact."""

    def __init__(self, tools: Tools, company: Company, mailbox: Mailbox, sink: Sink, fact: Fact) -> None:
        self._tools = tools
        self._mailbox = mailbox
        self._fact = fact
        self._settings: Mailboxes = tools.active().snapshot.settings.mailboxes
        self._ledger = Ledger(tools.facts, company.slug)
        self._desk = MailDesk(
            Desk(company, self._settings, sink, self._ledger, tools.reader, tools.clock, tools.events)
        )
        self._lost = False
        self._storing = asyncio.Lock()
        self.state = MailboxState.of(fact)

    @property
    def fact(self) -> Fact:
        """The fact as it was last stored."""
        return self._fact

    async def run(self, place: Place, password: str) -> None:
        """Read what is new.

        Raises:
            MailboxError: the mailbox cannot be read.
            SinkError: documents cannot be handed on.
            LostHoldError: somebody else reads it.
            SpoolError: the store is in trouble.
        """
        keeper = asyncio.create_task(self._keep())
        try:
            await self._read(place, password)
        finally:
            # What it is storing is stored first, or nobody would know which version is the last one.
            async with self._storing:
                keeper.cancel()

    async def _read(self, place: Place, password: str) -> None:
        box = self._mailbox
        run = self._tools.run
        session = await run(ImapSession.open, place, box.username, password, self._settings.message_size)
        try:
            opened = await run(session.select, box.folder, readonly=box.after is After.KEEP)
            await self._begin(session, opened)
            uids = await self._uids(session)
            for start in range(0, len(uids), _BATCH):
                await self._batch(session, uids[start : start + _BATCH])
            self.state = replace(self.state, uid=max(self.state.uid, opened.next_uid - 1 if not uids else uids[-1]))
        except asyncio.CancelledError:
            session.cut()
            raise
        finally:
            self._tools.threads.submit(session.close)

    async def _begin(self, session: ImapSession, opened: Opened) -> None:
        """Where to go on; from the beginning when the mailbox is another one, or has been numbered anew."""
        box, state, now = self._mailbox, self.state, self._tools.clock.now()
        account = _account(box)
        since = "" if box.since is None else box.since.isoformat()
        if state.account != account:
            state = replace(state, account=account, started=now, validity=opened.validity, since="")
            # Our clocks may differ: what is old, the server's own says.
            floor: float = await self._tools.run(session.last_received)
            state = replace(state, uid=opened.next_uid - 1, rescan=0, floor=floor)
        if since != state.since:
            state = replace(state, since=since)
            if box.since is not None:
                midnight = datetime(box.since.year, box.since.month, box.since.day, tzinfo=UTC)
                state = replace(state, uid=0, rescan=opened.next_uid - 1, floor=midnight.timestamp() - _EARLIEST)
        if state.validity != opened.validity:
            state = replace(state, validity=opened.validity, uid=0, rescan=opened.next_uid - 1)
        self.state = state

    async def _uids(self, session: ImapSession) -> Sequence[int]:
        if self.state.uid or not self.state.rescan:
            found: Sequence[int] = await self._tools.run(session.newer_than, self.state.uid)
            return found
        day = self._mailbox.since or max(datetime.fromtimestamp(self.state.floor, UTC).date() - _DAY, _FIRST_DAY)
        found = await self._tools.run(session.since, day)
        return list(found)

    async def _batch(self, session: ImapSession, uids: Sequence[int]) -> None:
        heads: Sequence[Head] = await self._tools.run(session.heads, uids)
        missing = set(uids) - {head.uid for head in heads}
        for uid in missing:
            if await self._tools.run(session.is_there, uid):
                raise MailboxError(MailboxFault.TROUBLE, "the server does not say what is in the folder")
        for head in heads:
            if self._lost:
                raise LostHoldError
            if head.uid > self.state.rescan or head.received > self.state.floor:
                await self._mail(session, head)
            self.state = replace(self.state, uid=head.uid)

    async def _keep(self) -> None:
        """Keep others away from the mailbox while it is read, and put down how far that is."""
        while not self._lost:
            await asyncio.sleep(_RENEW)
            async with self._storing:
                due = self._tools.clock.now() + LEASE
                try:
                    stored = await self._tools.facts.put(self.state.put_into(self._fact, due))
                except SpoolError:
                    continue
                self._lost = stored is None
                self._fact = stored or self._fact

    async def _mail(self, session: ImapSession, head: Head) -> None:
        record = await self._ledger.mail(head.key)
        if record is None:
            record = MailRecord(Stage.EXTRACTED, self._tools.clock.now(), head.message_id)
            self.state = replace(self.state, mails=self.state.mails + 1)
        if record.stage is Stage.EXTRACTED:
            record = await self._extract(session, head, record)
            documents, parked = self.state.documents + record.documents, self.state.parked + record.parked
            self.state = replace(self.state, documents=documents, parked=parked)
        if record.stage is Stage.DELIVERED:
            await self._tools.run(session.mark, head.uid, self._mailbox.after, self._mailbox.move_to)
            await self._ledger.note_mail(head.key, replace(record, stage=Stage.DONE))

    async def _extract(self, session: ImapSession, head: Head, record: MailRecord) -> MailRecord:
        """What is in the mail, and where it went."""
        if head.only_text:
            return await self._desk.leave(head, record, "there is nothing attached", parked=False)
        if head.size > self._settings.message_size:
            return await self._desk.leave(head, record, "the mail is larger than mailboxes.message_size", parked=True)
        body: bytes | None = await self._tools.run(session.body, head.uid)
        if body is None:
            return await self._withheld(session, head, record)
        return await self._desk.take(head, record, body)

    async def _withheld(self, session: ImapSession, head: Head, record: MailRecord) -> MailRecord:
        """Some servers say OK and send no mail; others have deleted it meanwhile."""
        if not await self._tools.run(session.is_there, head.uid):
            return await self._desk.leave(head, record, "the mail was gone before it could be read", parked=False)
        if record.tries >= MOST_TRIES:
            return await self._desk.leave(head, record, "the server does not hand the mail out", parked=True)
        await self._ledger.note_mail(head.key, replace(record, tries=record.tries + 1))
        raise MailboxError(MailboxFault.TROUBLE, "the server does not hand a mail out")


def _account(box: Mailbox) -> str:
    return hashlib.sha256(f"{box.host.lower()}\n{box.username}\n{box.folder}".encode()).hexdigest()[:16]
