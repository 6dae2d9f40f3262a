"""One worker's reading of mailboxes, over a spool of its own and a real Dovecot."""

import asyncio
import itertools
from dataclasses import replace
from typing import Any

from relay.config.keyring import Active, Keyring
from relay.config.sealing import SealingKeys
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.dns import Resolver
from relay.fetch.attendant import Fetching
from relay.fetch.fetcher import Fetcher
from relay.fetch.ledger import MAILBOX, MailboxState, history
from relay.http import HttpClient
from relay.mail.address import Address
from relay.policy.company import Company, FastInput, Mailbox, SecretKind, SecretRef
from relay.store.sqlite.spool import SqliteSpool
from tests.peers.mailboxes import HOST, PASSWORD, Mailboxes
from tests.stand_ins import Sink

from .fast_input import FastInputApi

_NUMBERS = itertools.count()


class MovingClock:
    """A clock that tells the right time, and can be put ahead."""

    def __init__(self, clock) -> None:
        self._clock = clock
        self.ahead = 0.0

    def now(self) -> float:
        return self._clock.now() + self.ahead


class House:
    """What reads the mailbox of one company."""

    def __init__(
        self, spool: SqliteSpool, clock: MovingClock, mailboxes: Mailboxes, api: FastInputApi, tmp_path
    ) -> None:
        self.spool, self.clock, self.mailboxes, self.api = spool, clock, mailboxes, api
        self.sink = Sink()
        self.name_server = "127.0.0.1:9"
        self.oauth2: dict[str, Any] = {}
        self.user = f"user{next(_NUMBERS)}"
        (tmp_path / "password").write_text(PASSWORD)
        (tmp_path / "key").write_text(api.key)
        self._key = tmp_path / "key"
        self.company = Company(
            "bakery",
            "Bakery",
            Address("info", "bakery.example"),
            "bakery",
            mailbox=Mailbox(
                HOST,
                mailboxes.port,
                "implicit",
                self.user,
                SecretRef(SecretKind.FILE, str(tmp_path / "password")),
                ca=str(mailboxes.ca),
            ),
            fast_input=FastInput(party_id=4711),
        )
        self.configure()
        self.fetcher = self.make_fetcher()

    def configure(
        self,
        *,
        mailboxes: dict[str, Any] | None = None,
        fast_input: Any = None,
        settings: dict[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        """Take over another configuration, as a reload does; `changes` are those of the mailbox."""
        self.company = replace(self.company, mailbox=replace(self.company.mailbox, **changes))
        api = {"url": self.api.url, "key": {"file": str(self._key)}, "allow_private": True, "timeout": "5s"}
        given = {
            "hostname": "mx1.my.relay.example",
            "domain": "my.relay.example",
            "postmaster": "postmaster@operator.example",
            "sending_addresses": ["192.0.2.1"],
            "secrets": {"signing": [{"file": "never-read"}]},
            "mailboxes": {"allow_private": True, **(mailboxes or {})},
            "fast_input": {"api": api} if fast_input is None else fast_input,
            "oauth2": self.oauth2,
            **(settings or {}),
        }
        keyring = Keyring((b"secret",), {}, SealingKeys([b"s" * 32]))
        self.active = Active(Snapshot.of(Settings.model_validate(given), [self.company]), keyring)

    def make_fetcher(self, spool: SqliteSpool | None = None) -> Fetcher:
        """Another worker's fetcher."""
        patience = 0.1 if self.name_server.endswith(":9") else 5.0
        resolver = Resolver([self.name_server], patience, clock=self.clock)
        client = HttpClient(resolver)
        return Fetcher(Fetching(lambda: self.active, spool or self.spool, resolver, client, self.clock, self.sink))

    async def put(self, mail, **more: Any) -> None:
        await asyncio.to_thread(self.mailboxes.put, self.user, mail.as_bytes(), **more)

    async def look(self, *others: Fetcher, after: float = 7200) -> None:
        """Let two hours pass, and read what is due, with other workers at the same time."""
        self.clock.ahead += after
        async with asyncio.TaskGroup() as tasks:
            for fetcher in (self.fetcher, *others):
                await fetcher.begin_due(tasks)

    async def state(self) -> MailboxState:
        return MailboxState.of(await self.spool.facts.get(MAILBOX, "bakery"))

    async def due(self) -> float:
        """In how many seconds the mailbox is to be looked at."""
        fact = await self.spool.facts.get(MAILBOX, "bakery")
        return fact.due - self.clock.now()

    async def history(self):
        return await history(self.spool.facts, "bakery")
