"""The relay as people run it: `relay serve` as a process of its own, with a configuration directory that tests edit."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosmtplib
import yaml

from relay.sandbox.certificates import Authority
from relay.sandbox.world import World

from .until import PATIENCE, until

SHIPPED = Path(__file__).parents[2] / "config"
DOMAIN = "my.relay.example"
APP, PASSWORD = "billit-web", "demo-only-password"
BAKKERIJ = f"bakkerij-peeters@{DOMAIN}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command of the relay ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Relay:
    """One relay in a directory of its own. What it is set up with are the files that `config/` ships."""

    def __init__(self, place: Path, world: World, host: str, changes: dict[str, Any]) -> None:
        self.place = place
        self.world = world
        self.host = host
        self.config = place / "config"
        self.log = place / "relay.log"
        self.process: asyncio.subprocess.Process | None = None
        shutil.copytree(SHIPPED, self.config)
        self.settings: dict[str, Any] = yaml.safe_load((SHIPPED / "relay.yaml").read_text())
        self.ports = {name: free_port(host) for name in self.settings["listeners"]}
        self.change(_to_fit(world, host, self.ports))
        self.change(changes)
        studio = world.customer_servers["smtp.studio-noord.example"]
        self.change_company("studio-noord", outgoing={"server": {"port": studio.port}})
        # Tests of mailboxes bring their own servers.
        self.change_company("bakkerij-peeters", incoming=None)

    # What it is told.

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings, deep inside if need be; None takes a key away."""
        self.settings = merged(self.settings, changes)
        self._write("relay.yaml", yaml.safe_dump(self.settings, sort_keys=False))

    def change_company(self, slug: str, **changes: Any) -> None:
        """Change a company's file, or write a new one."""
        name = f"companies/{slug}.yaml"
        known = yaml.safe_load((self.config / name).read_text()) if (self.config / name).exists() else {}
        self._write(name, yaml.safe_dump(merged(known, changes), sort_keys=False))

    def _write(self, name: str, text: str) -> None:
        self.put(f"config/{name}", text)

    def put(self, name: str, text: str) -> None:
        """Write a file in its directory as careful editors do: nobody ever sees half of it."""
        file = self.place / name
        new = file.with_name(f".{file.name}.new")
        new.write_text(text)
        new.replace(file)

    # Its life.

    async def start(self) -> None:
        """Start it, and wait until all its workers are ready."""
        name = f"relay-e2e-{secrets.token_hex(8)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices, self.log.open("ab") as log:
            notices.bind("\0" + name)
            notices.setblocking(False)  # noqa: FBT003 -- its only argument
            self.process = await asyncio.create_subprocess_exec(
                *_command("serve"),
                cwd=self.place,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"NOTIFY_SOCKET": "@" + name, "TMPDIR": str(self.place)},
                start_new_session=True,
            )
            ready = await self._says_ready(notices)
        if not ready:
            raise AssertionError(f"the relay did not become ready:\n{self.log.read_text()}")

    async def _says_ready(self, notices: socket.socket) -> bool:
        """Whether it tells the service manager that it is ready (sd_notify), before it ends."""
        assert self.process is not None
        ended = asyncio.ensure_future(self.process.wait())
        words = b""
        while words != b"READY=1" and not ended.done():
            said = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(notices, 100))
            done, _ = await asyncio.wait((ended, said), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if said not in done:
                said.cancel()
                break
            words = said.result()
        ended.cancel()
        return words == b"READY=1"

    async def stop(self) -> int:
        """End it in good order; its exit code."""
        assert self.process is not None
        self.signal(signal.SIGTERM)
        return await self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the parent process."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def workers(self) -> list[int]:
        """The process ids of the workers at this moment."""
        assert self.process is not None
        with contextlib.suppress(FileNotFoundError):
            text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
            return [int(pid) for pid in text.split()]
        return []

    async def kill_everything(self) -> int:
        """Kill -9 the parent and all workers; how many that were."""
        assert self.process is not None
        pids = self.workers()
        for pid in (self.process.pid, *pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()
        await until(lambda: not any(is_alive(pid) for pid in pids), "the workers are gone")
        return len(pids) + 1

    # Speaking to it.

    async def command(self, *words: str) -> Ended:
        """Run another command of the relay beside it."""
        process = await asyncio.create_subprocess_exec(
            *_command(*words), cwd=self.place, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    async def get(self, path: str) -> tuple[int, str]:
        """Ask its web listener; status and text."""
        return await asyncio.to_thread(_get, f"http://{self.host}:{self.ports['web']}{path}")

    async def metric(self, name: str) -> float:
        """The value of a metric, labels included in its name; 0 when it is not there."""
        _, page = await self.get("/metrics")
        lines = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
        return next((float(value) for key, _, value in lines if key == name), 0.0)

    def session(self, *, helo: str = "app.example", listener: str = "submission") -> aiosmtplib.SMTP:
        """A client of one of its listeners, not connected yet."""
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.ports[listener],
            start_tls=False,
            use_tls=listener == "submissions",
            tls_context=self.world.authority.client_context() if listener == "submissions" else None,
            local_hostname=helo,
            timeout=PATIENCE,
        )

    async def submit(
        self, content: bytes, *to: str, sender: str = BAKKERIJ, mail: Sequence[str] = (), rcpt: Sequence[str] = ()
    ) -> str:
        """Hand a message in as the app does, over TLS with its password; the queue id.

        `mail` and `rcpt` are parameters of those commands.
        """
        async with self.session() as client:
            await client.starttls(tls_context=self.world.authority.client_context())
            await client.login(APP, PASSWORD)
            refused, reply = await client.sendmail(
                sender, list(to), content, mail_options=list(mail), rcpt_options=list(rcpt)
            )
        assert not refused, refused
        return reply.rsplit(maxsplit=1)[-1]

    async def bring(
        self, content: bytes, *to: str, sender: str = "an@klant.example", helo: str = "mx.klant.example"
    ) -> str:
        """Bring a message to its MX as another mail server does; the queue id."""
        async with self.session(helo=helo, listener="mx") as client:
            await client.starttls(tls_context=self.world.authority.client_context())
            refused, reply = await client.sendmail(sender, list(to), content)
        assert not refused, refused
        return reply.rsplit(maxsplit=1)[-1]

    # What it says.

    def events(self, kind: str = "", **wanted: Any) -> list[dict[str, Any]]:
        """The events in its log so far, of one type and with these values if that is asked for."""
        found = []
        for line in self.log.read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                right = all(event.get(key) == value for key, value in wanted.items())
                if right and (not kind or event.get("event") == kind):
                    found.append(event)
        return found

    async def event(self, kind: str, *, count: int = 1, **wanted: Any) -> dict[str, Any]:
        """Wait for an event of a type, or for several; the last of them."""
        await until(lambda: len(self.events(kind, **wanted)) >= count, f"{count} of {kind} {wanted}")
        return self.events(kind, **wanted)[-1]

    async def queue(self) -> list[dict[str, Any]]:
        """What waits in it, as `relay queue list` says."""
        return (await self.command("queue", "list", "--json")).json

    async def trace(self, key: str) -> list[dict[str, Any]]:
        """The journeys of the mails that `key` names."""
        return (await self.command("trace", key, "--json")).json

    async def is_empty(self) -> None:
        """Wait until nothing is left in the queue."""
        await until(self._is_empty, "the queue is empty")

    async def _is_empty(self) -> bool:
        return await self.queue() == []


def write_certificate(folder: Path, authority: Authority, host: str) -> None:
    """Give the relay in whose `var/demo` this is a new certificate for its name and address."""
    certificate, key = authority.issue(f"mx1.{DOMAIN}", host)
    for name, octets in (("tls-key.pem", key), ("tls-cert.pem", certificate)):
        (folder / f"{name}.new").write_bytes(octets)
        (folder / f"{name}.new").replace(folder / name)


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it; None takes a key away."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def free_port(host: str) -> int:
    """A port that is free at an address nobody else uses."""
    with socket.socket() as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


def rss_anon(pid: int) -> int:
    """Anonymous memory of a process, in octets."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:"))


def has_header(name: str, text: str) -> Callable[[Any], bool]:
    """A test for `World.wait_for`: the header field holds this text."""
    return lambda received: text in received.header(name)


def _to_fit(world: World, host: str, ports: dict[str, int]) -> dict[str, Any]:
    return {
        "listeners": {name: {"address": f"{host}:{port}"} for name, port in ports.items()}
        | {"web": {"address": f"{host}:{ports['web']}", "public_url": f"http://{host}:{ports['web']}"}},
        "dns": {"servers": [world.dns_address], "timeout": "2s"},
        "delivery": {"port": world.smtp_port, "retry": ["1s"]},
        "verification": {"required": False},
        "workers": 1,
        "log": {"format": "json"},
    }


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "relay.cli", *words)


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def is_alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
