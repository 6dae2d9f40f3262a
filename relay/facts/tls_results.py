"""How TLS to the mail hosts of a domain went, counted by day for domains that want to hear of it (RFC 8460).

A worker counts in memory, and adds to the store once in a while what it has counted. Counting asks the DNS nothing;
adding asks whether the domain wants a report at all, and forgets what nobody wants.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from relay.clock import Clock
from relay.dns import Resolver, Status
from relay.events import Json
from relay.mail.tls_report import PolicyResults, TlsFault, read_rua
from relay.store.facts import Fact, FactStore
from relay.store.spool import SpoolError
from relay.store.update import update

KIND = "tls-results"
DAY = 86_400
_MOST_DOMAINS = 20_000
_MOST_FAULTS = 100  # different ones, of one domain and policy
# What is counted in the last minutes of a day must have been added; receivers do not like all reports at midnight.
_REST, _SPREAD = 3600.0, 3 * 3600.0

log = structlog.get_logger("relay.facts")


@dataclass(frozen=True, slots=True)
class Policy:
    """Under which policy a session was opened; see PolicyResults."""

    kind: str
    lines: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(slots=True)
class _Count:
    successes: int = 0
    faults: Counter[tuple[str, str, str]] = field(default_factory=Counter)


class TlsResults:
    """Counts for one worker. `is_wanted` says whether reports are sent at all."""

    def __init__(
        self, facts: Callable[[], FactStore], resolver: Resolver, clock: Clock, is_wanted: Callable[[], bool]
    ) -> None:
        self._facts = facts
        self._resolver = resolver
        self._clock = clock
        self._is_wanted = is_wanted
        self._counts: dict[tuple[int, str], dict[Policy, _Count]] = {}

    def note(self, domain: str, policy: Policy, fault: TlsFault | None = None) -> None:
        """Count a session with a host of `domain`: one that was as the policy wants it, or what was wrong."""
        if not self._is_wanted():
            return
        key = (int(self._clock.now() // DAY), domain)
        if key not in self._counts and len(self._counts) >= _MOST_DOMAINS:
            return
        count = self._counts.setdefault(key, {}).setdefault(policy, _Count())
        if fault is None:
            count.successes += 1
            return
        what = (fault.result, fault.host, fault.ip)
        if what not in count.faults and len(count.faults) >= _MOST_FAULTS:
            what = (fault.result, "", "")
        count.faults[what] += 1

    async def flush(self) -> None:
        """Add to the store what was counted; raises SpoolError, and then counts on."""
        counts, self._counts = self._counts, {}
        for (day, domain), policies in counts.items():
            try:
                await self._add(day, domain, policies)
            except SpoolError:
                self._counts.setdefault((day, domain), policies)
                raise

    async def _add(self, day: int, domain: str, policies: dict[Policy, _Count]) -> None:
        answer = await self._resolver.lookup_txt(f"_smtp._tls.{domain}")
        if answer.status is not Status.OK or not read_rua(answer.records):
            return
        due = (day + 1) * DAY + _REST + random.random() * _SPREAD  # noqa: S311 -- spreads reports, keeps no secret

        def added(fact: Fact) -> Fact:
            known = read_results(fact.value) if fact.version else ()
            value = {**fact.value, "policies": _encode(_merge(known, policies))}
            return replace(fact, value=value, due=fact.due if fact.version else due)

        await update(self._facts(), KIND, f"{day} {domain}", added)


def read_key(key: str) -> tuple[int, str]:
    """The day, in days since the epoch, and the domain of a fact."""
    day, _, domain = key.partition(" ")
    return int(day), domain


def read_results(value: Any) -> tuple[PolicyResults, ...]:
    """The results in a fact."""
    return tuple(
        PolicyResults(
            each["kind"],
            tuple(each["lines"]),
            tuple(each["hosts"]),
            each["successes"],
            tuple(TlsFault(*fault) for fault in each["faults"]),
        )
        for each in value["policies"]
    )


def _merge(known: Iterable[PolicyResults], counted: dict[Policy, _Count]) -> list[PolicyResults]:
    merged = {policy: _Count(count.successes, Counter(count.faults)) for policy, count in counted.items()}
    for each in known:
        count = merged.setdefault(Policy(each.kind, each.lines, each.hosts), _Count())
        count.successes += each.successes
        for fault in each.faults:
            count.faults[fault.result, fault.host, fault.ip] += fault.count
    return [
        PolicyResults(
            policy.kind,
            policy.lines,
            policy.hosts,
            count.successes,
            tuple(TlsFault(*what, times) for what, times in _shortened(count.faults).items()),
        )
        for policy, count in merged.items()
    ]


def _shortened(faults: Counter[tuple[str, str, str]]) -> Counter[tuple[str, str, str]]:
    """The most frequent ones; of the others only what was wrong."""
    ranked = faults.most_common()
    shortened = Counter(dict(ranked[:_MOST_FAULTS]))
    for (result, _, _), times in ranked[_MOST_FAULTS:]:
        shortened[result, "", ""] += times
    return shortened


def _encode(results: Iterable[PolicyResults]) -> list[Json]:
    return [
        {
            "kind": each.kind,
            "lines": list(each.lines),
            "hosts": list(each.hosts),
            "successes": each.successes,
            "faults": [[fault.result, fault.host, fault.ip, fault.count] for fault in each.faults],
        }
        for each in results
    ]
