"""The command line: from argv to a call to what is printed. Decides nothing about mail."""

from relay.cli.program import main

__all__ = ["main"]
