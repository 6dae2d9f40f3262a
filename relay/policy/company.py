"""What is known about a company: its alias, its own address, and in whose name its mail should go out.

In charge of the values only. Reading and checking files is `relay.config`; choosing an identity for one mail is
`relay.policy.identity`. Passwords never pass through here: a server carries a reference to one.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal, Protocol

from relay.mail.address import Address
from relay.policy.pacing import Pace
from relay.policy.spoof import Spoofed


class IdentityKind(StrEnum):
    """In whose name a company wants its mail to go out."""

    ALIAS = "alias"
    OWN_DOMAIN = "own-domain"
    OWN_SERVER = "own-server"


class Otherwise(StrEnum):
    """What happens to mail while the wanted identity would not be believed."""

    ALIAS = "alias"
    HOLD = "hold"


class Language(StrEnum):
    """In which language people are spoken to."""

    NL = "nl"
    FR = "fr"
    EN = "en"
    DE = "de"


class SecretKind(StrEnum):
    """Where a secret is kept: environment variable, file, systemd credential, or sealed where the reference stands."""

    ENV = "env"
    FILE = "file"
    CREDENTIAL = "credential"
    SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where to find a secret, never the secret itself. `str` and `repr` are safe to log.

    Of a sealed one, `name` is the sealed text and `place` where it stands, without which it does not open.
    """

    kind: SecretKind
    name: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.place if self.kind is SecretKind.SEALED else self.name}"


class Grant(StrEnum):
    """How a token is had: by the company's consent, as an application (RFC 6749 4.4), or as a service (RFC 7523)."""

    REFRESH_TOKEN = "refresh-token"  # noqa: S105 -- the name of a grant
    CLIENT_CREDENTIALS = "client-credentials"
    JWT_BEARER = "jwt-bearer"


@dataclass(frozen=True, slots=True)
class OAuth2:
    """Login with a token. `company` is whose it is, `client` one of our registrations with issuers of tokens.

    `refresh_token` is one that was had elsewhere; without it the company has to consent. `uses` says what for: an
    account that is sent through and read has one token for both.
    """

    company: str
    client: str
    grant: Grant = Grant.REFRESH_TOKEN
    refresh_token: SecretRef | None = None
    tenant: str = ""
    uses: Literal["send", "read", "both"] = "send"


class Account(Protocol):
    """An account somewhere else: a server for sending, or a mailbox."""

    @property
    def username(self) -> str:
        """Its name there."""
        ...

    @property
    def oauth2(self) -> OAuth2 | None:
        """How tokens for it are had; None when it has a password."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """The company's own submission server. `ca` is a PEM file to trust besides the system's authorities.

    There is either a password or OAuth2. `pace` is what the provider allows, None what is known of it.
    """

    host: str
    port: int
    tls: Literal["starttls", "implicit"]
    username: str
    password: SecretRef | None
    ca: str | None = None
    oauth2: OAuth2 | None = None
    pace: Pace | None = None


class After(StrEnum):
    """What is done in the mailbox to a mail whose documents have been handed on."""

    KEEP = "keep"
    SEEN = "seen"
    FLAG = "flag"
    KEYWORD = "keyword"
    MOVE = "move"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox that is read for invoices: by IMAP, always with TLS.

    `sought` is the address whose server has to be found (`relay.facts.whereabouts`), and `host` is "" then; None where
    the server is known.
    `since` is the day from which mail counts that was there before; None: only what comes in after the beginning.
    `move_to` is the folder for `After.MOVE`. There is either a password or OAuth2.
    """

    host: str
    port: int
    tls: Literal["starttls", "implicit"]
    username: str
    password: SecretRef | None
    folder: str = "INBOX"
    after: After = After.KEEP
    move_to: str | None = None
    since: date | None = None
    ca: str | None = None
    oauth2: OAuth2 | None = None
    sought: Address | None = None

    @property
    def realm(self) -> str:
        """Where the account is, also while its server is still to be found: the host, or the domain it is found by."""
        return self.host.lower() if self.sought is None else self.sought.ascii_domain


class SinkKind(StrEnum):
    """The ways to hand documents on."""

    API = "api"
    MAIL = "mail"
    WEBHOOK = "webhook"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class FastInput:
    """What Fast input has to know with the documents of a company; None and False are not said.

    `sink` is the company's own choice, None means the relay's. `address` and `split_address` are where Fast input takes
    mail for this company: whoever knows them can put invoices there, so they are secrets.
    """

    party_id: int | None = None
    context_party_id: int | None = None
    split: bool = False
    subject: bool = False
    sink: SinkKind | None = None
    address: SecretRef | None = None
    split_address: SecretRef | None = None

    @property
    def mail_address(self) -> SecretRef | None:
        """Where mail with the company's documents goes, if anywhere."""
        return self.split_address if self.split else self.address


@dataclass(frozen=True, slots=True)
class Company:
    """One company (tenant). `slug` is the name of its file without ".yaml".

    `author` is the address in From when mail goes out in the company's own name; None means `address`.
    `identity` is what the company wishes first, `then` what it wishes next, in order.
    `server` is there whenever OWN_SERVER is among the wishes. `language` is that of its people, None means the relay's.
    `mailbox` is read for invoices, `fast_input` goes along with them.
    `spoofed` is what becomes of mail in a false name, None means what the relay does. `cut_through`: writers outside
    hear what the company's own host says of their mail while they are connected. `into_mailbox`: what comes for the
    alias is laid into `mailbox`, instead of being sent to `address`.
    `vouched` says why the operator is sure that the company's domain is its own; empty: the company has to prove it.
    """

    slug: str
    name: str
    address: Address
    alias: str
    identity: IdentityKind = IdentityKind.ALIAS
    author: Address | None = None
    otherwise: Otherwise = Otherwise.ALIAS
    server: Server | None = None
    language: Language | None = None
    then: tuple[IdentityKind, ...] = ()
    vouched: str = ""
    mailbox: Mailbox | None = None
    fast_input: FastInput = FastInput()
    spoofed: Spoofed | None = None
    cut_through: bool = False
    into_mailbox: bool = False

    def __post_init__(self) -> None:
        if IdentityKind.OWN_SERVER in self.wishes and self.server is None:
            raise ValueError(f"company {self.slug}: identity own-server needs a server")

    @property
    def wishes(self) -> tuple[IdentityKind, ...]:
        """The identities the company wishes for, best first."""
        return (self.identity, *self.then)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts that tokens are had for, one for each name: where it sends first."""
        both = (self.server, self.mailbox)
        named = {account.username: account for account in reversed(both) if account is not None and account.oauth2}
        return tuple(account for account in both if account is not None and named.get(account.username) is account)

    @property
    def own_author(self) -> Address:
        """The address in From when mail goes out in the company's own name."""
        return self.author or self.address
