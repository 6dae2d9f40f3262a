"""What commands print: JSON for machines, tables and lines for people.

Much of what is shown was written by strangers (replies of mail hosts, addresses, Message-IDs): nothing of it may
steer the terminal or be taken for markup.
"""

import json
from collections.abc import Iterable, Sequence

import typer

from relay.events import Json

_WIDE = 160


def print_json(value: object) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def harmless(text: str) -> str:
    """`text` with everything that a terminal would obey made visible instead."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def say(text: str) -> None:
    """Print one line for people."""
    typer.echo(harmless(text))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Json]]) -> None:
    """Print a table for people. Without a terminal it is as wide as it needs to be, within reason."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=_WIDE)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(harmless("" if cell is None else str(cell))) for cell in row))
    console.print(table)
