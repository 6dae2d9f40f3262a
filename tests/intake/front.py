"""The front of the house without its doors: sessions over a real spool, driven as the receiving edge drives them."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from relay.config.keyring import Active, Keyring
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.dns import Answer, Resolver, Status
from relay.facts.addresses import Addresses
from relay.facts.dead_addresses import DeadAddresses
from relay.facts.homes import Homes
from relay.facts.peers import Peers
from relay.incoming.examine import Examiner
from relay.intake.gate import Content, Hello, Peer
from relay.intake.guard import GuardWorld, LoginGuard
from relay.intake.limits import Connections, Errors, Guesses, Rate, Receiving
from relay.intake.logins import Logins
from relay.intake.mx import Counter, MxDesk
from relay.intake.session import Office, Session
from relay.intake.submission import Common, SubmissionDesk
from relay.intake.tally import Tallies
from relay.mail.address import Address, parse_path
from relay.mail.envelope import Recipient, parse_mail_parameters, parse_rcpt_parameters
from relay.mail.reply import Reply
from relay.policy.company import Company
from relay.store.spool import Entry, Message
from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import Sink, StandingClock

DOMAIN = "my.relay.example"
DAY = 86400
NOW = 20_000.0 * DAY
SECRET = b"the secret of the tests"
PASSWORD = "demo-only-password"
HASH = "$argon2id$v=19$m=19456,t=2,p=1$k8By6jnQwUZ5aMEXp5voYA$CJq3yEHpIPp9x0ZGx8cjilrcldWdWKKar9NRGtB+lLQ"

BAKERY = Company("bakery", "Bakery", Address("info", "bakery.example"), "Bakery")
GARAGE = Company("garage", "Garage", Address("info", "garage.example"), "garage")
MAIL = b"From: Web <web@app.example>\r\nDate: Thu, 1 Jan 2026 10:00:00 +0100\r\nMessage-ID: <1@app>\r\n\r\nHello\r\n"


class Outbox:
    """Takes what is born leased, if it has room."""

    def __init__(self) -> None:
        self.room = True
        self.entries: list[Entry] = []
        self.verdict: Reply | None = None

    def has_room(self, company: str) -> bool:
        return self.room

    def take(self, entry: Entry) -> None:
        self.entries.append(entry)

    async def take_for_verdict(self, entry: Entry) -> Reply | None:
        self.take(entry)
        return self.verdict


def make_settings(**changes: Any) -> Settings:
    given = {
        "hostname": "mx1.my.relay.example",
        "domain": DOMAIN,
        "postmaster": "postmaster@operator.example",
        "sending_addresses": ["192.0.2.1"],
        "secrets": {"signing": [{"file": "never-read"}]},
        "verification": {"required": False},
        "apps": {
            "web": {"password": {"hash": HASH}, "companies": "all"},
            "shop": {"networks": ["10.1.0.0/16", "fd00::/8"], "companies": ["bakery"], "unconfirmed": "refuse"},
        },
    }
    return Settings.model_validate(given | changes)


class NoNames(Resolver):
    """A resolver of a world without names; `texts` are the TXT records there are, by name."""

    def __init__(self) -> None:
        super().__init__(["127.0.0.1:9"])
        self.texts: dict[str, str] = {}

    async def _find(self, name: str, rdtype: str) -> Answer[Any]:
        if rdtype == "TXT" and name in self.texts:
            return Answer(Status.OK, (self.texts[name].encode(),), NOW + DAY)
        return Answer(Status.NXDOMAIN, (), NOW + DAY, reason="no such name")


@dataclass(slots=True)
class Said:
    """Refused before the content: what was said last, and by which verb."""

    verb: str
    reply: Reply


class Front:
    """One worker's sessions."""

    def __init__(self, spool: SqliteSpool, logins: Logins) -> None:
        self.spool = spool
        self.logins = logins
        self.clock = StandingClock(NOW)
        self.sink = Sink()
        self.outbox = Outbox()
        self.receiving = Receiving()
        self.share_tallies(Tallies())
        self.addresses = Addresses(lambda: self.active, spool, self.clock)
        self.dead = DeadAddresses(lambda: spool.facts, self.clock)
        self.names = NoNames()
        self.homes = Homes(lambda: self.active, lambda: spool.facts, self.addresses, self.clock)
        self.examiner = Examiner(lambda: self.active, spool, self.clock, self.names)
        self.peers = Peers(lambda: self.active, self.names)
        self.configure()

    def share_tallies(self, tallies: Tallies) -> None:
        """Count in these tables from now on."""
        self.connections, self.errors, self.rate = Connections(tallies), Errors(tallies), Rate(tallies)
        self.guesses = Guesses(tallies)
        world = GuardWorld(self.guesses, lambda: self.spool.facts, self.clock, self.sink.emit)
        self.guard = LoginGuard(self.logins, world)

    def configure(self, *, secrets: tuple[bytes, ...] = (SECRET,), **changes: Any) -> None:
        """Take over another configuration, as a reload does."""
        snapshot = Snapshot.of(make_settings(**changes), (BAKERY, GARAGE))
        self.active = Active(snapshot, Keyring(secrets, {}))

    def submission(self, peer: str = "203.0.113.5") -> Session:
        """A session of an app that has not logged in."""
        who = Peer(ip_address(peer), 40000)
        common = Common(lambda: self.active, self.guard, self.rate, self.clock, self.addresses, self.dead)
        return self._session(SubmissionDesk(common, who), who)

    async def app(self) -> Session:
        """A session of the app `web`, logged in."""
        session = self.submission()
        session.hello(Hello("[203.0.113.5]", "TLSv1.3", esmtp=True))
        assert (await session.login("web", PASSWORD)).code == 235
        return session

    def mx(self, peer: str = "198.51.100.9") -> Session:
        """A session of another mail server."""
        who = Peer(ip_address(peer), 25000)
        counter = Counter(lambda: self.active, self.examiner, self.homes, self.peers, self.clock)
        session = self._session(MxDesk(counter, who), who)
        session.hello(Hello("mail.outside.example", None, esmtp=True))
        return session

    def _session(self, desk: SubmissionDesk | MxDesk, peer: Peer) -> Session:
        office = Office(
            lambda: self.active,
            self.spool,
            self.clock,
            self.sink,
            self.outbox,
            self.connections,
            self.receiving,
            self.errors,
            self.rate,
        )
        return Session(office, desk, peer)

    def octets(self, message: Message) -> bytes:
        return self.spool.read(message.content, 0, message.content.size)

    async def message(self, queue_id: str) -> Message:
        return (await self.spool.find(queue_id))[0].message


def mail(session: Session, sender: str) -> Reply:
    """MAIL as the edge asks it: `<a@b> SIZE=1`."""
    path, rest = parse_path(sender, null_allowed=True)
    return session.mail(path, parse_mail_parameters(rest))


async def rcpt(session: Session, recipient: str) -> Reply:
    path, rest = parse_path(recipient, null_allowed=False)
    assert path is not None
    parameters = parse_rcpt_parameters(rest)
    return await session.rcpt(Recipient(path, parameters.notify, parameters.orcpt))


async def begin(session: Session, sender: str, *recipients: str) -> Content:
    """A transaction up to the content, all of it agreed to."""
    assert mail(session, sender).code == 250
    for recipient in recipients:
        assert (await rcpt(session, recipient)).code == 250
    content = session.content()
    assert not isinstance(content, Reply), content
    return content


async def send(session: Session, sender: str, recipients: str | Sequence[str], octets: bytes = MAIL) -> Reply:
    """A whole transaction: the first reply that is no agreement, or the last one."""
    reply = mail(session, sender)
    for recipient in (recipients,) if isinstance(recipients, str) else recipients:
        if reply.is_positive:
            reply = await rcpt(session, recipient)
    content = session.content() if reply.is_positive else reply
    if isinstance(content, Reply):
        session.reset()
        return content
    content.write(octets)
    return await session.accept(content)
