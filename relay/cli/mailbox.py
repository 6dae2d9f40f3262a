"""`relay mailbox`: what is read from companies' mailboxes. Each command stands in a file of its own."""

import typer

from relay.cli import mailbox_explain, mailbox_status

mailbox = typer.Typer(help="Look at what is read from mailboxes.", no_args_is_help=True)
mailbox.command("status")(mailbox_status.status)
mailbox.command("history")(mailbox_status.history)
mailbox.command("explain")(mailbox_explain.explain)
