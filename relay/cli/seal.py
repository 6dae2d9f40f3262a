"""`relay seal`: a secret in a form that may stand in YAML, and new keys for what is sealed already."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from relay.cli.output import print_json, say
from relay.cli.trouble import ExitCode, Failure

if TYPE_CHECKING:
    from relay.config.sealing import SealingKeys


def seal(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    company: Annotated[
        str, typer.Option("--company", help="Name of the company's file, without .yaml. Left out: relay.yaml.")
    ] = "",
    field: Annotated[
        str, typer.Option("--field", help="The key that the secret belongs to, such as outgoing.server.password.")
    ] = "",
    rotate: Annotated[bool, typer.Option("--rotate", help="Seal again what older keys have sealed in all files.")] = (
        False
    ),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --rotate: say what would change, and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Seal a secret for one key of one company.

    Takes the secret from standard input, never from the command line, and prints the lines to paste. What is printed
    opens at that key of that company only.
    """
    if rotate:
        if company or field:
            raise Failure(ExitCode.USAGE, "relay: --rotate takes all files: leave --company and --field out")
        _rotate(config, _keys(config), dry_run=dry_run, as_json=as_json)
        return
    path = _path(company, field)
    keys = _keys(config)
    _print(company, path, field, keys, as_json=as_json)


def _path(company: str, field: str) -> tuple[str, ...]:
    """The parts of `field`, which may be sealed there."""
    from relay.config.company_file import SLUG, CompanyFile
    from relay.config.schema import sealable
    from relay.config.settings import Settings

    if company and not SLUG.fullmatch(company):
        raise Failure(ExitCode.USAGE, f"relay: '{company}' is not the name of a company's file")
    known = sealable(CompanyFile if company else Settings)
    for form in known:
        # Names of apps may have dots in them: what stands for a name is whatever is left between the other keys.
        if path := _match(field, form):
            return path
    names = ", ".join(".".join("<name>" if part == "*" else part for part in form) for form in known)
    where = f"the file of {company}" if company else "relay.yaml"
    hint = f"Known there: {names}." if names else "Use --company."
    raise Failure(ExitCode.USAGE, f"relay: '{field}' is no key of {where} that can be sealed. {hint}")


def _match(field: str, form: tuple[str, ...]) -> tuple[str, ...]:
    import re

    pattern = r"\.".join(r"(.+)" if part == "*" else f"({re.escape(part)})" for part in form)
    match = re.fullmatch(pattern, field)
    return match.groups() if match else ()


def _keys(config: Path) -> "SealingKeys":
    from relay.cli.reading import read_settings
    from relay.config.secrets import SecretError, sealing_keys

    try:
        keys = sealing_keys(read_settings(config).secrets.sealing)
    except SecretError as error:
        raise Failure(ExitCode.CONFIG, f"relay: secrets.sealing: {error}") from None
    if keys.first is None:
        hint = "make one with `openssl rand -base64 32`, and write secrets: {sealing: [{file: …}]}"
        raise Failure(ExitCode.CONFIG, f"relay: {config} names no key to seal with: {hint}")
    return keys


def _print(company: str, path: tuple[str, ...], field: str, keys: "SealingKeys", *, as_json: bool) -> None:
    from relay.config.errors import key_text
    from relay.config.sealing import place_of

    sealed = keys.seal(_read().encode(), place_of(company, key_text(path)))
    if as_json:
        print_json({"company": company, "field": field, "key": keys.first, "sealed": sealed})
        return
    say(f"# in companies/{company}.yaml" if company else "# in relay.yaml")
    for depth, key in enumerate(path[:-1]):
        say(f"{'  ' * depth}{key}:")
    say(f"{'  ' * (len(path) - 1)}{path[-1]}: {{sealed: {sealed}}}")


def _read() -> str:
    word = typer.prompt("Secret", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    word = str(word).removesuffix("\n").removesuffix("\r")
    if not word:
        raise Failure(ExitCode.USAGE, "relay: there is no secret on standard input")
    return word


def _rotate(config: Path, keys: "SealingKeys", *, dry_run: bool, as_json: bool) -> None:
    from relay.config.resealing import Resealed, reseal, write
    from relay.config.secrets import reason

    changes = reseal(config, keys)
    done: list[Resealed] = []
    kept: list[str] = []
    for change in changes:
        try:
            if dry_run or write(change):
                done.append(change)
            else:
                kept.append(f"{change.file}: somebody has just changed this file: run the command again")
        except OSError as error:
            kept.append(f"{change.file}: {reason(error)}")
    if as_json:
        files = [{"file": str(change.file), "secrets": change.count} for change in done]
        print_json({"key": keys.first, "written": not dry_run, "files": files, "kept": kept})
    else:
        for change in done:
            say(f"{change.file}: {change.count} {'would be ' if dry_run else ''}sealed again with the key {keys.first}")
        for line in kept:
            say(line, error=True)
        if not changes:
            say(f"everything is sealed with the key {keys.first}")
    if kept:
        raise typer.Exit(ExitCode.ATTENTION)
