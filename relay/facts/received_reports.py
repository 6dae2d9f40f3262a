"""What receivers report about mail in the names of companies: added up by company and day.

In charge of reading the reports that come in for an address of ours, of counting each of them once, and of saying so
when mail from our own addresses was not aligned. What cannot be read, or is about somebody else, is not taken here.
Anybody can send such reports, so they decide nothing.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import structlog

from relay.clock import Clock
from relay.events import Event, EventType, Json
from relay.facts.report_files import ReportKind, reports_in
from relay.mail.dmarc_report import DmarcReport, read_dmarc_report
from relay.mail.tls_report import TlsSummary, read_tls_report
from relay.store.facts import Fact, FactStore

KIND = "received-reports"
DAY = 86_400
KEPT = 90 * DAY
_MOST_SEEN = 500  # reports of one company and day
_MOST_DAYS = 2  # how far in the future a report may begin: clocks differ
_TRIES = 20
_AT_ONCE = 200

log = structlog.get_logger("relay.facts")

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
        or is about somebody else: then nothing of it was counted. Raises SpoolError.
        """
        async with self._turn:
            reports = await asyncio.to_thread(_read, octets, domain)
        for report in reports:
            await self._count(report, slug, ours)
        return len(reports)

    async def tidy(self) -> None:
        """Forget what is old. Raises SpoolError."""
        now = self._clock.now()
        for fact in await self._facts().take_due(KIND, now=now, until=now + DAY, limit=_AT_ONCE):
            await self._facts().drop(fact)

    async def _count(self, report: Report, slug: str, ours: Collection[str]) -> None:
        day = _day_of(report, self._clock.now())
        key = f"{slug} {day:06d}"
        name = f"{report.organization} {report.report_id} {report.domain}"
        for _ in range(_TRIES):
            fact = await self._facts().get(KIND, key) or Fact(KIND, key, {"counts": {}, "seen": []})
            before, seen = read_counts(fact.value), list(fact.value.get("seen", ()))  # type: ignore[arg-type]
            if name in seen or len(seen) >= _MOST_SEEN:
                return
            after = _add(before, report, ours)
            value: dict[str, Json] = {"counts": _encode(after), "seen": [*seen, name]}
            if await self._facts().put(replace(fact, value=value, due=day * DAY + KEPT)) is not None:
                if after.ours_failed > before.ours_failed:
                    self._say(report, slug, after.ours_failed - before.ours_failed)
                return
        log.warning("a report cannot be counted, others are always faster", company=slug)

    def _say(self, report: Report, slug: str, count: int) -> None:
        data: dict[str, Json] = {
            "company": slug,
            "domain": report.domain,
            "by": report.organization[:100],
            "messages": count,
        }
        self._tell(Event(EventType.DMARC_FAILED, self._clock.now(), data=data))


async def days_of(facts: FactStore, slug: str) -> list[tuple[int, Counts]]:
    """What is known of a company, by days since the epoch, oldest first. Raises SpoolError."""
    found = await facts.list(KIND, after=f"{slug} ", limit=KEPT // DAY + _MOST_DAYS)
    return [(int(fact.key.rpartition(" ")[2]), read_counts(fact.value)) for fact in found if _is_of(fact, slug)]


def read_counts(value: Any) -> Counts:
    """The counts in a fact."""
    return Counts(**value["counts"])


def is_about(domain: str, reported: str) -> bool:
    """Whether a report about `reported` concerns mail of `domain`: the same name, or one above it."""
    return domain == reported or ("." in reported and domain.endswith(f".{reported}"))


def _is_of(fact: Fact, slug: str) -> bool:
    return fact.key.rpartition(" ")[0] == slug


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
    day = today if isinstance(report, TlsSummary) else report.begin // DAY
    return day if today - KEPT // DAY < day <= today + _MOST_DAYS else today


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


def _encode(counts: Counts) -> dict[str, Json]:
    return {name: getattr(counts, name) for name in counts.__dataclass_fields__}
