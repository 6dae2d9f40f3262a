"""How a command ends: exit codes, and the errors that carry one.

The codes are those of sysexits(3) where one fits; docs/cli.md lists them for every command.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit code says."""

    OK = 0
    ATTENTION = 1  # the question was answered, and the answer is one that somebody should look at
    USAGE = 2
    UNAVAILABLE = 69
    INTERNAL = 70
    EXISTS = 73
    CONFIG = 78


class Failure(Exception):  # noqa: N818 -- it is a command's end, not a fault of the program
    """A command cannot do what it was asked; the message is for people, one line, without secrets."""

    def __init__(self, code: ExitCode, message: str) -> None:
        """End with `code` after printing `message`."""
        super().__init__(message)
        self.code = code
