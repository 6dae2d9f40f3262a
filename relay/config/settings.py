"""What `relay.yaml` says, as frozen values.

In charge of names, types, defaults and descriptions of every key; the JSON Schema and the messages about wrong keys
come from here. Durations are seconds (float), sizes are octets (int). What depends on other files or other keys is
checked in `relay.config.checks`. Secrets stay references.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from relay.config.values.access import AppName, Companies, PasswordHash, SealableSecret, Secret
from relay.config.values.files import FilePath, StoreUrl
from relay.config.values.mail import Line, MailboxAddress, MailEvent, Selector
from relay.config.values.measures import Duration, Size, duration, parse_duration, size
from relay.config.values.network import (
    DomainName,
    HostName,
    Listening,
    NameServer,
    Network,
    Port,
    PublicUrl,
    SendingAddress,
    TargetHost,
    WebAddress,
)
from relay.events import MAIL_EVENTS
from relay.policy.company import Language, SinkKind
from relay.policy.invoice.words import INVOICE
from relay.policy.spoof import Spoofed

Count: TypeAlias = Annotated[int, Field(ge=1)]
ListenerTls: TypeAlias = Literal["starttls", "implicit", "none"]


class Model(BaseModel):
    """Strict and frozen: no unknown keys, no conversion between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Listener(Model):
    """Where SMTP is spoken, and when TLS begins."""

    address: Listening = Field(description="IP address and port: 0.0.0.0:587 or [::]:587.")
    tls: ListenerTls = Field(description="starttls, implicit (TLS from the first octet), or none.")
    proxy: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="Load balancers that begin each connection with a PROXY header; from others none is taken.",
    )


class MxListener(Model):
    """Where other mail servers bring mail; on this port TLS can only begin with STARTTLS (RFC 3207)."""

    address: Listening = Field(description="IP address and port: 0.0.0.0:25 or [::]:25.")
    tls: Literal["starttls", "none"] = Field(description="starttls or none.")
    proxy: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="Load balancers that begin each connection with a PROXY header; from others none is taken.",
    )


class WebListener(Model):
    """Where HTTP is spoken. TLS is the business of the reverse proxy before it."""

    address: Listening = Field(description="IP address and port: 127.0.0.1:8025.")
    public_url: PublicUrl | None = Field(
        default=None, description="Where people and apps reach this listener, through the proxy before it."
    )


class Listeners(Model):
    """A listener that is left out does not listen."""

    submission: Listener | None = Field(default=None, description="Mail from our apps, usually port 587.")
    submissions: Listener | None = Field(default=None, description="Mail from our apps, usually port 465.")
    mx: MxListener | None = Field(default=None, description="Mail from other servers, port 25.")
    web: WebListener | None = Field(default=None, description="Pages, calls of apps, metrics and health.")


class Tls(Model):
    """The certificate that the SMTP listeners show."""

    certificate: FilePath = Field(
        description="PEM file: the certificate, then the authorities between it and the root."
    )
    key: FilePath = Field(description="PEM file: the certificate's private key, without a passphrase.")


class Password(Model):
    """How an app proves who it is."""

    hash: PasswordHash = Field(description="argon2 hash of the password, as `relay app password` prints it.")


class AppLimits(Model):
    """How much one app may send."""

    messages_per_minute: Count | None = Field(default=None, description="Messages in any minute. Left out: no limit.")
    recipients_per_message: Count = Field(default=100, description="Recipients of one message.")


class Webhook(Model):
    """Where an app is told what happens to its mail."""

    url: WebAddress = Field(description="Gets the events by POST, as JSON.")
    secret: SealableSecret = Field(description="Signs what is sent, so that the app knows it is from us.")
    events: tuple[MailEvent, ...] = Field(
        default=MAIL_EVENTS,
        strict=False,
        description="Which events.",
        json_schema_extra={"default": [kind.value for kind in MAIL_EVENTS]},
    )
    allow_private: bool = Field(
        default=False, description="Let the URL lead into our own networks, and there also without TLS."
    )


class App(Model):
    """A program that submits mail: known by its password, its network, or both."""

    password: Password | None = Field(default=None, description="The app logs in with its name and this password.")
    networks: tuple[Network, ...] = Field(
        default=(), description="The app is known by where it connects from.", strict=False
    )
    allow_public: bool = Field(default=False, description="Let `networks` hold public addresses.")
    companies: Companies = Field(description="all, or a list of the companies it may send for.")
    unconfirmed: Literal["hold", "refuse"] = Field(
        default="hold",
        description="Mail of a company that has not confirmed its address: hold it until then, or refuse it.",
    )
    dead_addresses: Literal["deliver", "hold", "refuse"] = Field(
        default="deliver",
        description="Mail to an address that took none of the company's for good: try all the same, hold or refuse it.",
    )
    limits: AppLimits = Field(default=AppLimits(), description="How much it may send.")
    webhook: Webhook | None = Field(default=None, description="Tells the app what happens to its mail.")

    def may_send_for(self, slug: str) -> bool:
        """Whether the app may send in the name of that company."""
        return self.companies == "all" or slug in self.companies


class DkimKey(Model):
    """A key to sign mail of one domain with (RFC 6376). Several keys of a domain all sign."""

    domain: DomainName = Field(description="The signing domain (d=).")
    selector: Selector = Field(description="The selector (s=): the record is <selector>._domainkey.<domain>.")
    key: Secret = Field(description="PEM private key: RSA of at least 2048 bits, or Ed25519.")
    delegated: bool = Field(
        default=False,
        description="Sign for companies that point <selector>._domainkey of their domain here (CNAME), "
        "and not for `domain` itself.",
    )


class Secrets(Model):
    """Secrets of the relay itself."""

    signing: tuple[Secret, ...] = Field(
        min_length=1, strict=False, description="Signs the return addresses we hand out. The first signs, all verify."
    )
    sealing: tuple[Secret, ...] = Field(
        default=(),
        strict=False,
        description="Seals secrets in YAML and in the store. The first seals, all open. Left out: nothing is sealed.",
    )


class OAuthClient(Model):
    """One of our registrations with an issuer of tokens, for companies whose servers want OAuth2."""

    issuer: Literal["google", "microsoft"] | None = Field(
        default=None, description="Fills in addresses and scopes of a well-known issuer."
    )
    client_id: Line = Field(description="The registration's id; for a Google service account, its address.")
    client_secret: Secret | None = Field(default=None, description="The registration's secret.")
    key: Secret | None = Field(
        default=None, description="PEM private key (RSA) to sign assertions with, instead of a secret."
    )
    key_id: Line | None = Field(
        default=None, description="The key's name with the issuer: kid for Google, x5t for Microsoft."
    )
    token_url: Line | None = Field(default=None, description="Where tokens are issued.")
    authorize_url: Line | None = Field(default=None, description="Where people give consent.")
    device_url: Line | None = Field(default=None, description="Where consent by a code begins (RFC 8628).")
    scope: Line | None = Field(default=None, description="What we ask permission for.")
    ca: FilePath | None = Field(default=None, description="PEM file of authorities to trust besides the system's.")
    internal: bool = Field(default=False, description="Let the issuer be within our own networks.")


class Dns(Model):
    """How names are looked up."""

    servers: tuple[NameServer, ...] = Field(
        default=(),
        strict=False,
        description="IP addresses of name servers, with a port if not 53. Left out: those of /etc/resolv.conf.",
    )
    timeout: Duration = duration("5s", "How long one look-up may take in all.")
    validating: bool = Field(
        default=False,
        description="The servers check DNSSEC, and nobody can change answers on the way. "
        "Servers on this machine are believed without it.",
    )


class Limits(Model):
    """What one peer, one session and one worker may ask of us."""

    message_size: Size = size("35MiB", "Largest message taken (SIZE, RFC 1870).")
    recipients: Count = Field(default=100, description="Recipients of one message (RFC 5321 4.5.3.1.8: at least 100).")
    connections: Count = Field(
        default=1000, description="Connections of one worker at once: of our apps, and as many of other servers."
    )
    connections_per_peer: Count = Field(
        default=100, description="Connections from one IP address at once; from a network, four times as many."
    )
    messages_per_peer: Count = Field(
        default=600, description="Messages of one other server in a minute; of a network, four times as many."
    )
    errors_per_peer: Count = Field(
        default=100, description="Errors of one peer in ten minutes, beyond its mail, before it is turned away."
    )
    errors_per_session: Count = Field(default=10, description="Refused commands before a session is cut.")
    greeting_pause: Duration = duration("1s", "How long other servers wait for our greeting; robots do not.")
    blocklists: tuple[DomainName, ...] = Field(
        default=(),
        strict=False,
        description="Zones that list addresses (RFC 5782): other servers on one of these lists are refused.",
    )
    allowlists: tuple[DomainName, ...] = Field(
        default=(), strict=False, description="Zones that list addresses which no blocklist refuses."
    )
    allowed_networks: tuple[Network, ...] = Field(
        default=(), strict=False, description="Networks that no blocklist refuses."
    )
    idle_timeout: Duration = duration("5m", "Silence after which a session is cut (RFC 5321 4.5.3.2.7: 5 minutes).")
    data_timeout: Duration = duration("15m", "How long the octets of one message may take to come in.")
    receiving_bytes: Size = size("256MiB", "Octets of messages in reception at once in one worker; beyond it, 452.")


class Verification(Model):
    """Whether, and for how long, companies are asked to confirm their addresses."""

    required: bool = Field(
        default=True, description="No mail goes out for a company that has not confirmed its address."
    )
    valid: Duration = duration("7d", "How long the link and the code in the mail that asks are good.")


class Notices(Model):
    """Mail that the relay writes to people."""

    name: Line | None = Field(default=None, description="Who writes, as people see it. Left out: `domain`.")
    language: Annotated[Language, Field(strict=False)] = Field(
        default=Language.EN, description="Language for companies that name none, and for the postmaster."
    )
    per_day: Count = Field(default=20, description="Notices to one address in a day; the others wait for the next.")


class Smarthost(Model):
    """One host that takes all outgoing mail that no company's own server takes."""

    host: TargetHost = Field(description="Name or IP address.")
    port: Port = Field(default=25, description="Port.")
    tls: ListenerTls = Field(
        description="starttls and implicit demand TLS with a valid certificate; none is plain text."
    )


class DeliveryTimeouts(Model):
    """How long a receiving host may take over each step (RFC 5321 4.5.3.2)."""

    connect: Duration = duration("30s", "TCP connection, and TLS handshake.")
    greeting: Duration = duration("5m", "The first reply.")
    command: Duration = duration("5m", "Reply to EHLO, MAIL, RCPT and the others.")
    data: Duration = duration("3m", "Progress while a message is being sent.")
    final: Duration = duration("10m", "Reply to the final dot.")


_RETRY = ("1m", "5m", "15m", "30m", "1h", "2h", "4h")


class Delivery(Model):
    """How mail leaves."""

    port: Port = Field(default=25, description="Port of receiving hosts. Other than 25 only in a sandbox.")
    retry: tuple[Duration, ...] = Field(
        default=tuple(parse_duration(text) for text in _RETRY),
        min_length=1,
        strict=False,
        description="Waiting times between attempts; the last one repeats.",
        json_schema_extra={"default": list(_RETRY)},
    )
    expire: Duration = duration(
        "5d", "Age at which mail that cannot be delivered goes back (RFC 5321 4.5.4.1: 4 to 5 days)."
    )
    delay_notice: Duration = duration("4h", "Age at which the sending side is told that mail is late.")
    put_off: Duration = duration(
        "5d",
        "How long writers are asked to try again while a company's own address is not confirmed, or refuses mail; "
        "then its mail is refused.",
    )
    per_destination: Count = Field(default=20, description="Connections of one worker to one destination at once.")
    per_company: Count = Field(default=20, description="Deliveries of one worker for one company at once.")
    connections_idle: Duration = duration("10s", "How long a connection is kept for the next message.")
    timeouts: DeliveryTimeouts = Field(default=DeliveryTimeouts(), description="Patience with receiving hosts.")
    smarthost: Smarthost | None = Field(default=None, description="Send everything through this host.")
    ca: FilePath | None = Field(default=None, description="PEM file of authorities to trust besides the system's.")

    @property
    def is_sandbox(self) -> bool:
        """Whether receiving hosts, and what their domains name, may be on this machine."""
        return self.port != 25


class TlsReports(Model):
    """Reports to domains that ask for them: how TLS to their mail hosts went (RFC 8460)."""

    send: bool = Field(default=True, description="Count, and send a report to such a domain once a day.")
    contact: MailboxAddress | None = Field(
        default=None, description="Whom to ask about a report. Left out: postmaster@`domain`."
    )


class OwnDomain(Model):
    """How companies' own domains are asked for, and watched."""

    spf_include: DomainName | None = Field(
        default=None, description="What companies include in their SPF record. Left out: `domain`."
    )
    demote_after: Duration = duration(
        "1h", "How long a domain that was in order has to fail before its mail goes out in another name."
    )
    recheck: Duration = duration("1h", "Least time between two looks at a domain that no mail asks for.")


class Mailboxes(Model):
    """How companies' mailboxes are read for invoices."""

    poll: Duration = duration("5m", "How often each mailbox is looked at.")
    at_once: Count = Field(default=32, description="Mailboxes that one worker reads at once.")
    per_host: Count = Field(default=8, description="Mailboxes on one host that one worker reads at once.")
    idle_per_host: int = Field(
        default=10_000,
        ge=0,
        description="Mailboxes on one host to which one worker keeps a connection, to see new mail at once.",
    )
    message_size: Size = size("40MiB", "Largest mail that is read; larger ones are parked.")
    words: tuple[Line, ...] = Field(
        default=INVOICE,
        strict=False,
        description="Words in names, subjects and texts that speak for an invoice.",
        json_schema_extra={"default": list(INVOICE)},
    )
    enough: int = Field(
        default=50,
        ge=1,
        le=100,
        description="Points that make a document. A PDF begins with 50, a word adds 25 or 35: 60 demands a word.",
    )
    report: Literal["parked", "none"] = Field(
        default="parked",
        description="Send the company a mail that may hold an invoice and could not be taken: parked, or none.",
    )
    allow_private: bool = Field(default=False, description="Let mailboxes be on hosts in our own networks.")


class FastInputApi(Model):
    """Billit's interface for Fast input."""

    url: WebAddress = Field(default="https://api.billit.be", description="Where it is, without /v1.")
    key: SealableSecret | None = Field(default=None, description="Goes along as ApiKey.")
    token: SealableSecret | None = Field(default=None, description="Goes along as bearer token, instead of a key.")
    idempotency_header: Line = Field(
        default="Idempotency-Key", description="The field that says which document was sent already."
    )
    timeout: Duration = duration("60s", "How long one upload may take.")
    allow_private: bool = Field(
        default=False, description="Let the URL lead into our own networks, and there also without TLS."
    )


class FastInputWebhook(Model):
    """An endpoint of your own."""

    url: WebAddress = Field(description="Gets the documents by POST, as JSON.")
    secret: SealableSecret = Field(description="Signs what is sent, so that the endpoint knows it is from us.")
    timeout: Duration = duration("60s", "How long one document may take.")
    allow_private: bool = Field(
        default=False, description="Let the URL lead into our own networks, and there also without TLS."
    )


class FastInput(Model):
    """Where invoices out of mailboxes go."""

    sink: Literal["api", "webhook", "folder"] | None = Field(
        default=None, description="Which of these, for companies that choose none. Left out: the only one there is."
    )

    api: FastInputApi | None = Field(default=None, description="To Billit's interface.")
    webhook: FastInputWebhook | None = Field(default=None, description="To an endpoint of your own.")
    folder: FilePath | None = Field(default=None, description="Into this folder, in a folder for each company.")

    @property
    def offered(self) -> tuple[SinkKind, ...]:
        """The ways that are configured."""
        known = {SinkKind.API: self.api, SinkKind.WEBHOOK: self.webhook, SinkKind.FOLDER: self.folder}
        return tuple(kind for kind, value in known.items() if value is not None)

    @property
    def kind(self) -> SinkKind | None:
        """The way for companies that choose none."""
        return SinkKind(self.sink) if self.sink is not None else next(iter(self.offered), None)


class Authentication(Model):
    """What mail from other servers has to prove."""

    spoofed: Annotated[Spoofed, Field(strict=False)] = Field(
        default=Spoofed.AS_ASKED,
        description="What becomes of mail that DMARC finds to be in a false name.",
    )
    trusted_sealers: tuple[DomainName, ...] = Field(
        default=(), strict=False, description="Domains whose ARC seals are believed when they say that DMARC passed."
    )


class Spool(Model):
    """What stays after delivery."""

    keep_history: Duration = duration("14d", "How long finished mail can be traced.")
    keep_incoming: Duration = duration("30d", "How long mail from outside that is held waits before it expires.")


class Log(Model):
    """The log goes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )
    format: Literal["json", "console"] = Field(default="json", description="json for machines, console for people.")


class Settings(Model):
    """Everything in relay.yaml."""

    hostname: HostName = Field(description="Our name in greetings, EHLO and trace fields. It should resolve to us.")
    domain: DomainName = Field(description="The alias domain: every company has <alias>@<domain>.")
    postmaster: MailboxAddress = Field(
        description="Gets mail for postmaster@<domain>, and bounces nobody else can get."
    )
    store: StoreUrl = Field(default="sqlite:var/relay.db", description="Where state is kept: sqlite: and a path.")
    sending_addresses: tuple[SendingAddress, ...] = Field(
        min_length=1, strict=False, description="Every IP address that the world sees us send from (for SPF)."
    )
    listeners: Listeners = Field(default=Listeners(), description="Where we listen.")
    tls: Tls | None = Field(default=None, description="The listeners' certificate.")
    apps: dict[AppName, App] = Field(default_factory=dict, description="Programs that submit mail, by login name.")
    dkim: tuple[DkimKey, ...] = Field(default=(), strict=False, description="Keys to sign mail with.")
    secrets: Secrets = Field(description="Secrets of the relay itself.")
    oauth2: dict[AppName, OAuthClient] = Field(
        default_factory=dict, description="Our registrations with issuers of tokens, by a name of ours."
    )
    dns: Dns = Field(default=Dns(), description="How names are looked up.")
    limits: Limits = Field(default=Limits(), description="What peers may ask of us.")
    verification: Verification = Field(default=Verification(), description="Confirming companies' addresses.")
    notices: Notices = Field(default=Notices(), description="Mail that the relay writes to people.")
    delivery: Delivery = Field(default=Delivery(), description="How mail leaves.")
    tls_reports: TlsReports = Field(default=TlsReports(), description="Reports about TLS to domains that want them.")
    own_domain: OwnDomain = Field(default=OwnDomain(), description="How companies' own domains are watched.")
    mailboxes: Mailboxes = Field(default=Mailboxes(), description="How companies' mailboxes are read.")
    fast_input: FastInput = Field(default=FastInput(), description="Where invoices out of mailboxes go.")
    workers: int = Field(default=0, ge=0, le=1024, description="Worker processes. 0: one a core.")
    authentication: Authentication = Field(
        default=Authentication(), description="What mail from other servers has to prove."
    )
    spool: Spool = Field(default=Spool(), description="What stays after delivery.")
    log: Log = Field(default=Log(), description="What is logged, and how.")

    @property
    def spf_include(self) -> str:
        """What companies include in their SPF record."""
        return self.own_domain.spf_include or self.domain
