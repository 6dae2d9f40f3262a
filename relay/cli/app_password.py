"""`relay app password`: the hash that lets an app log in."""

import secrets
import string
import sys
from typing import Annotated

import typer

from relay.cli.options import JsonOption
from relay.cli.output import print_json, say
from relay.cli.trouble import ExitCode, Failure

_LENGTH = 32
_LEAST = 12
_LETTERS = string.ascii_letters + string.digits
# A login costs the relay 19 MiB and a few hundredths of a second with these.
_PASSES, _KIB, _LANES = 2, 19456, 1

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Programs that submit mail.")


@app.callback()
def _app() -> None:
    pass


@app.command("password")
def password(
    *,
    name: Annotated[str, typer.Option("--name", help="The name that the app logs in with.")] = "my-app",
    from_stdin: Annotated[
        bool, typer.Option("--stdin", help="Take a password from standard input instead of making one.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a password, and the settings that know it.

    The password is shown this once; the settings hold its hash only.
    """
    from argon2 import PasswordHasher

    from relay.config.values.access import parse_app_name

    try:
        parse_app_name(name)
    except ValueError as error:
        raise Failure(ExitCode.USAGE, f"relay: {error}") from None
    word = _read() if from_stdin else "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    hashed = PasswordHasher(time_cost=_PASSES, memory_cost=_KIB, parallelism=_LANES).hash(word)
    if as_json:
        print_json({"name": name, **({} if from_stdin else {"password": word}), "hash": hashed})
        return
    if not from_stdin:
        say(f"password, shown this once: {word}")
        say("")
    say("# in relay.yaml")
    say("apps:")
    say(f"  {name}:")
    say(f'    password: {{hash: "{hashed}"}}')
    say("    companies: all")


def _read() -> str:
    word = typer.prompt("Password", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    word = str(word).rstrip("\r\n")
    if len(word) < _LEAST:
        raise Failure(ExitCode.USAGE, f"relay: a password needs {_LEAST} characters or more")
    return word
