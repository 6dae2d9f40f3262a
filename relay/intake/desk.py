"""What a session asks: the desk of its kind of listener, and whoever delivers what it has taken."""

from dataclasses import dataclass
from typing import Protocol

from relay.incoming.arrival import Arrival, Examined
from relay.mail.address import Address
from relay.mail.body_forms import BodyHashes
from relay.mail.envelope import MailParameters, Recipient
from relay.mail.message import Header
from relay.mail.reply import Reply
from relay.store.spool import Entry, Origin


class Outbox(Protocol):
    """Whoever delivers what this worker accepts."""

    def has_room(self, company: str) -> bool:
        """Whether the company's next message may be born leased to this worker."""
        ...

    def take(self, entry: Entry) -> None:
        """Deliver a committed message that was born leased."""
        ...

    async def take_for_verdict(self, entry: Entry) -> Reply | None:
        """As `take`; a refusal once it is written down that the writer, who is connected, hears it and nobody else.

        None when the mail has arrived, goes on waiting, or is not one to wait for.
        """
        ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """A recipient that may be sent to, and the company on whose behalf ("" for the relay itself)."""

    company: str


class Desk(Protocol):
    """What a kind of listener decides about a transaction."""

    origin: Origin
    app: str

    @property
    def peer_name(self) -> str:
        """The peer's name, where it is told to the world and the DNS confirms it; "" as long as it is not known."""
        ...

    def meet(self) -> None:
        """The peer has been let in, and nobody knows it: time to find out about it."""
        ...

    def part(self) -> None:
        """The connection ended."""
        ...

    def offers_login(self) -> bool:
        """Whether AUTH belongs here."""
        ...

    async def login(self, username: str, password: str) -> Reply:
        """See Gate.login."""
        ...

    def mail(self, reverse_path: Address | None, parameters: MailParameters) -> Reply:
        """Judge the reverse path."""
        ...

    async def rcpt(self, recipient: Recipient) -> Admitted | Reply:
        """Judge a recipient."""
        ...

    def most_recipients(self) -> int:
        """How many recipients one message may have."""
        ...

    def check(self, header: Header) -> Reply | None:
        """Judge the header."""
        ...

    def bodies(self, header: Header) -> BodyHashes:
        """The hashes of the body that are wanted beside our own, once the header has been judged."""
        ...

    async def before_commit(self, arrival: Arrival) -> Examined | Reply:
        """A look at the whole mail, and what is to be stored along with it; may fill in the companies.

        Or a refusal, for what only the store or the whole mail can tell. Raises SpoolError.
        """
        ...
