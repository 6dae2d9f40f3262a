"""What receivers report about mail in the names of companies: added up by company and day.

In charge of reading the reports that come in for an address of ours, of counting each of them once, of saying so when
mail from our own addresses was not aligned, and of having the company told when others send much in its name. What
cannot be read, or is about somebody else, is not taken here. Anybody can send such reports, so they decide nothing.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

from relay.clock import Clock
from relay.events import Event, EventType, Json
from relay.facts.report_files import ReportKind, reports_in
from relay.facts.troubles import Details, Trouble, Troubles
from relay.mail.dmarc_report import DmarcReport, read_dmarc_report
from relay.mail.tls_report import TlsSummary, read_tls_report
from relay.store.facts import Fact, FactStore
from relay.store.update import update

KIND = "received-reports"
DAY = 86_400
KEPT = 90 * DAY
MOST_SEEN = 500  # reports of one company and day
# Fewer mails in a day are no news: each domain has some that a mailing list changed, or a stranger tried.
MANY_OF_OTHERS = 10
_MOST_DAYS = 2  # how far in the future a report may begin: clocks differ
_MOST_SERVERS = 5
_AT_ONCE = 200
# Another worker tells what this one has not told by then.
_CLAIM = 60.0
_NAME = 16  # hexadecimal digits by which a report is known again
_EPOCH = date(1970, 1, 1).toordinal()

Report = DmarcReport | TlsSummary


@dataclass(frozen=True, slots=True)
class Counts:
    """One company and day: mails from our addresses and from others', with DMARC passed or failed; TLS sessions."""

    ours_passed: int = 0
    ours_failed: int = 0
    others_passed: int = 0
    others_failed: int = 0
    rejected: int = 0
    tls_good: int = 0
    tls_failed: int = 0
    reports: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """What a report says that somebody has to hear; `by` is what its writer calls itself.

    `ours` are mails from our own addresses that were not aligned; `servers` names others that sent much in this name.
    """

    domain: str
    by: str
    ours: int
    servers: str


@dataclass(frozen=True, slots=True)
class _Day:
    """What is kept of one company and day: the sums, which reports they are made of, and news nobody has heard yet."""

    counts: Counts = field(default_factory=Counts)
    seen: tuple[str, ...] = ()
    untold: tuple[News, ...] = ()


class ReceivedReports:
    """Takes reports, for one worker. `tell` hears of mail from our own addresses that was not aligned."""

    def __init__(self, facts: Callable[[], FactStore], clock: Clock, tell: Callable[[Event], None]) -> None:
        self._facts = facts
        self._clock = clock
        self._tell = tell
        self._turn = asyncio.Semaphore(1)

    async def take(self, octets: bytes, slug: str, domain: str, ours: Collection[str]) -> int:
        """Count the reports in a mail for company `slug`, which are about `domain`; how many there are.

        `ours` are the addresses we send from. Raises ValueError when the mail has no report, or one that cannot be read
        or is about somebody else: then nothing of it was counted; and when it has one more than are kept of a day.
        Raises SpoolError when the store is in trouble: it may be tried again.
        """
        async with self._turn:
            reports = await asyncio.to_thread(_read, octets, domain)
        for report in reports:
            await self._count(report, slug, ours)
        return len(reports)

    async def tidy(self) -> None:
        """Tell what a worker that died could not, and forget what is old. Raises SpoolError."""
        now = self._clock.now()
        for fact in await self._facts().take_due(KIND, now=now, until=now + _CLAIM, limit=_AT_ONCE):
            untold = _decode(fact.value).untold
            if untold:
                await self._say(fact.key, untold)
            else:
                await self._facts().drop(fact)

    async def _count(self, report: Report, slug: str, ours: Collection[str]) -> None:
        key = _key(slug, _day_of(report, self._clock.now()))
        name = _name_of(report)
        news: tuple[News, ...] = ()

        def counted(fact: Fact) -> Fact:
            nonlocal news
            day = _decode(fact.value)
            if name in day.seen:
                news = ()
                return fact
            if len(day.seen) >= MOST_SEEN:
                raise ValueError(f"there are more than {MOST_SEEN} reports about that day")
            counts = _add(day.counts, report, ours)
            news = tuple(_news(report, day.counts, counts, ours))
            return self._with(fact, _Day(counts, (*day.seen, name), (*day.untold, *news)))

        await update(self._facts(), KIND, key, counted)
        if news:
            await self._say(key, news)

    async def _say(self, key: str, news: tuple[News, ...]) -> None:
        """Tell the news, and only then be done with them: rather twice than not at all."""
        slug, _ = _read_key(key)
        for one in news:
            if one.ours:
                data: dict[str, Json] = {"company": slug, "domain": one.domain, "by": one.by, "messages": one.ours}
                self._tell(Event(EventType.DMARC_FAILED, self._clock.now(), data=data))
            if one.servers:
                troubles = Troubles(self._facts(), self._clock)
                await troubles.tell(slug, Trouble.SENT_BY_OTHERS, Details(one.domain, one.servers))

        def told(fact: Fact) -> Fact:
            if not fact.version:
                return fact
            day = _decode(fact.value)
            return self._with(fact, replace(day, untold=tuple(each for each in day.untold if each not in news)))

        await update(self._facts(), KIND, key, told)

    def _with(self, fact: Fact, day: _Day) -> Fact:
        """The day in the place of what was read; it falls due when it is old, or soon while it has news."""
        due = self._clock.now() + _CLAIM if day.untold else _read_key(fact.key)[1] * DAY + KEPT
        return replace(fact, value=asdict(day), due=due)


async def days_of(facts: FactStore, slug: str) -> list[tuple[int, Counts]]:
    """What is known of a company, by days since the epoch, oldest first. Raises SpoolError."""
    found = await facts.list(KIND, after=f"{slug} ", limit=KEPT // DAY + _MOST_DAYS)
    days = [(*_read_key(fact.key), _decode(fact.value).counts) for fact in found]
    return [(day, counts) for whose, day, counts in days if whose == slug]


def is_about(domain: str, reported: str) -> bool:
    """Whether a report about `reported` concerns mail of `domain`: the same name, or one above it."""
    return domain == reported or ("." in reported and domain.endswith(f".{reported}"))


def _key(slug: str, day: int) -> str:
    return f"{slug} {day:06d}"


def _read_key(key: str) -> tuple[str, int]:
    slug, _, day = key.rpartition(" ")
    return slug, int(day)


def _decode(value: Mapping[str, Any]) -> _Day:
    untold = tuple(News(**each) for each in value.get("untold", ()))
    return _Day(Counts(**value.get("counts", {})), tuple(value.get("seen", ())), untold)


def _read(octets: bytes, domain: str) -> list[Report]:
    reports: list[Report] = []
    try:
        for kind, document in reports_in(octets):
            reports += [read_dmarc_report(document)] if kind is ReportKind.DMARC else read_tls_report(document)
    except RecursionError:
        raise ValueError("the mail is nested too deeply") from None
    if not reports:
        raise ValueError("there is no report in the mail")
    for report in reports:
        if not is_about(domain, report.domain):
            raise ValueError(f"the report is about {report.domain[:100]}, not about {domain}")
    return reports


def _day_of(report: Report, now: float) -> int:
    """The day that a report is about; what cannot be counts for today."""
    today = int(now // DAY)
    day = _parse_day(report.day) if isinstance(report, TlsSummary) else report.begin // DAY
    return day if today - KEPT // DAY < day <= today + _MOST_DAYS else today


def _parse_day(text: str) -> int:
    """Days since the epoch, 0 when that is no date."""
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        return 0


def _name_of(report: Report) -> str:
    """By what a report is known again; short, because its writer says how long its own names are."""
    whole = f"{report.organization}\0{report.report_id}\0{report.domain}"
    return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:_NAME]


def _add(counts: Counts, report: Report, ours: Collection[str]) -> Counts:
    if isinstance(report, TlsSummary):
        good, failed = counts.tls_good + report.successes, counts.tls_failed + report.failures
        return replace(counts, tls_good=good, tls_failed=failed, reports=counts.reports + 1)
    sums = {True: [0, 0], False: [0, 0]}
    rejected = 0
    for record in report.records:
        sums[record.source in ours][record.passed] += record.count
        rejected += record.count if record.disposition in ("reject", "quarantine") else 0
    return replace(
        counts,
        ours_passed=counts.ours_passed + sums[True][True],
        ours_failed=counts.ours_failed + sums[True][False],
        others_passed=counts.others_passed + sums[False][True],
        others_failed=counts.others_failed + sums[False][False],
        rejected=counts.rejected + rejected,
        reports=counts.reports + 1,
    )


def _news(report: Report, before: Counts, after: Counts, ours: Collection[str]) -> Iterator[News]:
    """What somebody has to hear: any mail of ours that failed, and many of others'."""
    others = after.others_failed - before.others_failed
    servers = _servers(report, ours) if others and after.others_failed >= MANY_OF_OTHERS else ""
    failed = after.ours_failed - before.ours_failed
    if failed or servers:
        yield News(report.domain, report.organization[:100], failed, servers)


def _servers(report: Report, ours: Collection[str]) -> str:
    """The others that failed most often. Their addresses alone: people read this, and anybody can write a report."""
    counts: Counter[str] = Counter()
    for record in report.records if isinstance(report, DmarcReport) else ():
        if not record.passed and record.source not in ours:
            counts[record.source] += record.count
    return ", ".join(f"{address} ({count})" for address, count in counts.most_common(_MOST_SERVERS))
