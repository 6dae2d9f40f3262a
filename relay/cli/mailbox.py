"""`relay mailbox`: what is read from companies' mailboxes. Each command stands in a file of its own."""

import typer

from relay.cli import mailbox_dry_run, mailbox_explain, mailbox_orders, mailbox_status

mailbox = typer.Typer(help="Look at what is read from mailboxes, and decide about it.", no_args_is_help=True)
mailbox.command("status")(mailbox_status.status)
mailbox.command("history")(mailbox_status.history)
mailbox.command("explain")(mailbox_explain.explain)
mailbox.command("dry-run")(mailbox_dry_run.dry_run)
mailbox.command("backfill")(mailbox_orders.backfill)
mailbox.command("release")(mailbox_orders.release)
mailbox.command("drop")(mailbox_orders.drop)
