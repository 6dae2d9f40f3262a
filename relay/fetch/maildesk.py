"""What becomes of one mail: its documents to the sink, one after the other, and what the ledger says of them.

In charge of everything that needs no server of mail. The order is what makes exactly once: an invoice is noted when it
is taken, before another one goes, the last one together with the mail. Whoever ends before that leaves a mail that is
handled again: its invoices then go under the same names, by which the sink knows those that it has.
"""

from dataclasses import dataclass, field, replace

from relay.clock import Clock
from relay.config.settings import Mailboxes
from relay.events import Event, EventSink, EventType, Json
from relay.fetch.frames import Contents
from relay.fetch.ledger import Ledger, MailRecord, Stage, Taken
from relay.fetch.reader import Reader
from relay.fetch.sinks.offer import Offer, Sink, file_of
from relay.fetch.unable import Unable, Unusable
from relay.imap.heads import Head
from relay.incoming.returned import Found, Returns, describe
from relay.mail.bounce import Bounce
from relay.policy.company import After, Company
from relay.policy.invoice.facts import Part
from relay.policy.invoice.identity import Acquaintance, recognise
from relay.policy.invoice.judge import Document, Fate, Judgement, judge
from relay.policy.invoice.score import Taste
from relay.policy.upload import Answer, Verdict, idempotency_key

# A document that makes the other side stumble so often is parked, so that the ones behind it get their turn.
MOST_TRIES = 15


class SinkError(Exception):
    """Documents are not taken now; `answer` says why, and for how long."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Desk:
    """What mails of one company are handled with."""

    company: Company
    settings: Mailboxes
    sink: Sink
    ledger: Ledger
    reader: Reader
    clock: Clock
    events: EventSink
    unable: Unable
    returns: Returns


@dataclass(slots=True)
class _Fresh:
    """What was taken and is not noted yet, by each of its names, and what is to be told of it then."""

    taken: dict[str, Taken] = field(default_factory=dict)
    told: list[dict[str, Json]] = field(default_factory=list)


class MailDesk:
    """Handles the mails of one company."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ledger = desk.ledger
        self._taste = Taste(desk.settings.words, desk.settings.enough)

    async def take(self, head: Head, record: MailRecord, mail: bytes) -> MailRecord:
        """Find the documents in a mail and hand them on; what is known of the mail then.

        Raises SinkError and SpoolError; the same mail can be given again after both.
        """
        contents = await self._desk.reader.read(mail)
        if (about := await self._came_back(head, contents.bounce)) is not None:
            return await self._note_left(head, record, about, parked=False)
        judgement = judge(contents.facts, self._taste)
        if not judgement.documents:
            if judgement.is_parked:
                await self._tell(head, contents, judgement, judgement.reason, mail)
            return await self._note_left(head, record, judgement.reason, parked=judgement.is_parked)
        fresh = _Fresh()
        record = await self._hand_on(head, record, contents, judgement, fresh)
        if record.parked:
            await self._note_fresh(head, fresh)
            await self._tell(head, contents, judgement, record.reason, mail)
        return await self._end(head, record, fresh)

    async def release(self, head: Head, record: MailRecord, mail: bytes, part: int | None) -> MailRecord:
        """Hand on what is parked of a mail, or one part of it, whatever is known against it: a person says so.

        Raises as `take`; what the sink refuses stays parked.
        """
        contents = await self._desk.reader.read(mail)
        judged = judge(contents.facts, self._taste)
        locked = [each for each in judged.left if each.fate is Fate.PARKED]
        documents = [*judged.documents, *(_forced(contents.facts.parts[each.part]) for each in locked)]
        taken, parked, fresh = 0, "", _Fresh()
        for document in documents:
            await self._note_fresh(head, fresh)
            earlier = await self._ledger.earlier(document.keys)
            if recognise(document.digest, {key: each.digest for key, each in earlier.items()}) is Acquaintance.KNOWN:
                continue
            if part is not None and document.part != part:
                parked = parked or record.reason
            elif document.part not in contents.data:
                reason = next(each.reason for each in locked if each.part == document.part)
                parked = f"{reason}, and cannot be handed on"
            else:
                answer = await self._offer(head, record, contents, document, fresh)
                taken += answer.is_taken
                parked = parked if answer.is_taken else answer.text
        documents_now = record.documents + taken
        record = replace(record, documents=documents_now, parked=bool(parked), reason=parked)
        return await self._end(head, record, fresh)

    async def leave(self, head: Head, record: MailRecord, reason: str, *, parked: bool, cause: str = "") -> MailRecord:
        """Remember a mail that was not read, so that it is not fetched again."""
        if parked and self._desk.settings.report == "parked":
            about = Unusable(head.key, head.message_id, "", "", cause, reason)
            await self._desk.unable.tell(self._desk.company, about, None)
        return await self._note_left(head, record, reason, parked=parked)

    def is_ours(self, head: Head) -> bool:
        """Whether a mail is a report of ours about another one."""
        return self._desk.unable.is_ours(head.message_id)

    async def _came_back(self, head: Head, bounce: Bounce | None) -> str | None:
        """Which mail of the company came back, once that is noted; None when none did."""
        returns = self._desk.returns
        tied = () if bounce is None else await returns.sent.find(self._desk.company.slug, bounce)
        if bounce is None or not tied:
            return None
        await returns.note(Found(head.key, head.message_id, head.received), bounce, tied)
        return describe(bounce, tied)

    async def _tell(self, head: Head, contents: Contents, judged: Judgement, reason: str, mail: bytes) -> None:
        if self._desk.settings.report != "parked":
            return
        left = next((each for each in judged.left if each.fate is Fate.PARKED and each.reason == reason), None)
        file = "" if left is None else contents.facts.parts[left.part].name
        cause = "" if left is None else left.cause
        about = Unusable(head.key, head.message_id, contents.facts.subject[:200], file[:200], cause, reason)
        await self._desk.unable.tell(self._desk.company, about, mail)

    async def _note_left(self, head: Head, record: MailRecord, reason: str, *, parked: bool) -> MailRecord:
        record = replace(record, stage=Stage.DONE, parked=parked, reason=reason)
        await self._ledger.note_mail(head.key, record)
        self._emit(EventType.PARKED if parked else EventType.SKIPPED, head, {"reason": reason})
        return record

    async def _hand_on(
        self, head: Head, record: MailRecord, contents: Contents, judged: Judgement, fresh: _Fresh
    ) -> MailRecord:
        taken = known = 0
        sent: list[str] = []
        parked = [each.reason for each in judged.left if each.fate is Fate.PARKED]
        for document in judged.documents:
            await self._note_fresh(head, fresh)
            earlier = await self._ledger.earlier(document.keys)
            match recognise(document.digest, {key: each.digest for key, each in earlier.items()}):
                case Acquaintance.KNOWN:
                    known += 1
                case Acquaintance.DISPUTED:
                    parked.insert(0, await self._disputed(next(iter(earlier.values()))))
                case Acquaintance.NEW:
                    answer = await self._offer(head, record, contents, document, fresh)
                    taken += answer.is_taken
                    sent += [answer.queue_id] if answer.queue_id else []
                    parked[:0] = [] if answer.is_taken else [answer.text]
        reason = next(iter(parked), "")
        return replace(record, documents=taken, known=known, parked=bool(parked), reason=reason, sent=tuple(sent))

    async def _end(self, head: Head, record: MailRecord, fresh: _Fresh) -> MailRecord:
        # A mail of which something waits for a person stays as it is in the mailbox.
        box = self._desk.company.mailbox
        stays = record.parked or box is None or box.after is After.KEEP
        record = replace(record, stage=Stage.DONE if stays else Stage.DELIVERED)
        await self._ledger.note_mail(head.key, record, fresh.taken)
        self._tell_fresh(head, fresh)
        if record.parked:
            self._emit(EventType.PARKED, head, {"reason": record.reason})
        return record

    async def _note_fresh(self, head: Head, fresh: _Fresh) -> None:
        await self._ledger.note_taken(fresh.taken)
        self._tell_fresh(head, fresh)

    def _tell_fresh(self, head: Head, fresh: _Fresh) -> None:
        for told in fresh.told:
            self._emit(EventType.UPLOADED, head, told)
        fresh.taken, fresh.told = {}, []

    async def _offer(
        self, head: Head, record: MailRecord, contents: Contents, document: Document, fresh: _Fresh
    ) -> Answer:
        """Offer a document: taken, and `fresh`, or refused for good. Raises SinkError for everything between."""
        answer = await self._desk.sink.take(self._offer_of(contents, document))
        if answer.is_taken:
            taken = Taken(head.key, self._desk.clock.now(), document.digest, answer.upload)
            fresh.taken.update(dict.fromkeys(document.keys, taken))
            told: dict[str, Json] = {"upload": answer.upload, "known": answer.verdict is Verdict.KNOWN}
            if answer.queue_id:
                told = {"queue_id": answer.queue_id, "known": told["known"]}
            fresh.told.append({**told, "points": document.points})
            return answer
        fault = answer.verdict is Verdict.FAULT
        if answer.verdict is Verdict.REFUSED or (fault and record.tries >= MOST_TRIES):
            return answer
        await self._ledger.note_mail(head.key, replace(record, tries=record.tries + fault))
        raise SinkError(answer)

    async def _disputed(self, earlier: Taken) -> str:
        """Why an invoice is parked that is like an earlier one, and is not the same."""
        by = await self._ledger.mail(earlier.mail)
        named = f" with the mail {by.message_id}" if by is not None and by.message_id else ""
        return f"another invoice of this supplier, with the same number and total, came before{named}: compare the two"

    def _offer_of(self, contents: Contents, document: Document) -> Offer:
        parts, company = contents.facts.parts, self._desk.company
        numbers = (document.part, *(() if document.companion is None else (document.companion,)))
        within = document.companion is not None and parts[document.companion].parent == document.part
        files = [file_of(parts[number].name, parts[number].kind, contents.data[number]) for number in numbers]
        return Offer(
            slug=company.slug,
            fast_input=company.fast_input,
            key=idempotency_key(company.slug, document.digest),
            main=files[0],
            companion=next(iter(files[1:]), None),
            description=contents.facts.subject[:200] if company.fast_input.subject else "",
            within=within,
        )

    def _emit(self, kind: EventType, head: Head, data: dict[str, Json]) -> None:
        told: dict[str, Json] = {"company": self._desk.company.slug, "message_id": head.message_id, **data}
        self._desk.events.emit(Event(kind, self._desk.clock.now(), data=told))


def _forced(part: Part) -> Document:
    """A part as a document, although it is none by itself."""
    return Document(part.number, None, 0, ("a person says so",), (f"sha256:{part.digest}",), part.digest)
