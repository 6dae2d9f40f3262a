"""Options that many commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

DEFAULT_CONFIG = Path("config/relay.yaml")

ConfigOption: TypeAlias = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="RELAY_CONFIG", help="The file with the settings; companies lie beside it."),
]
StoreOption: TypeAlias = Annotated[
    str, typer.Option("--store", envvar="RELAY_STORE", help="Where state is kept. Left out: what the settings say.")
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
