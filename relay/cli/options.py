"""Options that many commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

DEFAULT_CONFIG = Path("config/relay.yaml")

ConfigOption: TypeAlias = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="RELAY_CONFIG", help="The file with the settings; companies lie beside it."),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def cache_of(config: Path) -> Path:
    """Where the relay keeps what it knows of the configuration's files, so as not to parse them again."""
    return Path("var") / f"{config.stem}.cache"
