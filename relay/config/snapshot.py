"""One consistent state of the whole configuration, frozen.

In charge of finding a company by its slug or its alias, also when there are 100,000 of them: records are kept packed
and become a `Company` when asked for. Never changes; a reload makes another snapshot.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Self

from relay.config.record import mailbox_in, pack, unpack
from relay.config.settings import Settings
from relay.policy.company import Company

_AT_HAND = 1024


class Snapshot:
    """Settings and companies that belong together.

    `generation` is equal for equal files, on any worker and any machine, and differs otherwise.
    """

    __slots__ = ("_aliases", "_records", "_unpacked", "generation", "settings")

    def __init__(
        self, settings: Settings, *, records: Mapping[str, bytes], aliases: Mapping[str, str], generation: str
    ) -> None:
        """Hold `records` by slug and `aliases` (in lower case) to slugs; neither may be changed afterwards."""
        self.settings = settings
        self.generation = generation
        self._records = records
        self._aliases = aliases
        self._unpacked = lru_cache(_AT_HAND)(lambda slug: unpack(slug, records[slug]))

    @classmethod
    def of(cls, settings: Settings, companies: Iterable[Company] = ()) -> Self:
        """A snapshot made of values instead of files."""
        known = tuple(companies)
        records = {company.slug: pack(company) for company in known}
        digest = hashlib.sha256(repr((settings, sorted(records.items()))).encode())
        return cls(
            settings,
            records=records,
            aliases={company.alias.lower(): company.slug for company in known},
            generation=digest.hexdigest()[:16],
        )

    def company(self, slug: str) -> Company | None:
        """The company of that slug."""
        return self._unpacked(slug) if slug in self._records else None

    def by_alias(self, local: str) -> Company | None:
        """The company whose alias is `local`, in whatever case it is written."""
        slug = self._aliases.get(local.lower())
        return None if slug is None else self._unpacked(slug)

    def with_mailbox(self) -> Iterator[str]:
        """The companies whose mailbox is read."""
        return (slug for slug, record in self._records.items() if mailbox_in(record))

    def compare(self, newer: "Snapshot", slugs: Iterable[str]) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """Which of `slugs` were added, changed and removed in `newer`."""
        mine, other = self._records, newer._records  # noqa: SLF001 - of the same class
        touched = [slug for slug in slugs if mine.get(slug) != other.get(slug)]
        return (
            frozenset(slug for slug in touched if slug not in mine),
            frozenset(slug for slug in touched if slug in mine and slug in other),
            frozenset(slug for slug in touched if slug not in other),
        )

    def __contains__(self, slug: object) -> bool:
        return slug in self._records

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"Snapshot({self.generation}, {len(self)} companies)"
