"""getmail6, which the relay is measured beside: installed for this, and run over the same mailboxes.

It delivers nothing as root, so that becomes nobody, who has no business in root's home: there, Debian's Python runs it.
"""

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from tests.peers.mailboxes import PASSWORD, Mailboxes

VERSION = "6.20.2"
_PYTHON = "/usr/bin/python3" if os.geteuid() == 0 else sys.executable
_RC = """\
[retriever]
type = SimpleIMAPSSLRetriever
server = localhost
port = {port}
username = {user}
password = {password}
ca_certs = {ca}
[destination]
type = Maildir
path = {store}/
[options]
read_all = false
delivered_to = false
received = false
verbose = 0
"""


class Getmail:
    """One installation, in a folder of its own."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir()
        for each in (place.parent, place):
            each.chmod(0o755)

    async def install(self) -> None:
        """Get it from the package index."""
        venv = self._place / "venv"
        await _run(_PYTHON, "-m", "venv", str(venv))
        await _run(str(venv / "bin" / "pip"), "install", "--quiet", f"getmail6=={VERSION}")

    async def run(self, home: Path, dovecot: Mailboxes, users: list[str]) -> float:
        """One run over these mailboxes, all in one process; seconds. What was fetched is remembered in `home`."""
        names = [part for user in users for part in ("--rcfile", self._rc_file(home, dovecot, user))]
        who: dict[str, Any] = {}
        if os.geteuid() == 0:
            who = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            _give(home)
        begun = time.monotonic()
        await _run(str(self._place / "venv" / "bin" / "getmail"), "--getmaildir", str(home), *names, **who)
        return time.monotonic() - begun

    def _rc_file(self, home: Path, dovecot: Mailboxes, user: str) -> str:
        store, file = home / user, home / f"{user}.rc"
        for part in ("cur", "new", "tmp"):
            (store / part).mkdir(parents=True, exist_ok=True)
        file.write_text(
            _RC.format(port=dovecot.port, user=user, password=PASSWORD, ca=dovecot.ca, store=store), encoding="utf-8"
        )
        return str(file)


def _give(home: Path) -> None:
    for each in (home, *home.rglob("*")):
        shutil.chown(each, "nobody", "nogroup")


async def _run(*command: str, **who: Any) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, **who)
    if await process.wait():
        raise SystemExit(f"{command[0]} failed")
