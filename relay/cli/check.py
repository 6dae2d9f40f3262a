"""`relay check`: whether the configuration would be taken over, and everything that is wrong with it."""

from dataclasses import asdict

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from relay.cli.output import print_json
from relay.cli.trouble import ExitCode


def check(*, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Say everything that is wrong with the configuration.

    Reads it as the relay would, and checks what expectations.yaml beside it expects of companies' mail; what is found
    comes in one go, as file:line:column.
    """
    from relay.config.errors import ConfigErrors
    from relay.config.expectations import check_expectations
    from relay.config.load import load

    try:
        snapshot = load(config)
        expectations = check_expectations(config, snapshot)
    except ConfigErrors as found:
        if not as_json:
            raise
        print_json({"ok": False, "errors": [asdict(error) for error in found.errors]})
        raise typer.Exit(ExitCode.CONFIG) from None
    settings = snapshot.settings
    if as_json:
        counts = {"companies": len(snapshot), "apps": len(settings.apps), "dkim_keys": len(settings.dkim)}
        counts |= {"expectations": expectations}
        print_json({"ok": True, "errors": [], **counts, "generation": snapshot.generation})
        return
    words = (_count(len(snapshot), "company", "companies"), _count(len(settings.apps), "app", "apps"))
    held = f", {_count(expectations, 'expectation holds', 'expectations hold')}" if expectations else ""
    typer.echo(f"ok: {', '.join(words)}, {_count(len(settings.dkim), 'DKIM key', 'DKIM keys')}{held}")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
