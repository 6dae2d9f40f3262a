"""`relay plan`: what would change for whom if an edited configuration took the place of the running one."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption
from relay.cli.output import print_json, say
from relay.cli.trouble import ExitCode

if TYPE_CHECKING:
    from relay.config.difference import CompanyChange, Consequence, Difference, KeyChange
    from relay.config.prospect import Prospect
    from relay.config.snapshot import Snapshot

_MOST = 50


def plan(
    edited: Annotated[Path, typer.Argument(help="The edited relay.yaml; its companies lie beside it.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
    every: Annotated[bool, typer.Option("--all", help=f"Print every company, not the first {_MOST} of a kind.")] = (
        False
    ),
    as_json: JsonOption = False,
) -> None:
    """Say what an edited configuration would change.

    Compares it with the one in --config: companies, identities, routes and what would be held. Changes nothing.
    The exit code is 1 when something would change.
    """
    from relay.cli.reading import read_both
    from relay.config.difference import compare

    path = edited / "relay.yaml" if edited.is_dir() else edited
    running, wanted = read_both(config, path)
    difference = compare(running, wanted)
    doubt = _doubt(config, store, running)
    if as_json:
        print_json(_as_json(running, wanted, difference, doubt))
    else:
        for line in _lines(difference, len(wanted), most=None if every else _MOST):
            say(line)
        if doubt:
            say(f"! {doubt}", error=True)
    if difference:
        raise typer.Exit(ExitCode.ATTENTION)


def _doubt(config: Path, store: str, running: "Snapshot") -> str:
    """Why the files of the running configuration may not be what runs; empty when they are, or nothing runs."""
    import time

    from relay.cli.visit import visit
    from relay.store.spool import SpoolError

    try:
        workers = visit(config, store, lambda spool: spool.workers(now=time.time()))
    except SpoolError:
        return ""
    if all(worker.detail.get("generation") in (running.generation, None) for worker in workers):
        return ""
    return f"the workers run something else than the files at {config} say: see `relay status`"


def _lines(difference: "Difference", companies: int, *, most: int | None) -> Iterator[str]:
    from relay.config.difference import NEED_RESTART

    if not difference:
        yield "nothing would change"
        return
    for change in difference.settings:
        restart = " (at the next start)" if change.key.split(".")[0] in NEED_RESTART else ""
        yield f"settings  {_key_change(change)}{restart}"
    for key in difference.everybody:
        yield f"settings  {key} changes how mail of all {companies} companies goes out"
    for sign, word, slugs in (("+", "added", difference.added), ("-", "removed", difference.removed)):
        for slug in slugs[:most]:
            yield f"{sign} {slug}"
        yield from _more(len(slugs), most, word)
    for company in difference.changed[:most]:
        yield f"~ {company.slug}"
        for change in company.keys:
            yield f"    {_key_change(change)}"
        for consequence in company.consequences:
            yield f"    {_sentence(consequence)}"
    yield from _more(len(difference.changed), most, "changed")
    counts = (len(difference.added), len(difference.removed), len(difference.changed))
    yield "companies: {} added, {} removed, {} changed".format(*counts)


def _more(count: int, most: int | None, word: str) -> Sequence[str]:
    return [f"… and {count - most} more {word}: --all prints them"] if most is not None and count > most else []


def _key_change(change: "KeyChange") -> str:
    if change.before or change.after:
        return f"{change.key}: {change.before or '(not set)'} → {change.after or '(not set)'}"
    return f"{change.key} changes"


def _sentence(consequence: "Consequence") -> str:
    after, before = consequence.after, consequence.before
    condition = f" {after.condition}" if after.condition else ""
    return f"mail {after}{condition}" + (f"; before, it {_past(before)}" if before else "")


def _past(before: "Prospect") -> str:
    return str(before).replace("goes out", "went out").replace("is held", "was held").replace("waits", "waited")


def _as_json(running: "Snapshot", wanted: "Snapshot", difference: "Difference", doubt: str) -> dict[str, object]:
    from relay.config.difference import NEED_RESTART

    return {
        "changes": bool(difference),
        "running": {"generation": running.generation, "companies": len(running), "doubt": doubt},
        "edited": {"generation": wanted.generation, "companies": len(wanted)},
        "settings": [
            {**asdict(change), "restart": change.key.split(".")[0] in NEED_RESTART} for change in difference.settings
        ],
        "everybody": list(difference.everybody),
        "added": list(difference.added),
        "removed": list(difference.removed),
        "changed": [_company_json(company) for company in difference.changed],
    }


def _company_json(company: "CompanyChange") -> dict[str, object]:
    return {
        "company": company.slug,
        "keys": [asdict(change) for change in company.keys],
        "mail": [
            {
                "domain": consequence.after.assumed,
                "before": _prospect_json(consequence.before),
                "after": _prospect_json(consequence.after),
            }
            for consequence in company.consequences
        ],
    }


def _prospect_json(prospect: "Prospect | None") -> dict[str, object] | None:
    if prospect is None:
        return None
    return {
        "identity": prospect.identity or None,
        "from": prospect.author or None,
        "route": prospect.way,
        "host": prospect.host or None,
        "held": prospect.held,
        "reasons": list(prospect.reasons),
    }
