"""Two configurations side by side: which companies come, go or change, and what their mail would come to.

In charge of comparing and of wording; never shows a secret, only that a reference to one changed. The price of
looking closer is paid for companies that differ, not for all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass

from pydantic import BaseModel

from relay.config.prospect import Prospect, prospects
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.policy.company import Company

NEED_RESTART = ("listeners", "store", "dns", "workers")

# How the values of a company are written in its file, where that is another name.
_WRITTEN = {
    "author": "outgoing.from",
    "spoofed": "incoming.spoofed",
    "cut_through": "incoming.cut_through",
    "into_mailbox": "incoming.answers",
}
_OUTSIDE_OUTGOING = frozenset(("name", "address", "alias", "language"))
_WISHES = frozenset(("identity", "then"))


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key that says something else. Both texts are empty where they had to be secret or long."""

    key: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What mail of a company would come to instead, in one state of its domain."""

    before: Prospect | None
    after: Prospect


@dataclass(frozen=True, slots=True)
class CompanyChange:
    """A company that is in both, and differs."""

    slug: str
    keys: tuple[KeyChange, ...]
    consequences: tuple[Consequence, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """All that would change. `everybody` are keys of the settings that say how mail of all companies goes out."""

    settings: tuple[KeyChange, ...]
    everybody: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[CompanyChange, ...]

    def __bool__(self) -> bool:
        return bool(self.settings or self.added or self.removed or self.changed)


def compare(before: Snapshot, after: Snapshot) -> Difference:
    """What would change if `after` took the place of `before`."""
    added, changed, removed = before.compare(after, {*before, *after})
    settings = tuple(_settings(before.settings, after.settings))
    everybody = tuple(change.key for change in settings if change.key in ("domain", "delivery.smarthost"))
    return Difference(
        settings,
        everybody,
        tuple(sorted(added)),
        tuple(sorted(removed)),
        tuple(_company(before, after, slug) for slug in sorted(changed)),
    )


def _company(before: Snapshot, after: Snapshot, slug: str) -> CompanyChange:
    old, new = before.company(slug), after.company(slug)
    assert old is not None  # noqa: S101 -- it is in both
    assert new is not None  # noqa: S101 -- it is in both
    return CompanyChange(slug, tuple(_keys(old, new)), tuple(_consequences(old, new, before.settings, after.settings)))


def _keys(old: Company, new: Company) -> Iterator[KeyChange]:
    if old.wishes != new.wishes:
        yield KeyChange("outgoing.identity", ", then ".join(old.wishes), ", then ".join(new.wishes))
    for each in fields(old):
        one, other = getattr(old, each.name), getattr(new, each.name)
        if one != other and each.name not in _WISHES:
            name = each.name if each.name in _OUTSIDE_OUTGOING else f"outgoing.{each.name}"
            yield from _inside(_WRITTEN.get(each.name, name), one, other)


def _inside(key: str, one: object, other: object) -> Iterator[KeyChange]:
    if is_dataclass(one) and type(one) is type(other) and type(one).__str__ is object.__str__:
        for each in fields(one):
            inner, outer = getattr(one, each.name), getattr(other, each.name)
            if inner != outer:
                yield from _inside(f"{key}.{each.name}", inner, outer)
    else:
        before, after = _shown(one), _shown(other)
        yield KeyChange(key) if before == after else KeyChange(key, before, after)


def _shown(value: object) -> str:
    """`value` for people; references to secrets are safe to show, whatever has parts is not shown whole."""
    if is_dataclass(value) and type(value).__str__ is object.__str__:
        return "set"
    return "" if value is None else str(value)


def _consequences(old: Company, new: Company, before: Settings, after: Settings) -> Iterator[Consequence]:
    were, will = prospects(old, before), prospects(new, after)
    known = {prospect.assumed: prospect for prospect in were}
    for prospect in will:
        was = known.get(prospect.assumed) or (were[0] if len(were) == 1 else known.get(None))
        if was is None or (str(was), was.way) != (str(prospect), prospect.way):
            yield Consequence(was, prospect)


def _settings(one: BaseModel, other: BaseModel, above: str = "") -> Iterator[KeyChange]:
    for name in type(one).model_fields:
        old, new = getattr(one, name), getattr(other, name)
        if old == new:
            continue
        key = f"{above}{name}"
        if isinstance(old, BaseModel) and isinstance(new, BaseModel):
            yield from _settings(old, new, f"{key}.")
        elif isinstance(old, dict) and isinstance(new, dict):
            for each in sorted({*old, *new}):
                if old.get(each) != new.get(each):
                    yield from _settings_entry(f"{key}.{each}", old.get(each), new.get(each))
        else:
            yield KeyChange(key)


def _settings_entry(key: str, old: object, new: object) -> Iterator[KeyChange]:
    if isinstance(old, BaseModel) and isinstance(new, BaseModel):
        yield from _settings(old, new, f"{key}.")
    else:
        yield KeyChange(key, "" if old is None else "set", "" if new is None else "set")
