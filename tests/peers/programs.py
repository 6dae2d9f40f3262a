"""Programs of Debian as the tests start them: found or missed with clear words, started, ended by their own ids."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

PATH = os.pathsep.join(("/usr/sbin", "/usr/bin", "/sbin", "/bin"))


class MissingError(Exception):
    """A test needs something of this machine that it does not have."""


def program(name: str, package: str) -> str:
    """Where a program is. Raises MissingError with the name of its Debian package."""
    found = shutil.which(name, path=PATH)
    if found is None:
        raise MissingError(f"{name} is missing: apt-get install {package} (`make test` does that)")
    return found


def as_root(*command: str) -> Sequence[str]:
    """The command as root runs it; others need sudo, and leave to use it without a password."""
    return command if os.geteuid() == 0 else ("sudo", "-n", *command)


def run_as_root(*command: str) -> None:
    """Run a command to its end. Raises MissingError when it fails, with what it said."""
    try:
        ended = subprocess.run(as_root(*command), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MissingError("these tests need root, or sudo without a password") from None
    if ended.returncode != 0:
        raise MissingError(f"{' '.join(command)} failed (this needs root): {ended.stderr.strip()}")


async def run(*command: str, stdin: bytes = b"") -> tuple[int, str]:
    """Run a program to its end; its exit code and all it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, output.decode("utf-8", "replace")


def last_words(log: Path) -> str:
    """The end of a program's log."""
    return log.read_text(errors="replace")[-5000:] if log.exists() else "(no log)"
