"""One worker's notices over a spool of its own."""

import email
import email.policy
from email.message import EmailMessage
from typing import Any

from relay.config.keyring import Active, Keyring
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.facts.addresses import Addresses
from relay.facts.troubles import Troubles
from relay.mail.address import Address
from relay.notices.courier import Courier, Posting
from relay.policy.company import Company, IdentityKind, Language, Otherwise
from relay.store.spool import Entry, Origin, Selection
from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import Sink, StandingClock

DAY = 86400
NOW = 20_000.0 * DAY + 3600
SECRET = b"the secret of the tests"
BAKERY = Company("bakery", "Bäckerei & Söhne", Address("info", "bakery.example"), "bakery", language=Language.DE)
GARAGE = Company(
    "garage",
    "Garage",
    Address("info", "garage.example"),
    "garage",
    identity=IdentityKind.OWN_DOMAIN,
    otherwise=Otherwise.HOLD,
)


class House:
    """What notices of one worker live in."""

    def __init__(self, spool: SqliteSpool, clock: StandingClock) -> None:
        self.spool = spool
        self.clock = clock
        self.sink = Sink()
        self.looked = 0
        self.configure()
        self.troubles = Troubles(spool.facts, clock)
        self.addresses = Addresses(lambda: self.active, spool, clock)
        self.courier = self.make_courier()

    def configure(self, *companies: Company, **changes: Any) -> None:
        """Take over another configuration, as a reload does."""
        given = {
            "hostname": "mx1.my.relay.example",
            "domain": "my.relay.example",
            "postmaster": "postmaster@operator.example",
            "sending_addresses": ["192.0.2.1"],
            "secrets": {"signing": [{"file": "never-read"}]},
            "listeners": {"web": {"address": "127.0.0.1:8025", "public_url": "https://mail.relay.example/x/"}},
        }
        snapshot = Snapshot.of(Settings.model_validate(given | changes), companies or (BAKERY, GARAGE))
        self.active = Active(snapshot, Keyring((SECRET,), {}))

    def make_courier(self) -> Courier:
        """Another worker's courier, over the same spool."""
        posting = Posting(lambda: self.active, self.spool, self.clock, self.sink, self._look)
        return Courier(posting, self.addresses)

    def _look(self) -> None:
        self.looked += 1

    async def entries(self) -> list[Entry]:
        """Every notice in the queue, oldest first."""
        return [entry for entry in await self.spool.select(Selection()) if entry.message.origin is Origin.NOTICE]

    async def mails(self) -> list[EmailMessage]:
        """The same, as a mail program reads them."""
        return [self.read(entry) for entry in await self.entries()]

    def read(self, entry: Entry) -> EmailMessage:
        content = entry.message.content
        return read_mail(self.spool.read(content, 0, content.size))


def read_mail(octets: bytes) -> EmailMessage:
    """A mail as a mail program reads it."""
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(mail: EmailMessage) -> str:
    """What a person reads, with plain line ends."""
    return str(mail.get_content()).replace("\r\n", "\n")
