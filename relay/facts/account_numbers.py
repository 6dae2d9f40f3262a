"""The bank accounts that mail of a company has named: its own, in what it sends, and those of each who writes to it.

In charge of telling a number that was seen before from one that was not. Numbers themselves are never stored, only
seals of them, and none for longer than somebody might still pay to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from relay.mail.seal import is_sealed, seal
from relay.store.facts import Fact, FactStore
from relay.store.update import update

KIND = "account-numbers"
_DAY = 86400.0
_KEPT = 400 * _DAY
# A number that was warned about is warned about for so long; whoever has asked back by then knows.
_STRANGE = 30 * _DAY
_MOST = 20
_SEAL_LETTERS = 16
_OURS = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the numbers of one mail: those that are strange, and whether there are any that are not."""

    strange: tuple[str, ...]
    others_known: bool


@dataclass(frozen=True, slots=True)
class AccountNumbers:
    """The numbers of all companies; `secrets` as those of all our seals. Every call may raise SpoolError."""

    facts: FactStore
    secrets: Sequence[bytes]

    async def sent(self, company: str, numbers: Sequence[str], now: float) -> None:
        """A mail of the company's own has gone out that names these: they are its own."""
        await self._remember(company, _OURS, numbers, now, trusted=True)

    async def look(self, company: str, writer: str, numbers: Sequence[str], *, in_thread: bool) -> Seen:
        """Which of the numbers are strange in a mail of that writer, an answer to the company's mail or not."""
        theirs = await self._known(company, writer)
        ours = await self._known(company, _OURS)
        strange = tuple(each for each in numbers if self._find(theirs, each) is None and self._find(ours, each) is None)
        trusted = any(entry["ok"] for entry in theirs)
        return Seen(strange, trusted or (in_thread and bool(ours)))

    async def received(self, company: str, writer: str, numbers: Sequence[str], now: float, *, warned: bool) -> None:
        """That writer's mail names these: from now on they are known, or, when they were warned about, in a month."""
        await self._remember(company, writer, numbers, now, trusted=not warned)

    async def _known(self, company: str, who: str) -> list[dict[str, Any]]:
        return _read(await self.facts.get(KIND, f"{company} {who}"))

    def _find(self, entries: list[dict[str, Any]], number: str, *, only_trusted: bool = True) -> dict[str, Any] | None:
        for entry in entries:
            if (entry["ok"] or not only_trusted) and is_sealed(entry["seal"], self.secrets, "account", number):
                return entry
        return None

    async def _remember(self, company: str, who: str, numbers: Sequence[str], now: float, *, trusted: bool) -> None:
        def remembered(fact: Fact) -> Fact:
            entries = [entry for entry in _read(fact) if entry["last"] > now - _KEPT]
            changed = False
            for number in numbers:
                entry = self._find(entries, number, only_trusted=False)
                if entry is None:
                    mark = seal(self.secrets[0], "account", number, letters=_SEAL_LETTERS)
                    entries.append({"seal": mark, "first": now, "last": now, "ok": trusted})
                    changed = True
                elif now >= entry["last"] + _DAY or (not entry["ok"] and (trusted or now >= entry["first"] + _STRANGE)):
                    entry["ok"] = entry["ok"] or trusted or now >= entry["first"] + _STRANGE
                    entry["last"] = now
                    changed = True
            if not changed:
                return fact
            entries = sorted(entries, key=lambda entry: float(entry["last"]))[-_MOST:]
            return replace(fact, value={"numbers": [*entries]}, due=now + _KEPT)

        await update(self.facts, KIND, f"{company} {who}", remembered)


def _read(fact: Fact | None) -> list[dict[str, Any]]:
    value: Mapping[str, Any] = {} if fact is None else fact.value
    return [dict(entry) for entry in value.get("numbers", ())]
