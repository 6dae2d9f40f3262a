"""What commands print: JSON for machines, tables and lines for people.

Much of what is shown was written by strangers (replies of mail hosts, addresses, Message-IDs): nothing of it may
steer the terminal or be taken for markup.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import typer

from relay.events import Json

_WIDE = 160


def print_json(value: object, *, on_one_line: bool = False) -> None:
    """Print a value as JSON; on one line when more values follow."""
    typer.echo(json.dumps(value, indent=None if on_one_line else 2, ensure_ascii=False, default=str))


def harmless(text: str) -> str:
    """`text` with everything that a terminal would obey made visible instead."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def say(text: str, *, error: bool = False) -> None:
    """Print one line for people."""
    typer.echo(harmless(text), err=error)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Json]]) -> None:
    """Print a table for people; a list in a cell is shown as lines.

    Without a terminal it is as wide as it needs to be, within reason.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else _WIDE)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(cell)) for cell in row))
    with console.capture() as printed:
        console.print(table)
    for line in printed.get().splitlines():
        typer.echo(line.rstrip())


def clock_time(at: float) -> str:
    """`at` for people: date and time of this machine, to the second."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(seconds: float) -> str:
    """A span of time in its largest two units: "3 h 5 min"."""
    left = int(max(seconds, 0))
    parts: list[str] = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {name}")
            left %= size
    return " ".join(parts) or "0 s"


def octets(count: int) -> str:
    """A size for people: "12.3 KiB"."""
    if count < 1024:
        return f"{count} B"
    size = count / 1024
    return f"{size:.1f} KiB" if size < 1024 else f"{size / 1024:.1f} MiB"


def _cell(cell: Json) -> str:
    if isinstance(cell, list):
        return "\n".join(harmless(str(line)) for line in cell)
    return "" if cell is None else harmless(str(cell))
