"""One look at one mailbox: what is new in it, and what is done to the mails that have been handled.

Exactly once rests on order. A mail's documents are handed on and noted (`relay.fetch.maildesk`), the mailbox is marked
only then, and only after that the mail is done with. Whoever takes over begins at the same mail and finds all of it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from time import monotonic

from relay.clock import Clock, timestamp
from relay.config.keyring import Active
from relay.config.settings import Mailboxes
from relay.events import EventSink
from relay.facts.laid import note_taken
from relay.fetch.hold import Hold, LostHoldError
from relay.fetch.ledger import Ledger, MailboxState, MailRecord, Stage
from relay.fetch.maildesk import MOST_TRIES, Desk, MailDesk
from relay.fetch.orders import Order, Orders, Wish
from relay.fetch.reader import Reader
from relay.fetch.sinks.offer import Sink
from relay.fetch.unable import Unable
from relay.imap.faults import MailboxError, MailboxFault
from relay.imap.heads import Head
from relay.imap.session import ImapSession, Opened
from relay.incoming.returned import Returns
from relay.mail.laid import read_mark
from relay.policy.company import After, Company, Mailbox
from relay.policy.invoice.facts import Flaw
from relay.store.facts import FactStore

# Others have their turn after so many mails or seconds; the rest is read at the next visit.
_MOST_MAILS = 1000
_MOST_SECONDS = 300.0
_BATCH = 50
_TOO_LARGE = "the mail is larger than mailboxes.message_size"
_DAY = timedelta(days=1)
_FIRST_DAY = date(1970, 1, 1)
# A server's clock may be behind ours by so much. What is read twice is handed on once.
_SKEW = 3600.0
# A day begins somewhere up to so much earlier than in Greenwich.
_EARLIEST = 14 * 3600.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What a worker reads mailboxes with. `bodies` lets only so many mails be in memory at once."""

    active: Callable[[], Active]
    facts: FactStore
    clock: Clock
    events: EventSink
    reader: Reader
    bodies: asyncio.Semaphore
    unable: Unable
    returns: Returns


class Visit:
    """A look at the mailbox of one company, by whoever holds it."""

    def __init__(self, tools: Tools, company: Company, mailbox: Mailbox, sink: Sink, hold: Hold) -> None:
        self._tools = tools
        self._mailbox = mailbox
        self._hold = hold
        self._settings: Mailboxes = tools.active().snapshot.settings.mailboxes
        self._ledger = Ledger(tools.facts, company.slug)
        self._orders = Orders(tools.facts, company.slug)
        settings, ledger = self._settings, self._ledger
        self._desk = MailDesk(
            Desk(company, settings, sink, ledger, tools.reader, tools.clock, tools.events, tools.unable, tools.returns)
        )

    async def run(self, session: ImapSession) -> bool:
        """Read what is new; whether all of it was read, or the rest has to wait for another visit.

        Raises:
            MailboxError: the mailbox cannot be read.
            SinkError: documents cannot be handed on.
            LostHoldError: somebody else reads it.
            SpoolError: the store is in trouble.
        """
        begun = monotonic()
        box = self._mailbox
        opened = await session.select(box.folder, readonly=box.after is After.KEEP)
        await self._begin(session, opened)
        await self._carry_out(session, opened)
        uids = await self._uids(session)
        for start in range(0, len(uids), _BATCH):
            if start >= _MOST_MAILS or monotonic() - begun > _MOST_SECONDS:
                return False
            await self._batch(session, uids[start : start + _BATCH])
        self.state = replace(self.state, uid=max(self.state.uid, opened.next_uid - 1 if not uids else uids[-1]))
        return True

    @property
    def state(self) -> MailboxState:
        """How far the mailbox has been read."""
        return self._hold.state

    @state.setter
    def state(self, state: MailboxState) -> None:
        self._hold.state = state

    async def _begin(self, session: ImapSession, opened: Opened) -> None:
        """Where to go on; from the beginning when the mailbox is another one, or has been numbered anew."""
        box, state, now = self._mailbox, self.state, self._tools.clock.now()
        account = _account(box)
        since = "" if box.since is None else box.since.isoformat()
        if state.account != account:
            read_until = max(state.succeeded - _SKEW, 0.0)
            state = replace(state, account=account, started=now, validity=opened.validity, since="")
            # Our clocks may differ: what is old, the server's own says.
            floor: float = await session.last_received(_day_before(read_until or now))
            state = replace(state, uid=opened.next_uid - 1, rescan=0, floor=floor)
            if 0 < read_until < floor:
                # The company's mail lies somewhere else now, and nobody has read what came since the last look.
                state = replace(state, uid=0, rescan=opened.next_uid - 1, floor=read_until)
        if since != state.since:
            state = replace(state, since=since)
            if box.since is not None:
                state = replace(state, uid=0, rescan=opened.next_uid - 1, floor=_midnight(box.since))
        if state.validity != opened.validity:
            state = replace(state, validity=opened.validity, uid=0, rescan=opened.next_uid - 1)
        self.state = state

    async def _carry_out(self, session: ImapSession, opened: Opened) -> None:
        """Do what people want done here."""
        for fact, order in await self._orders.waiting():
            match order.wish:
                case Wish.BACKFILL:
                    floor = min(self.state.floor, _midnight(order.day))
                    self.state = replace(self.state, uid=0, rescan=opened.next_uid - 1, floor=floor)
                    # Only what has been put down survives us.
                    await self._hold.renew()
                    await self._keep()
                case Wish.RELEASE:
                    await self._keep()
                    await self._release(session, order)
            await self._orders.done(fact)

    async def _release(self, session: ImapSession, order: Order) -> None:
        """Hand on what is parked of a mail, on a person's word."""
        record = await self._ledger.mail(order.about)
        if record is None or not record.parked:
            return
        word = f"released by {order.by} at {timestamp(order.at)}"
        series, _, uid = record.place.rpartition(".")
        async with self._tools.bodies:
            here = bool(record.digest) and series == _series(self._place_of(0))
            body = await session.body(int(uid)) if here else None
            if body is None or _digest_of(body) != record.digest:
                gone = f"{word}, but it was never read, or does not lie there any more"
                await self._ledger.note_mail(order.about, replace(record, word=gone))
                return
            head = Head(int(uid), order.about, record.message_id, len(body), record.at, only_text=False)
            before = record.documents
            record = await self._desk.release(head, replace(record, word=word), body, order.part)
        self.state = replace(self.state, documents=self.state.documents + record.documents - before)
        if record.stage is Stage.DELIVERED:
            await self._mark(session, head, record)

    async def _uids(self, session: ImapSession) -> Sequence[int]:
        if self.state.uid or not self.state.rescan:
            return await session.newer_than(self.state.uid)
        return await session.since(_day_before(self.state.floor))

    async def _batch(self, session: ImapSession, uids: Sequence[int]) -> None:
        heads: Sequence[Head] = await session.heads(uids)
        missing = set(uids) - {head.uid for head in heads}
        for uid in missing:
            if await session.is_there(uid):
                raise MailboxError(MailboxFault.TROUBLE, "the server does not say what is in the folder")
        await self._ledger.look_ahead([head.key for head in heads])
        # While the store takes nothing, nothing is handed on: it could not be noted, and would be handed on again.
        await self._hold.renew()
        for head in heads:
            await self._keep()
            if head.uid > self.state.rescan or head.received > self.state.floor:
                await self._mail(session, head)
            self.state = replace(self.state, uid=head.uid)

    async def _keep(self) -> None:
        """Whoever stood still for long may have lost the mailbox, and finds out here: the mail is somebody else's."""
        if self._hold.wants_renewal:
            await self._hold.renew()
        if self._hold.is_lost:
            raise LostHoldError

    async def _mail(self, session: ImapSession, head: Head) -> None:
        head, record = await self._recall(session, head)
        if record is None:
            place = self._place_of(head.uid)
            record = MailRecord(Stage.EXTRACTED, self._tools.clock.now(), head.message_id, place=place)
        if record.stage is Stage.EXTRACTED:
            record = await self._extract(session, head, record)
            state = self.state
            documents, parked = state.documents + record.documents, state.parked + record.parked
            self.state = replace(state, mails=state.mails + 1, documents=documents, parked=parked)
        if record.stage is Stage.DELIVERED:
            await self._mark(session, head, record)

    async def _mark(self, session: ImapSession, head: Head, record: MailRecord) -> None:
        if self._mailbox.after in (After.MOVE, After.DELETE):
            await self._note_taken(head)
        await session.mark(head.uid, self._mailbox.after, self._mailbox.move_to)
        await self._ledger.note_mail(head.key, replace(record, stage=Stage.DONE))

    async def _note_taken(self, head: Head) -> None:
        """Whoever lays mail there looks for it when a try was cut off, and must not lay it again because it is gone."""
        active = self._tools.active()
        name = read_mark(head.laid, active.keyring.signing) if head.laid else None
        if name is not None:
            until = self._tools.clock.now() + active.snapshot.settings.spool.keep_incoming
            await note_taken(self._tools.facts, name, until=until)

    async def _recall(self, session: ImapSession, head: Head) -> tuple[Head, MailRecord | None]:
        """What is known of a mail, and the name by which it is: another mail may look the same from outside.

        Only a mail at a new place with the name of an earlier one is read to compare the two; not when all mails
        have new places, which says nothing about any of them.
        """
        record, place = await self._ledger.mail(head.key), self._place_of(head.uid)
        if record is None or record.place == place:
            return head, record
        if record.digest:
            renumbered = head.uid <= self.state.rescan and _series(record.place) != _series(place)
            digest = record.digest if renumbered else await self._digest(session, head)
            if digest != record.digest:
                head = replace(head, key=f"{head.key} {digest or place}")
                return head, await self._ledger.mail(head.key)
        elif record.stage is Stage.DONE and self._is_readable(head):
            # It was too large then, or gone before it could be read.
            return head, None
        record = replace(record, place=place)
        await self._ledger.note_mail(head.key, record)
        return head, record

    async def _digest(self, session: ImapSession, head: Head) -> str:
        """Names what a mail holds; empty when the server does not give it."""
        async with self._tools.bodies:
            return _digest_of(await session.body(head.uid) or b"")

    def _is_readable(self, head: Head) -> bool:
        return not (head.only_text or head.size > self._settings.message_size or self._desk.is_ours(head))

    def _place_of(self, uid: int) -> str:
        return f"{self.state.account}.{self.state.validity}.{uid}"

    async def _extract(self, session: ImapSession, head: Head, record: MailRecord) -> MailRecord:
        """What is in the mail, and where it went."""
        if self._desk.is_ours(head):
            return await self._desk.leave(head, record, "a mail of ours about another one", parked=False)
        if head.only_text:
            return await self._desk.leave(head, record, "there is nothing attached", parked=False)
        if head.size > self._settings.message_size:
            return await self._desk.leave(head, record, _TOO_LARGE, parked=True, cause=Flaw.TOO_LARGE)
        async with self._tools.bodies:
            body = await session.body(head.uid)
            if body is None:
                return await self._withheld(session, head, record)
            return await self._desk.take(head, replace(record, digest=_digest_of(body)), body)

    async def _withheld(self, session: ImapSession, head: Head, record: MailRecord) -> MailRecord:
        """Some servers say OK and send no mail; others have deleted it meanwhile."""
        if not await session.is_there(head.uid):
            return await self._desk.leave(head, record, "the mail was gone before it could be read", parked=False)
        if record.tries >= MOST_TRIES:
            return await self._desk.leave(head, record, "the server does not hand the mail out", parked=True)
        await self._ledger.note_mail(head.key, replace(record, tries=record.tries + 1))
        raise MailboxError(MailboxFault.TROUBLE, "the server does not hand a mail out")


def _series(place: str) -> str:
    """What a UID counts in: account, folder and UIDVALIDITY."""
    return place.rpartition(".")[0]


def _midnight(day: date) -> float:
    """When that day has begun nowhere yet."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() - _EARLIEST


def _digest_of(mail: bytes) -> str:
    return hashlib.sha256(mail).hexdigest()[:40] if mail else ""


def _day_before(at: float) -> date:
    return max(datetime.fromtimestamp(at, UTC).date() - _DAY, _FIRST_DAY)


def _account(box: Mailbox) -> str:
    return hashlib.sha256(f"{box.realm}\n{box.username}\n{box.folder}".encode()).hexdigest()[:16]
