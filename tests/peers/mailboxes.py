"""Dovecot of Debian as the place of mailboxes: IMAP over TLS, for as many users as are asked for."""

import asyncio
import contextlib
import grp
import imaplib
import os
import pwd
import shutil
import ssl
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from .programs import MissingError, last_words, program

PASSWORD = "password-of-the-mailboxes"
HOST = "localhost"
_CONFIG = """\
protocols = imap
listen = 127.0.0.1
base_dir = {place}/run
state_dir = {place}/run
log_path = /dev/stderr
ssl = required
ssl_cert = <{place}/cert.pem
ssl_key = <{place}/key.pem
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{place}/mail/%u
mail_max_userip_connections = 0
# The kernel watches 128 of them for each user of the machine; into the others Dovecot looks itself.
mailbox_idle_check_interval = 1 s
auth_mechanisms = plain{mechanisms}
{more}
{tokens}passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={place}/mail/%u
}}
# Otherwise each connection with TLS is a process for itself, of a hundred at most.
service imap-login {{
  chroot =
  service_count = 0
  process_limit = 2
  client_limit = 4000
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service stats {{
  chroot =
}}
service imap {{
  process_limit = 4000
}}
service auth {{
  client_limit = 8000
}}
service anvil {{
  chroot =
  client_limit = 8000
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


class Mailboxes:
    """A running instance; every user name is known, with the same password. Use it as an asynchronous context.

    Its certificate is for HOST and for `names`. With `tokens`, it also takes the tokens that the issuer at that URL
    says are active (RFC 7662). `more` are lines of its configuration.
    """

    def __init__(self, port: int, *, tokens: str = "", more: str = "", names: Sequence[str] = ()) -> None:
        self.port = port
        self._names = names
        self._more = more
        self._tokens = tokens
        self._place = Path()
        self._process: asyncio.subprocess.Process

    @property
    def ca(self) -> Path:
        """The authority that has signed its certificate."""
        return self._place / "ca.pem"

    def connect(self, user: str) -> imaplib.IMAP4_SSL:
        """A mail program of that user."""
        context = ssl.create_default_context(cafile=str(self.ca))
        client = imaplib.IMAP4_SSL(HOST, self.port, ssl_context=context, timeout=60)
        client.login(user, PASSWORD)
        client.select("INBOX")
        return client

    def put(self, user: str, mail: bytes, *, at: float | None = None, folder: str = "INBOX") -> None:
        """Lay a mail into a mailbox, as if it had come in then."""
        with self.connect(user) as client:
            told = client.append(folder, "", imaplib.Time2Internaldate(time.time() if at is None else at), mail)
            assert told[0] == "OK"

    def flags(self, user: str, folder: str = "INBOX") -> list[str]:
        """What the mails in a folder are marked with, one text each."""
        with self.connect(user) as client:
            client.select(folder, readonly=True)
            found = client.uid("FETCH", "1:*", "(FLAGS)")[1]
            return [each.decode() for each in found if isinstance(each, bytes)]

    def number_anew(self, user: str, folder: str) -> None:
        """Lay the mails of a folder into another one of the same name, as a rebuilt mailbox has it."""
        with self.connect(user) as client:
            client.rename(folder, "Before")
            client.create(folder)
            client.select("Before")
            assert client.uid("COPY", "1:*", folder)[0] == "OK"

    async def __aenter__(self) -> Self:
        start = program("dovecot", "dovecot-imapd")
        self._place = Path(tempfile.mkdtemp(prefix="relay-mailboxes-", dir="/tmp"))
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
        authority = trustme.CA()
        certificate = authority.issue_cert(HOST, *self._names)
        authority.cert_pem.write_to_path(str(self.ca))
        certificate.private_key_pem.write_to_path(str(self._place / "key.pem"))
        for number, blob in enumerate(certificate.cert_chain_pems):
            blob.write_to_path(str(self._place / "cert.pem"), append=number > 0)
        mail = self._place / "mail"
        mail.mkdir()
        os.chown(mail, owner.pw_uid, owner.pw_gid)
        tokens = _TOKENS.format(place=self._place) if self._tokens else ""
        mechanisms = " xoauth2 oauthbearer" if self._tokens else ""
        (self._place / "oauth2.conf").write_text(_OAUTH2.format(url=self._tokens))
        values = {"place": self._place, "user": user, "group": group, "port": self.port, "password": PASSWORD}
        values |= {"tokens": tokens, "mechanisms": mechanisms, "more": self._more}
        (self._place / "dovecot.conf").write_text(_CONFIG.format(**values))

    async def _is_ready(self) -> None:
        async with asyncio.timeout(60):
            while True:
                if self._process.returncode is not None:
                    raise MissingError(f"Dovecot did not start:\n{last_words(self._place / 'log')}")
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    async def _end(self) -> None:
        if hasattr(self, "_process") and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.wait()
        shutil.rmtree(self._place, ignore_errors=True)
