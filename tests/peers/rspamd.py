"""rspamd of Debian as a judge: a milter that evaluates SPF, DKIM and DMARC and refuses what DMARC lets it refuse."""

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from .programs import MissingError, last_words, program

_SETTINGS = """\
options {{
  pidfile = "{place}/pid";
  tempdir = "{place}";
  dynamic_conf = "{place}/dynamic";
  control_socket = "{place}/control mode=0600";
  url_tld = "{place}/suffixes";
  filters = "dkim";
  local_addrs = [];
  dns {{ nameserver = ["{dns_host}:{dns_port}:1"]; timeout = 5s; retransmits = 3; }}
}}
logging {{ type = "console"; level = "info"; color = false; }}
worker "normal" {{ enabled = false; }}
worker "controller" {{ enabled = false; }}
worker "rspamd_proxy" {{
  bind_socket = "{host}:{port}";
  count = 1;
  milter = yes;
  timeout = 60s;
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
lua = "/usr/share/rspamd/rules/rspamd.lua";
modules {{
  path = "/usr/share/rspamd/plugins/spf.lua";
  path = "/usr/share/rspamd/plugins/dmarc.lua";
  path = "/usr/share/rspamd/plugins/milter_headers.lua";
  {arc}
}}
arc {{ check_local = true; check_authed = true; }}
spf {{ check_local = true; check_authed = true; }}
dkim {{ check_local = true; check_authed = true; }}
dmarc {{ check_local = true; check_authed = true; actions = {{ quarantine = "reject"; reject = "reject"; }} }}
milter_headers {{ use = ["authentication-results"]; skip_local = false; skip_authenticated = false; }}
actions {{ reject = 1000; add_header = 900; greylist = 800; }}
"""


class Rspamd:
    """A running judge; use it as an asynchronous context. `dns` is the name server that it asks, "host:port".

    With `arc` it follows chains of seals too; it then says in other words why it refuses.
    """

    def __init__(self, host: str, port: int, dns: str, *, arc: bool = False) -> None:
        self._arc = 'path = "/usr/share/rspamd/plugins/arc.lua";' if arc else ""
        self.milter = f"inet:{host}:{port}"
        self._where = (host, port)
        self._dns = dns
        self._place = Path()
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        start = program("rspamd", "rspamd")
        # Not below pytest's directories: the path of a Unix socket has to be short.
        self._place = Path(tempfile.mkdtemp(prefix="relay-rspamd-", dir="/tmp"))
        host, port = self._where
        dns_host, _, dns_port = self._dns.rpartition(":")
        # All of the world's suffixes take half a minute to compile; the tests have one.
        (self._place / "suffixes").write_text("example\n")
        settings = self._place / "rspamd.conf"
        settings.write_text(
            _SETTINGS.format(
                place=self._place, host=host, port=port, dns_host=dns_host, dns_port=dns_port, arc=self._arc
            )
        )
        try:
            with (self._place / "log").open("wb") as log:
                self._process = await asyncio.create_subprocess_exec(
                    start,
                    "--no-fork",
                    "--insecure",  # as whoever runs the tests, root included
                    "--config",
                    str(settings),
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

    async def _is_listening(self) -> None:
        async with asyncio.timeout(60):
            while True:
                if self._process.returncode is not None:
                    raise MissingError(f"rspamd did not start:\n{last_words(self._place / 'log')}")
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(*self._where)
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    async def _end(self) -> None:
        if hasattr(self, "_process") and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
        shutil.rmtree(self._place, ignore_errors=True)
