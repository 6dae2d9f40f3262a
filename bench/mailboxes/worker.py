"""One worker that does nothing but read mailboxes: `python -m bench.mailboxes.worker FILE`.

FILE is JSON: `slot` (1: the first worker), `store`, `invoices` (a folder), `settings` of mailboxes, and `mailboxes` by
slug. Prints a line of JSON for each event but uploads and, once a second or with `count` every tenth of one, how many
connections are kept, when the mailbox was looked at that was not looked at for longest, how many were looked at since
the beginning, and how many documents were uploaded, the last of them when.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from relay.clock import SystemClock
from relay.config.keyring import Active, Keyring
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.dns import Resolver
from relay.events import Event, EventType
from relay.fetch.attendant import Fetching
from relay.fetch.fetcher import Fetcher
from relay.fetch.ledger import MAILBOX, MailboxState
from relay.http import HttpClient
from relay.mail.address import Address
from relay.malloc import give_memory_back
from relay.policy.company import Company, Mailbox, SecretKind, SecretRef
from relay.store.sqlite.spool import SqliteSpool

BEAT = 5.0


class Printer:
    """Prints events. Uploads are only counted: a line for each is work that no relay does."""

    def __init__(self) -> None:
        self.uploads, self.last = 0, 0.0

    def emit(self, event: Event) -> None:
        if event.type is EventType.UPLOADED:
            self.uploads, self.last = self.uploads + 1, time.time()
            return
        say(event=event.type.value, **{str(key): value for key, value in event.data.items()})


def say(**what: Any) -> None:
    """One line for whoever started us."""
    sys.stdout.write(json.dumps({"at": time.time(), **what}) + "\n")
    sys.stdout.flush()


async def main(plan: dict[str, Any]) -> None:
    """Read until told to stop."""
    password = SecretRef(SecretKind.FILE, plan["password"])
    companies = [
        Company(
            slug,
            slug,
            Address(slug, "bench.example"),
            slug,
            mailbox=Mailbox("localhost", port, "implicit", user, password, ca=plan["ca"]),
        )
        for slug, (user, port) in plan["mailboxes"].items()
    ]
    settings = Settings.model_validate(
        {
            "hostname": "mx.bench.example",
            "domain": "my.bench.example",
            "postmaster": "postmaster@bench.example",
            "sending_addresses": ["192.0.2.1"],
            "secrets": {"signing": [{"file": "never-read"}]},
            "fast_input": {"folder": plan["invoices"]},
            "mailboxes": {"allow_private": True, **plan["settings"]},
        }
    )
    active = Active(Snapshot.of(settings, companies), Keyring((b"secret",), {}))
    del companies
    clock = SystemClock()
    spool = SqliteSpool(Path(plan["store"]), worker=f"bench.{plan['slot']}.1", pid=os.getpid(), clock=clock)
    await spool.start()
    resolver = Resolver(["127.0.0.1:9"], 0.1)
    printer = Printer()
    fetcher = Fetcher(Fetching(lambda: active, spool, resolver, HttpClient(resolver), clock, printer))
    say(ready=len(active.snapshot))
    await asyncio.sleep(2)
    task = asyncio.create_task(fetcher.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    begun, looked = clock.now(), 0
    beaten = begun
    while not task.done():
        await asyncio.wait([task], timeout=0.1 if plan["count"] else 1)
        holds = fetcher._holds.values() if plan["count"] else ()  # noqa: SLF001 -- the store hears of it later
        if clock.now() - beaten > BEAT:
            beaten = clock.now()
            await spool.heartbeat(now=beaten, detail={})
        oldest = min((hold.state.looked for hold in holds), default=0.0)
        if plan["count"] and looked < len(active.snapshot) and not plan["settings"].get("idle_per_host", 1):
            looked = await count_looked(spool, begun)
        say(watched=len(fetcher.watched), oldest=oldest, looked=looked, uploads=printer.uploads, last=printer.last)
    await spool.stop()


async def count_looked(spool: SqliteSpool, since: float) -> int:
    """How many mailboxes were read to their end since then."""
    count, after = 0, ""
    while page := await spool.facts.list(MAILBOX, after=after):
        count += sum(MailboxState.of(fact).succeeded > since for fact in page)
        after = page[-1].key
    return count


if __name__ == "__main__":
    # As `relay.start` and `relay.worker` do.
    gc.collect()
    gc.freeze()
    give_memory_back()
    sys.setswitchinterval(0.0005)
    uvloop.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
