"""Postfix of Debian: an instance of its own with directories, port and settings of its own, root's to start.

Its directories lie outside pytest's, which only their owner may enter: Postfix gives its rights up early.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from .programs import MissingError, as_root, last_words, program, run_as_root

_MAIN = """\
compatibility_level = 3.6
queue_directory = {place}/queue
data_directory = {place}/data
maillog_file = /dev/stdout
mail_owner = postfix
setgid_group = postdrop
myhostname = {hostname}
myorigin = {hostname}
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 192.0.2.1/32
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
smtp_bind_address = {address}
smtp_tls_security_level = may
smtpd_tls_security_level = may
smtpd_tls_chain_files = {place}/tls.pem
local_header_rewrite_clients =
message_size_limit = 60000000
virtual_mailbox_limit = 0
"""

_HOST = """\
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {place}/mail
virtual_mailbox_maps = static:box/
virtual_alias_maps = inline:{{ {{ gone@{domain} = left@{domain} }} }}
transport_maps = inline:{{ {{ left@{domain} = error:5.1.1 User unknown }} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
relayhost = {relay}
smtpd_milters = {milter}
milter_default_action = tempfail
"""

_SUBMISSION = """\
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_sender_login_maps = inline:{{ {{ {account} = {account} }} }}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
smtpd_tls_auth_only = yes
relayhost = {relay}
"""

_MASTER = """\
{address}:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where an instance listens, and as whom: `tls` is its key and certificate in PEM."""

    hostname: str
    address: str
    port: int
    tls: bytes


class Postfix:
    """A running instance; use it as an asynchronous context."""

    def __init__(self, where: Listening, settings: Callable[[Path], str]) -> None:
        self._where = where
        self._settings = settings
        self._place = Path()
        self._process: asyncio.subprocess.Process

    @property
    def log(self) -> Path:
        return self._place / "log"

    async def __aenter__(self) -> Self:
        start = program("postfix", "postfix")
        self._place = Path(tempfile.mkdtemp(prefix="relay-postfix-", dir="/tmp"))
        try:
            self._write()
            with self.log.open("wb") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *as_root(start, "-c", str(self._place / "config"), "start-fg"),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            await self._is_listening()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    def mail(self) -> list[bytes]:
        """What arrived in its mailbox, oldest first, line ends as on the wire."""
        box = self._place / "mail/box/new"
        files = sorted(box.iterdir(), key=lambda file: file.stat().st_mtime_ns) if box.exists() else []
        return [file.read_bytes().replace(b"\n", b"\r\n") for file in files]

    def _write(self) -> None:
        place, where = self._place, self._where
        place.chmod(0o755)
        for name in ("config", "queue", "mail"):
            (place / name).mkdir()
        uid = mailbox_owner()
        run_as_root("install", "-d", "-o", "postfix", str(place / "data"))
        run_as_root("chown", str(uid), str(place / "mail"))
        (place / "tls.pem").write_bytes(where.tls)
        common = _MAIN.format(place=place, hostname=where.hostname, address=where.address)
        (place / "config/main.cf").write_text(common + self._settings(place))
        (place / "config/master.cf").write_text(_MASTER.format(address=where.address, port=where.port))

    async def _is_listening(self) -> None:
        async with asyncio.timeout(60):
            while True:
                if self._process.returncode is not None:
                    raise MissingError(f"Postfix did not start:\n{last_words(self.log)}")
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(self._where.address, self._where.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    async def _end(self) -> None:
        pid = self._place / "queue/pid/master.pid"
        if hasattr(self, "_process") and self._process.returncode is None:
            if pid.exists():
                run_as_root("kill", "-TERM", pid.read_text().strip())
            else:
                self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
        if os.geteuid() == 0:
            shutil.rmtree(self._place, ignore_errors=True)
        else:
            run_as_root("rm", "-rf", str(self._place))


def receiving_host(where: Listening, *, domain: str, relay: tuple[str, int], milter: str = "") -> Postfix:
    """A host that takes mail for `domain` into one mailbox, unless a milter is against it.

    That for the user "gone" comes back. It sends its own reports to `relay`.
    """
    uid = mailbox_owner()
    gid = pwd.getpwuid(uid).pw_gid
    return Postfix(
        where,
        lambda place: _HOST.format(domain=domain, place=place, uid=uid, gid=gid, relay=_hop(relay), milter=milter),
    )


def submission_server(where: Listening, *, account: str, auth: Path, relay: tuple[str, int]) -> Postfix:
    """A server that takes mail from `account` in its own name only, after a login that Dovecot judges at `auth`."""
    return Postfix(where, lambda _: _SUBMISSION.format(account=account, auth=auth, relay=_hop(relay)))


def mailbox_owner() -> int:
    """Who owns delivered mail: whoever runs the tests, but never root, for whom Postfix delivers nothing."""
    return os.geteuid() or pwd.getpwnam("nobody").pw_uid


def _hop(where: tuple[str, int]) -> str:
    return f"[{where[0]}]:{where[1]}"
