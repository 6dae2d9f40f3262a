"""What is remembered about mailboxes, so that every invoice is handed on once, whoever dies when.

Three kinds of facts: the state of each mailbox, which is also who reads it now; each mail that was decided about, by a
name that it keeps when it moves; each invoice that was handed on, by every name it would be known by.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
        return replace(fact, value={**_fields(self), "error": self.error[:_MOST_ERROR]}, due=due)


class Stage(StrEnum):
    """How far a mail has got."""

    EXTRACTED = "extracted"  # begun; not all of it has been handed on
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
        self._new_ones: set[str] = set()

    async def look_ahead(self, keys: Sequence[str]) -> None:
        """Find out which mails nothing is known of, all at once; of each that serves for the next question."""
        self._new_ones = {key for key, fact in (await self._get(MAIL, keys)).items() if fact is None}

    async def mail(self, key: str) -> MailRecord | None:
        """What is known of a mail."""
        if key in self._new_ones:
            self._new_ones.remove(key)
            return None
        fact = (await self._get(MAIL, [key]))[key]
        return None if fact is None else MailRecord.of(fact)

    async def note_mail(self, key: str, record: MailRecord, taken: Mapping[str, Taken] | None = None) -> None:
        """Remember what became of a mail, and with it what `note_taken` does."""
        value = {**_fields(record), "sent": list(record.sent), "reason": record.reason[:_MOST_ERROR]}
        # The last word counts: only one worker at a time reads a mailbox.
        while not (await self._put([*self._new(taken or {}), (MAIL, key, value)]))[-1]:
            await self._get(MAIL, [key])

    async def earlier(self, keys: Sequence[str]) -> Mapping[str, Taken]:
        """What was handed on before under each of these names, as far as there was something."""
        facts = await self._get(INVOICE, keys)
        return {key: Taken.of(fact) for key, fact in facts.items() if fact is not None}

    async def note_taken(self, taken: Mapping[str, Taken]) -> None:
        """Remember invoices that were handed on, by each of their names. What was noted first under a name stays."""
        if new := self._new(taken):
            await self._put(new)

    def _new(self, taken: Mapping[str, Taken]) -> list[tuple[str, str, Mapping[str, Json]]]:
        return [(INVOICE, key, _fields(each)) for key, each in taken.items() if not self._seen.get((INVOICE, key))]

    async def _get(self, kind: str, keys: Sequence[str]) -> Mapping[str, Fact | None]:
        found = await self._facts.get_all(kind, [self._key(key) for key in keys])
        facts = {key: found.get(self._key(key)) for key in keys}
        self._seen.update({(kind, key): 0 if fact is None else fact.version for key, fact in facts.items()})
        return facts

    async def _put(self, values: Sequence[tuple[str, str, Mapping[str, Json]]]) -> list[bool]:
        """Write in the place of what was seen last, or of nothing; of each whether that is what is there."""
        versions = [self._seen.pop((kind, key), 0) for kind, key, _ in values]
        facts = [
            Fact(kind, self._key(key), value, version)
            for (kind, key, value), version in zip(values, versions, strict=True)
        ]
        stored = await self._facts.put_all(facts)
        self._seen.update(
            {(kind, key): fact.version for (kind, key, _), fact in zip(values, stored, strict=True) if fact is not None}
        )
        return [fact is not None for fact in stored]

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


def _fields(of: MailboxState | MailRecord | Taken) -> dict[str, Any]:
    # What these hold needs no copy: `dataclasses.asdict` makes one all the same.
    return {name: getattr(of, name) for name in of.__dataclass_fields__}


def _known(kind: type, value: Mapping[str, Any]) -> dict[str, Any]:
    """What a later version has written beside it is left alone."""
    return dict(_pairs(kind, value))


def _pairs(kind: type, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in kind.__dataclass_fields__:  # type: ignore[attr-defined]
        if name in value:
            yield name, value[name]
