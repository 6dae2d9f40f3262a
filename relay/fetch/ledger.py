"""What is remembered about mailboxes, so that every invoice is handed on once, whoever dies when.

Three kinds of facts: the state of each mailbox, which is also who reads it now; each mail that was decided about, by a
name that it keeps when it moves; each invoice that was handed on, by every name it would be known by.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from heapq import nlargest
from itertools import chain
from typing import Any, Self

from relay.events import Json
from relay.store.facts import Fact, FactStore

MAILBOX, MAIL, INVOICE = "mailbox", "mailbox-mail", "mailbox-invoice"
_MOST_ERROR = 300


@dataclass(frozen=True, slots=True)
class MailboxState:
    """How far a mailbox has been read. Times in seconds since the epoch, 0: not yet.

    `account` names host (or the domain that it is found by), user and folder, and `sought` the address whose server is
    found, "" where it is written; mails up to `uid` are done with, under `validity`. `started` is when reading
    began, `since` the day that was asked for then. UIDs up to `rescan` were there before: of them, what came in
    until `floor` is left alone. `refused` names what was refused, by which it is known when that was changed, and
    `until` says how long it is left alone otherwise.
    """

    account: str = ""
    validity: int = 0
    uid: int = 0
    started: float = 0.0
    since: str = ""
    rescan: int = 0
    floor: float = 0.0
    looked: float = 0.0
    succeeded: float = 0.0
    failures: int = 0
    error: str = ""
    mails: int = 0
    documents: int = 0
    parked: int = 0
    refused: str = ""
    until: float = 0.0
    sought: str = ""

    @classmethod
    def of(cls, fact: Fact) -> Self:
        """The state in a fact."""
        return cls(**_known(cls, fact.value))

    def put_into(self, fact: Fact, due: float) -> Fact:
        """A fact with this state, which falls due then."""
        return replace(fact, value=asdict(replace(self, error=self.error[:_MOST_ERROR])), due=due)


class Stage(StrEnum):
    """How far a mail has got."""

    EXTRACTED = "extracted"  # decided about; its documents are on their way
    DELIVERED = "delivered"  # taken; not yet marked in the mailbox
    DONE = "done"


@dataclass(frozen=True, slots=True)
class MailRecord:
    """What became of a mail: how many documents were handed on, what was parked, and why nothing came of it.

    `sent` names the mails that took documents on, where they went by mail. `place` says where the mail lay when it was
    last seen (account and folder, UIDVALIDITY, UID), and `digest` what it was, once it has been read. `word` says which
    person decided about what was parked, and when.
    """

    stage: Stage
    at: float
    message_id: str = ""
    documents: int = 0
    known: int = 0
    parked: bool = False
    reason: str = ""
    tries: int = 0
    sent: tuple[str, ...] = ()
    place: str = ""
    digest: str = ""
    word: str = ""

    @classmethod
    def of(cls, fact: Fact) -> Self:
        """The record in a fact."""
        values = _known(cls, fact.value)
        return cls(**{**values, "stage": Stage(values["stage"]), "sent": tuple(values.get("sent", ()))})


@dataclass(frozen=True, slots=True)
class Taken:
    """An invoice that was handed on: the name of the mail that brought it, the digest of its main part, its number."""

    mail: str
    at: float
    digest: str
    upload: int | None = None

    @classmethod
    def of(cls, fact: Fact) -> Self:
        """What a fact says."""
        return cls(**_known(cls, fact.value))


class Ledger:
    """The mails and invoices of one company. Every call raises SpoolError.

    The versions of what was seen are remembered as long as this is, so most writings need no look before.
    """

    def __init__(self, facts: FactStore, slug: str) -> None:
        self._facts = facts
        self.slug = slug
        self._seen: dict[tuple[str, str], int] = {}

    async def mail(self, key: str) -> MailRecord | None:
        """What is known of a mail."""
        fact = await self._get(MAIL, key)
        return None if fact is None else MailRecord.of(fact)

    async def note_mail(self, key: str, record: MailRecord) -> None:
        """Remember what became of a mail."""
        await self._put(MAIL, key, {**asdict(record), "sent": list(record.sent), "reason": record.reason[:_MOST_ERROR]})

    async def earlier(self, keys: Sequence[str]) -> Mapping[str, Taken]:
        """What was handed on before under each of these names, as far as there was something."""
        facts = {key: await self._get(INVOICE, key) for key in keys}
        return {key: Taken.of(fact) for key, fact in facts.items() if fact is not None}

    async def note_taken(self, keys: Sequence[str], taken: Taken) -> None:
        """Remember an invoice that was handed on. What was noted first under a name stays."""
        for key in keys:
            if not self._seen.get((INVOICE, key)):
                await self._put_once(INVOICE, key, asdict(taken))

    async def _get(self, kind: str, key: str) -> Fact | None:
        fact = await self._facts.get(kind, self._key(key))
        self._seen[kind, key] = 0 if fact is None else fact.version
        return fact

    async def _put(self, kind: str, key: str, value: Mapping[str, Json]) -> None:
        """The last word counts: only one worker at a time reads a mailbox."""
        while not await self._put_once(kind, key, value):
            await self._get(kind, key)

    async def _put_once(self, kind: str, key: str, value: Mapping[str, Json]) -> bool:
        """Write in the place of what was seen last, or of nothing; whether that is what is there."""
        version = self._seen.pop((kind, key), 0)
        stored = await self._facts.put(Fact(kind, self._key(key), value, version))
        if stored is not None:
            self._seen[kind, key] = stored.version
        return stored is not None

    def _key(self, key: str) -> str:
        return f"{self.slug} {key}"


async def history(facts: FactStore, slug: str, limit: int = 1000) -> list[MailRecord]:
    """The last mails of a company that were decided about, the last one first; never more than `limit` in memory."""
    newest: list[MailRecord] = []
    async for page in _pages(facts, slug):
        newest = nlargest(limit, chain(newest, (record for _, record in page)), key=lambda record: record.at)
    return newest


async def mails_named(facts: FactStore, slug: str, message_id: str) -> list[tuple[str, MailRecord]]:
    """The mails of a company with that Message-ID, by the ledger's names. Raises SpoolError."""
    wanted = message_id.strip().strip("<>")
    return [
        each
        async for page in _pages(facts, slug)
        for each in page
        if wanted and each[1].message_id.strip("<>") == wanted
    ]


async def _pages(facts: FactStore, slug: str) -> AsyncIterator[list[tuple[str, MailRecord]]]:
    begin = f"{slug} "
    after = begin
    while page := [fact for fact in await facts.list(MAIL, after=after) if fact.key.startswith(begin)]:
        yield [(fact.key.removeprefix(begin), MailRecord.of(fact)) for fact in page]
        after = page[-1].key


def _known(kind: type, value: Mapping[str, Any]) -> dict[str, Any]:
    """What a later version has written beside it is left alone."""
    return dict(_pairs(kind, value))


def _pairs(kind: type, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in kind.__dataclass_fields__:  # type: ignore[attr-defined]
        if name in value:
            yield name, value[name]
