"""The program `relay`: all commands under one name, and one end for whatever goes wrong.

People see one line for trouble, never a traceback, unless RELAY_DEBUG=1 asks for it. Commands import what they need
when they are called, so that help and completion answer at once.
"""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from relay.cli import check, explain, plan, seal, serve, status, trace
from relay.cli.app_password import app
from relay.cli.company import company
from relay.cli.dkim import dkim
from relay.cli.mailbox import mailbox
from relay.cli.queue import queue
from relay.cli.sandbox import sandbox
from relay.cli.trouble import ExitCode, Failure
from relay.config.errors import ConfigErrors
from relay.store.spool import SpoolError

program = typer.Typer(
    name="relay",
    help="A self-hosted mail relay for software that sends documents in other companies' names.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
program.command("serve")(serve.serve)
program.command("check")(check.check)
program.command("plan")(plan.plan)
program.command("explain")(explain.explain)
program.command("trace")(trace.trace)
program.add_typer(queue, name="queue")
program.command("status")(status.status)
program.command("seal")(seal.seal)
program.add_typer(company, name="company")
program.add_typer(mailbox, name="mailbox")
program.add_typer(app, name="app")
program.add_typer(dkim, name="dkim")
program.add_typer(sandbox, name="sandbox")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"relay {version('relay')}")
        raise typer.Exit


@program.callback()
def _program(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that `arguments` (or argv) name, and end the process with its exit code."""
    try:
        program(arguments, prog_name="relay")
    except Failure as failure:
        _end(str(failure), failure.code)
    except ConfigErrors as errors:
        _end(str(errors), ExitCode.CONFIG)
    except SpoolError as error:
        _end(f"relay: the store: {error}", ExitCode.UNAVAILABLE)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing may be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.OK)
    except Exception as error:
        if os.environ.get("RELAY_DEBUG") == "1":
            raise
        _end(
            f"relay: unexpected trouble: {type(error).__name__}: {error} (RELAY_DEBUG=1 tells more)", ExitCode.INTERNAL
        )


def _end(message: str, code: ExitCode) -> None:
    typer.echo(message, err=True)
    sys.exit(code)
