"""The sending side of one worker: a real spool, a name server and scripted peers, all of it on loopback."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.config.keyring import Active, Keyring
from relay.config.sealing import SealingKeys
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.delivery.attempt import AttemptResult, Attempts, Batch, World
from relay.delivery.dispatcher import Dispatcher
from relay.delivery.laying import Laying
from relay.delivery.outgoing import Context, Outgoing, make_outgoing
from relay.delivery.recording import Sending
from relay.delivery.route import Route, TlsPolicy
from relay.delivery.trust import Trust
from relay.delivery.unreachable import Unreachable
from relay.dns import Resolver
from relay.events import Event, EventType
from relay.facts.addresses import Addresses
from relay.facts.door import Door
from relay.facts.sts import Sts
from relay.facts.tls_results import TlsResults
from relay.facts.tokens import Tokens
from relay.facts.whereabouts import Finder
from relay.http import HttpClient
from relay.mail.address import Address, parse_address
from relay.mail.dkim import BodyHash, Signer
from relay.mail.envelope import Envelope, Recipient
from relay.mail.message import header_size
from relay.policy.company import Company, IdentityKind, SecretKind, SecretRef, Server
from relay.policy.decision import Decision, Name, ReversePath
from relay.sandbox.zones import Zones
from relay.store.spool import Acceptance, Content, Delivery, Entry, Message, Origin, Selection, State
from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import StandingClock

DOMAIN = "my.relay.example"
DAY = 86400
NOW = 20_000.0 * DAY
SECRET = b"the secret of the tests"
RECEIVED = b"Received: from web by mx1.my.relay.example; Thu, 1 Jan 2026 09:00:00 +0000\r\n"
MAIL = RECEIVED + (
    b'From: "Web" <web@app.example>\r\n'
    b"To: anna@customer.example\r\n"
    b"Bcc: secret@customer.example\r\n"
    b"Date: Thu, 1 Jan 2026 10:00:00 +0100\r\n"
    b"Message-ID: <1@app.example>\r\n"
    b"\r\n"
    b"Hello\r\n"
    b".dot\r\n"
)
BAKERY = Company("bakery", "Bakery", Address("info", "bakery.example"), "bakery")
OWN = Company("own", "Own", Address("info", "own.example"), "own", identity=IdentityKind.OWN_DOMAIN, vouched="our test")
ANNA = "anna@customer.example"
QUICK = "300ms"


class Sink:
    """Remembers events, and tells whoever waits for one."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.heard: Callable[[Event], None] = lambda event: None

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self.heard(event)

    def of(self, kind: EventType) -> list[Event]:
        return [event for event in self.events if event.type is kind]

    @property
    def types(self) -> list[str]:
        return [str(event.type) for event in self.events]


def make_settings(**changes: Any) -> Settings:
    """`delivery` and `timeouts` are mixed with what the tests need; the others replace."""
    delivery = {
        "port": 1,
        "retry": ["1m", "5m"],
        "connections_idle": "30s",
        "timeouts": changes.pop("timeouts", {}),
    } | changes.pop("delivery", {})
    given = {
        "hostname": "mx1.my.relay.example",
        "domain": DOMAIN,
        "postmaster": "postmaster@operator.example",
        "sending_addresses": ["192.0.2.1"],
        "secrets": {"signing": [{"file": "never-read"}]},
        "delivery": delivery,
        "verification": {"required": False},
    }
    return Settings.model_validate(given | changes)


def server_at(port: int, password: Path, *, tls: Any = "starttls", ca: Path | None = None) -> Server:
    """A company's own server on loopback."""
    secret = SecretRef(SecretKind.FILE, str(password))
    return Server("smtp.own.example", port, tls, "info@own.example", secret, str(ca) if ca else None)


def with_server(server: Server) -> Company:
    address = Address("info", "own.example")
    return Company("own", "Own", address, "own", identity=IdentityKind.OWN_SERVER, server=server)


@dataclass
class House:
    """What one worker's sending side lives in."""

    spool: SqliteSpool
    zones: Zones
    resolver: Resolver
    clock: StandingClock = field(default_factory=StandingClock)
    sink: Sink = field(default_factory=Sink)
    companies: tuple[Company, ...] = (BAKERY, OWN)
    signers: dict[str, Any] = field(default_factory=dict)
    delegated: tuple[Signer, ...] = ()
    changes: dict[str, Any] = field(default_factory=dict)
    policies: dict[str, Sts] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.configure()
        self.changed = asyncio.Event()
        self.unreachable = Unreachable()
        self.tls_results = TlsResults(lambda: self.spool.facts, self.resolver, self.clock, lambda: True)
        self.dispatcher = self.make_dispatcher()

    def make_dispatcher(self) -> Dispatcher:
        """Another worker's sending side, over the same spool."""
        addresses = Addresses(lambda: self.active, self.spool, self.clock)
        dispatcher = Dispatcher(
            Sending(lambda: self.active, self.spool, self.resolver, self.clock, self.sink, addresses)
        )
        let_go = dispatcher._let_go

        def watched(deliveries: Sequence[Delivery]) -> None:
            let_go(deliveries)
            self.changed.set()

        dispatcher._let_go = watched  # type: ignore[method-assign]
        return dispatcher

    def configure(self, *companies: Company, **changes: Any) -> None:
        """Take over another configuration, as a reload does; what is not named stays."""
        self.companies = companies or self.companies
        self.changes |= changes
        snapshot = Snapshot.of(make_settings(**self.changes), self.companies)
        keyring = Keyring((SECRET,), self.signers, SealingKeys([SECRET * 2]), delegated=self.delegated)
        self.active = Active(snapshot, keyring)

    def host(self, domain: str, *ips: str) -> None:
        """Let the DNS say that a domain's mail goes to these addresses, in this order."""
        names = [f"mx{number}.{domain}" for number in range(len(ips))]
        self.zones.publish(domain, "MX", *(f"{10 + number} {name}." for number, name in enumerate(names)))
        for name, ip in zip(names, ips, strict=True):
            self.zones.publish(name, "AAAA" if ":" in ip else "A", ip)

    def content(self, octets: bytes) -> Content:
        size = header_size(octets) or len(octets)
        body = BodyHash()
        body.update(octets[size:])
        writer = self.spool.writer()
        writer.write(octets)
        return writer.finish(header_size=size, body_hash=body.digest())

    def message(self, *recipients: str | Recipient, octets: bytes = MAIL, **fields: Any) -> Message:
        """A message as intake makes it, not committed yet."""
        self.count += 1
        rcpts = tuple(
            one if isinstance(one, Recipient) else Recipient(parse_address(one)) for one in recipients or (ANNA,)
        )
        sender = fields.pop("sender", "bakery@my.relay.example")
        envelope = Envelope(parse_address(sender) if sender else None, rcpts, **fields.pop("envelope", {}))
        given = {
            "queue_id": f"id{self.count:06d}",
            "origin": Origin.SUBMISSION,
            "received_at": self.clock.now(),
            "app": "web",
            "peer": "192.0.2.1",
            "message_id": "<1@app.example>",
            "envelope": envelope,
            "content": self.content(octets),
        }
        return Message(**(given | fields))

    async def put(self, *recipients: str | Recipient, company: str = "bakery", **fields: Any) -> Entry:
        """Accept a message that is born leased; nobody has been told of it yet."""
        message = self.message(*recipients, **fields)
        companies = (company,) * len(message.envelope.recipients)
        await self.spool.commit(Acceptance(message, companies, leased=True))
        deliveries = tuple(
            Delivery(number, recipient, company, State.QUEUED, next_attempt=message.received_at)
            for number, recipient in enumerate(message.envelope.recipients)
        )
        return Entry(message, deliveries)

    async def batch(self, *recipients: str | Recipient, decision: Decision | None = None, **fields: Any) -> Batch:
        """One transaction to the host of the first recipient's domain, without anybody deciding anything."""
        entry = await self.put(*recipients, **fields)
        delivery = self.active.snapshot.settings.delivery
        domain = entry.deliveries[0].recipient.address.ascii_domain
        route = Route(
            f"domain:{domain}", domain, delivery.port, TlsPolicy.OPPORTUNISTIC, is_domain=True, ca=delivery.ca
        )
        return Batch(entry.message, entry.deliveries, decision or AS_IT_IS, route, self.active)

    def attempts(self) -> Attempts:
        trust = Trust(self.policy_of, self.resolver, self.tls_results)
        http, facts = HttpClient(self.resolver), lambda: self.spool.facts
        finder = Finder.over(self.resolver, http, facts, self.clock)
        laying = Laying(Door(lambda: self.active, self.resolver, self.tokens(), finder), facts, self.clock)
        return Attempts(World(self.spool, self.resolver, self.clock, self.unreachable, self.tokens(), trust, laying))

    async def policy_of(self, domain: str) -> Sts:
        return self.policies.get(domain, Sts())

    def tokens(self) -> Tokens:
        """The tokens of another worker."""
        return Tokens(lambda: self.active, lambda: self.spool.facts, HttpClient(self.resolver), self.clock)

    async def attempt(self, *recipients: str | Recipient, **fields: Any) -> AttemptResult:
        """One attempt over a session of its own."""
        attempts = self.attempts()
        try:
            return await attempts.attempt(await self.batch(*recipients, **fields))
        finally:
            attempts.close()

    def outgoing(self, batch: Batch) -> Outgoing:
        context = Context(DOMAIN, self.active.snapshot.settings.hostname, self.active.keyring, self.clock.now())
        return make_outgoing(batch.message, batch.deliveries, batch.decision, spool=self.spool, context=context)

    async def deliver(self, *recipients: str | Recipient, **fields: Any) -> str:
        """Accept a message and let the dispatcher deal with it to the end; the queue id."""
        entry = await self.put(*recipients, **fields)
        self.dispatcher.take(entry)
        await self.settled()
        return entry.message.queue_id

    async def lease(self) -> int:
        """Take what is due now and deal with it; how many messages."""
        entries = await self.spool.lease(now=self.clock.now(), limit=100)
        for entry in entries:
            self.dispatcher.take(entry)
        await self.settled()
        return len(entries)

    async def settled(self) -> None:
        """Wait until the dispatcher has nothing in its hands."""
        while self.dispatcher.in_hand:
            self.changed.clear()
            await self.changed.wait()

    async def deliveries(self, queue_id: str) -> tuple[Delivery, ...]:
        return (await self.spool.find(queue_id))[0].deliveries

    async def delivery(self, queue_id: str) -> Delivery:
        (delivery,) = await self.deliveries(queue_id)
        return delivery

    async def reports(self) -> list[Entry]:
        """Every report in the store that is not delivered yet."""
        return [entry for entry in await self.spool.select(Selection()) if entry.message.origin is Origin.REPORT]

    def octets(self, message: Message) -> bytes:
        return self.spool.read(message.content, 0, message.content.size)


AS_IT_IS = Decision(Name.RELAY, None, ReversePath.NULL, reasons=("test",))
