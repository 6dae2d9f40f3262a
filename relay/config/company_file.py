"""What a file in `companies/` says, and the `Company` that comes of it.

In charge of names, types, defaults and descriptions of the keys of one company. What depends on other files is
checked in `relay.config.checks`.
"""

import re
from datetime import date
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, PositiveInt, WithJsonSchema

from relay.config.errors import did_you_mean
from relay.config.settings import Model
from relay.config.values.access import AppName, SealableSecret, Tenant
from relay.config.values.files import FilePath
from relay.config.values.mail import Alias, Line, MailboxAddress
from relay.config.values.network import Port, TargetHost
from relay.config.values.writing import shown, wrong
from relay.mail.address import Address, AddressError, parse_address
from relay.policy.company import After, Company, Grant, IdentityKind, Language, Otherwise, SinkKind
from relay.policy.company import FastInput as CompanyFastInput
from relay.policy.company import Mailbox as CompanyMailbox
from relay.policy.company import OAuth2 as CompanyOAuth2
from relay.policy.company import Server as CompanyServer
from relay.policy.pacing import Pace
from relay.policy.providers import provider_for
from relay.policy.spoof import Spoofed

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?", re.ASCII)
_KINDS = {kind.value: kind for kind in IdentityKind}


class OAuth2(Model):
    """Login with a token instead of a password."""

    client: AppName = Field(description="One of the registrations under `oauth2` in relay.yaml.")
    grant: Annotated[Grant, Field(strict=False)] = Field(
        default=Grant.REFRESH_TOKEN,
        description="refresh-token: the company consents. client-credentials: the registration itself has the "
        "permission. jwt-bearer: a Google service account acts for the user.",
    )
    refresh_token: SealableSecret | None = Field(
        default=None, description="A refresh token had elsewhere. Left out: the company consents here."
    )
    tenant: Tenant | None = Field(default=None, description="Microsoft: the organisation's directory.")


class ServerPace(Model):
    """How fast the account may send; the rest waits here. 0: no limit."""

    per_minute: int = Field(default=0, ge=0, description="Messages in any minute.")
    per_day: int = Field(default=0, ge=0, description="Recipients in any 24 hours.")


class Server(Model):
    """The company's own submission server. It has either a password or oauth2."""

    host: TargetHost = Field(description="Name or IP address.")
    port: Port = Field(default=587, description="Port.")
    tls: Literal["starttls", "implicit"] = Field(
        default="starttls", description="How TLS begins; it is never left out."
    )
    username: Line = Field(description="Name of the account.")
    password: SealableSecret | None = Field(default=None, description="Where the account's password is kept.")
    oauth2: OAuth2 | None = Field(default=None, description="Log in with a token, instead of a password.")
    pace: ServerPace | None = Field(default=None, description="How fast to send. Left out: what its provider allows.")
    ca: FilePath | None = Field(default=None, description="PEM file of authorities to trust besides the system's.")


def parse_wishes(value: object) -> tuple[IdentityKind, ...]:
    """One identity, or several in order of preference; nothing can follow alias, which is always believed."""
    names = value if isinstance(value, list) else [value]
    wishes: list[IdentityKind] = []
    for name in names:
        if not isinstance(name, str) or name not in _KINDS:
            hint = did_you_mean(name, list(_KINDS)) if isinstance(name, str) else ""
            hint = "" if hint.startswith("Known") else hint
            raise wrong(f"{shown(name)} is not one of {', '.join(_KINDS)}", hint)
        wishes.append(_KINDS[name])
    if not wishes:
        raise wrong("the list is empty", "Write one identity, or several in order of preference.")
    if len(set(wishes)) < len(wishes):
        raise wrong("an identity stands here twice")
    if IdentityKind.ALIAS in wishes[:-1]:
        raise wrong("nothing is tried after alias", "Write alias last, or leave it out and see `otherwise`.")
    return tuple(wishes)


Wishes: TypeAlias = Annotated[
    tuple[IdentityKind, ...],
    PlainValidator(parse_wishes),
    PlainSerializer(lambda wishes: wishes[0].value if len(wishes) == 1 else [wish.value for wish in wishes]),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [*_KINDS]},
                {"type": "array", "items": {"enum": [*_KINDS]}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]


class Outgoing(Model):
    """In whose name the company's mail goes out."""

    identity: Wishes = Field(
        default=(IdentityKind.ALIAS,),
        json_schema_extra={"default": IdentityKind.ALIAS.value},
        description="alias: in the name of <alias>@<our domain>. own-domain: in its own name, from our servers. "
        "own-server: in its own name, through its own mail server. A list: the first that would be believed.",
    )
    author: MailboxAddress | None = Field(
        default=None, alias="from", description="The From address in the company's own name. Default: `address`."
    )
    otherwise: Annotated[Otherwise, Field(strict=False)] = Field(
        default=Otherwise.ALIAS,
        description="While the identity would not be believed: alias (send as alias) or hold (wait).",
    )
    server: Server | None = Field(default=None, description="The company's own mail server, for own-server.")
    vouched: Line | None = Field(
        default=None,
        description="Why you are sure that the domain is the company's. Left out: it has to prove that in the DNS.",
    )


def parse_day(value: object) -> date:
    """A day of the calendar."""
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise wrong(f"{shown(value)} is not a day", 'Write it as "2026-01-31", with the quotation marks.')


Day: TypeAlias = Annotated[date, PlainValidator(parse_day), WithJsonSchema({"type": "string", "format": "date"})]


class Mailbox(Model):
    """The company's own mailbox, read for invoices."""

    host: TargetHost | None = Field(
        default=None, description="Name or IP address of its IMAP server. Left out: found by the account's address."
    )
    port: Port = Field(default=993, description="Port.")
    tls: Literal["implicit", "starttls"] = Field(
        default="implicit", description="How TLS begins; it is never left out."
    )
    username: Line | None = Field(default=None, description="Name of the account. Left out: the company's `address`.")
    password: SealableSecret | None = Field(default=None, description="Where the account's password is kept.")
    oauth2: OAuth2 | None = Field(default=None, description="Log in with a token, instead of a password.")
    folder: Line = Field(default="INBOX", description="The folder that is read.")
    after: Annotated[After, Field(strict=False)] = Field(
        default=After.KEEP,
        description="What is done to a mail whose documents have been taken: keep (nothing), seen, flag, keyword "
        "($FastInput), move, delete.",
    )
    move_to: Line | None = Field(default=None, description="The folder for `after: move`; it has to be there.")
    since: Day | None = Field(
        default=None, description="Read also mail that is there already, from this day on. Left out: only new mail."
    )
    ca: FilePath | None = Field(default=None, description="PEM file of authorities to trust besides the system's.")


class FastInput(Model):
    """What goes along with the company's documents."""

    party_id: PositiveInt | None = Field(default=None, description="Billit's number of the company (PartyID).")
    context_party_id: PositiveInt | None = Field(
        default=None, description="Billit's number of the client that an accountant acts for (ContextPartyID)."
    )
    split: bool = Field(default=False, description="Let Fast input split PDF files into several invoices.")
    subject: bool = Field(default=False, description="Send the subject of the mail along as description.")
    sink: Annotated[SinkKind, Field(strict=False)] | None = Field(
        default=None,
        description="Where its documents go: api, webhook or folder (of relay.yaml), or mail (to its address here). "
        "Left out: mail if there is an address, else what relay.yaml says.",
    )
    address: SealableSecret | None = Field(
        default=None, description="Its secret mail address at Fast input, for files that stay whole."
    )
    split_address: SealableSecret | None = Field(
        default=None, description="Its secret mail address at Fast input, for files that are split (`split`)."
    )


class Incoming(Model):
    """Where the company's invoices come in."""

    mailbox: Mailbox | None = Field(default=None, description="The company's own mailbox, read for invoices.")
    fast_input: FastInput = Field(default=FastInput(), description="What goes along with the company's documents.")
    spoofed: Annotated[Spoofed, Field(strict=False)] | None = Field(
        default=None, description="What becomes of mail in a false name. Left out: what the relay does."
    )
    answers: Literal["forward", "mailbox"] = Field(
        default="forward",
        description="What comes for the alias: send it to the company's address, or lay it into its mailbox by IMAP.",
    )
    cut_through: bool = Field(
        default=False,
        description="Writers outside hear what the company's mail host says of their mail while they are connected.",
    )


class CompanyFile(Model):
    """Everything in companies/<slug>.yaml."""

    name: Line = Field(description="The company's name, as people know it.")
    address: MailboxAddress = Field(description="The company's own address: answers go there.")
    alias: Alias = Field(description="Local part of the company's address on our domain.")
    language: Annotated[Language, Field(strict=False)] | None = Field(
        default=None, description="Language of notices and pages. Left out: the relay's."
    )
    outgoing: Outgoing = Field(default=Outgoing(), description="In whose name mail goes out.")
    incoming: Incoming = Field(default=Incoming(), description="Where the company's invoices come in.")

    def company(self, slug: str) -> Company:
        """The company. An own server is there when the identity needs one (`relay.config.compiler` has checked it)."""
        outgoing, incoming = self.outgoing, self.incoming
        return Company(
            slug=slug,
            name=self.name,
            address=self.address,
            alias=self.alias,
            identity=outgoing.identity[0],
            then=outgoing.identity[1:],
            author=outgoing.author or self.address,
            otherwise=outgoing.otherwise,
            server=None if outgoing.server is None else _server(slug, outgoing.server, self._uses("send")),
            language=self.language,
            vouched=outgoing.vouched or "",
            mailbox=None if incoming.mailbox is None else self._mailbox(slug, incoming.mailbox),
            fast_input=CompanyFastInput(**dict(incoming.fast_input)),
            spoofed=incoming.spoofed,
            cut_through=incoming.cut_through,
            into_mailbox=incoming.answers == "mailbox",
        )

    def _mailbox(self, slug: str, mailbox: Mailbox) -> CompanyMailbox:
        account = account_of(mailbox, self.address)
        provider = provider_for(account.domain)
        known = None if provider is None or mailbox.host is not None else provider.imap
        where = {"host": mailbox.host or "", "port": mailbox.port, "tls": mailbox.tls}
        if known is not None:
            where = {"host": known.host, "port": known.port, "tls": known.tls}
        return CompanyMailbox(
            **{
                **dict(mailbox),
                **where,
                "username": username_of(mailbox, self.address),
                "oauth2": _oauth2(slug, mailbox.oauth2, self._uses("read")),
                "sought": None if where["host"] else account,
            }
        )

    def _uses(self, use: Literal["send", "read"]) -> Literal["send", "read", "both"]:
        server, mailbox = self.outgoing.server, self.incoming.mailbox
        if server is None or mailbox is None or server.oauth2 is None or mailbox.oauth2 is None:
            return use
        return "both" if server.username == username_of(mailbox, self.address) else use


def username_of(mailbox: Mailbox, address: Address) -> str:
    """What the account of a company with that address is called."""
    if mailbox.username is not None:
        return mailbox.username
    provider = None if mailbox.host is not None else provider_for(address.domain)
    return str(address) if provider is None else provider.username(address)


def account_of(mailbox: Mailbox, address: Address) -> Address:
    """The address whose domain says where the account is: its name, if that is one, or the company's address."""
    try:
        account = parse_address(mailbox.username or "")
    except AddressError:
        return address
    return address if account.domain.startswith("[") else account


def _oauth2(slug: str, oauth2: OAuth2 | None, uses: Literal["send", "read", "both"]) -> CompanyOAuth2 | None:
    if oauth2 is None:
        return None
    return CompanyOAuth2(slug, oauth2.client, oauth2.grant, oauth2.refresh_token, oauth2.tenant or "", uses)


def _server(slug: str, server: Server, uses: Literal["send", "read", "both"]) -> CompanyServer:
    return CompanyServer(
        server.host,
        server.port,
        server.tls,
        server.username,
        server.password,
        server.ca,
        _oauth2(slug, server.oauth2, uses),
        None if server.pace is None else Pace(server.pace.per_minute, server.pace.per_day),
    )
