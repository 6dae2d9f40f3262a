"""Dovecot of Debian as the judge of logins for Postfix, and nothing else: it opens no port."""

import asyncio
import contextlib
import grp
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from .programs import MissingError, last_words, program

_CONFIG = """\
protocols =
base_dir = {place}/run
state_dir = {place}/run
log_path = /dev/stderr
auth_verbose = yes
ssl = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
auth_mechanisms = plain login{mechanisms}
{tokens}passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {place}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home=/nonexistent
}}
service auth {{
  unix_listener {place}/auth {{
    mode = 0666
  }}
}}
service stats {{
  chroot =
}}
service anvil {{
  chroot =
}}
"""


_TOKENS = """\
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {place}/oauth2.conf
}}
"""
_OAUTH2 = """\
introspection_mode = post
introspection_url = {url}
username_attribute = username
active_attribute = active
active_value = true
"""


class Dovecot:
    """A running instance that knows one account; use it as an asynchronous context.

    With `tokens`, it also takes the tokens that the issuer at that URL says are active (RFC 7662).
    """

    def __init__(self, account: str, password: str, *, tokens: str = "") -> None:
        self._account = account
        self._password = password
        self._tokens = tokens
        self._place = Path()
        self._process: asyncio.subprocess.Process

    @property
    def auth(self) -> Path:
        """The socket where Postfix asks."""
        return self._place / "auth"

    def change_password(self, password: str) -> None:
        """From now on, only this password counts."""
        users = self._place / "users"
        new = self._place / "users.new"
        new.write_text(f"{self._account}:{{PLAIN}}{password}\n")
        new.chmod(0o640)
        os.chown(new, -1, users.stat().st_gid)
        new.replace(users)

    async def __aenter__(self) -> Self:
        start = program("dovecot", "dovecot-core")
        self._place = Path(tempfile.mkdtemp(prefix="relay-dovecot-", dir="/tmp"))
        self._place.chmod(0o755)
        try:
            self._write()
            with (self._place / "log").open("wb") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *(start, "-F", "-c", str(self._place / "dovecot.conf")),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            await self._is_ready()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    def _write(self) -> None:
        user = "dovecot" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        owner = pwd.getpwnam(user)
        group = grp.getgrgid(owner.pw_gid).gr_name
        users = self._place / "users"
        users.write_text(f"{self._account}:{{PLAIN}}{self._password}\n")
        users.chmod(0o640)
        os.chown(users, -1, owner.pw_gid)
        tokens = _TOKENS.format(place=self._place) if self._tokens else ""
        mechanisms = " xoauth2 oauthbearer" if self._tokens else ""
        (self._place / "oauth2.conf").write_text(_OAUTH2.format(url=self._tokens))
        (self._place / "dovecot.conf").write_text(
            _CONFIG.format(place=self._place, user=user, group=group, tokens=tokens, mechanisms=mechanisms)
        )

    async def _is_ready(self) -> None:
        async with asyncio.timeout(60):
            while not self.auth.exists():
                if self._process.returncode is not None:
                    raise MissingError(f"Dovecot did not start:\n{last_words(self._place / 'log')}")
                await asyncio.sleep(0.05)

    async def _end(self) -> None:
        if hasattr(self, "_process") and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.wait()
        shutil.rmtree(self._place, ignore_errors=True)
