"""A company as a few octets: what a snapshot keeps in memory and the compiled cache keeps on disk.

In charge of `pack` and `unpack`, which are each other's inverse. The form is JSON, so reading a record can never
run code. A record holds references to secrets, or sealed ones, never secrets.
"""

import json
from datetime import date
from typing import Any

from relay.config.sealing import place_of
from relay.mail.address import Address
from relay.policy.company import (
    After,
    Company,
    FastInput,
    Grant,
    IdentityKind,
    Language,
    Mailbox,
    OAuth2,
    Otherwise,
    SecretKind,
    SecretRef,
    Server,
    SinkKind,
)
from relay.policy.pacing import Pace
from relay.policy.spoof import Spoofed

_FIELDS = 16
_MAILBOX_MARK = b'["imap",'
_SINK_MARKS = tuple(f',"{kind}"'.encode() for kind in SinkKind)


def pack(company: Company) -> bytes:
    """The company without its slug."""
    author = company.author
    fields: list[Any] = [
        company.name,
        company.address.local,
        company.address.domain,
        company.alias,
        company.identity.value,
        company.otherwise.value,
        None if author is None else [author.local, author.domain],
        None if company.server is None else _pack_server(company.server),
        company.language,
        [wish.value for wish in company.then] or None,
        company.vouched or None,
        None if company.mailbox is None else _pack_mailbox(company.mailbox),
        _pack_fast_input(company.fast_input) or None,
        None if company.spoofed is None else company.spoofed.value,
        company.cut_through or None,
        company.into_mailbox or None,
    ]
    while fields[-1] is None:  # what most companies do not have takes no room
        fields.pop()
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _pack_server(server: Server) -> list[Any]:
    password = None if server.password is None else _pack_secret(server.password)
    fields: list[Any] = [server.host, server.port, server.tls, server.username, password, server.ca]
    if server.oauth2 is None and server.pace is None:
        return fields
    oauth2 = None if server.oauth2 is None else _pack_oauth2(server.oauth2)
    pace = None if server.pace is None else [server.pace.per_minute, server.pace.per_day]
    return [*fields, oauth2, pace]


def _pack_oauth2(oauth2: OAuth2) -> list[Any]:
    token = oauth2.refresh_token
    uses = [] if oauth2.uses == "send" else [oauth2.uses]
    return [oauth2.client, oauth2.grant.value, None if token is None else _pack_secret(token), oauth2.tenant, *uses]


def _pack_mailbox(mailbox: Mailbox) -> list[Any]:
    password = None if mailbox.password is None else _pack_secret(mailbox.password)
    sought = mailbox.sought
    host = mailbox.host if sought is None else [sought.local, sought.domain]
    where = ["imap", host, mailbox.port, mailbox.tls, mailbox.username, password]
    since = None if mailbox.since is None else mailbox.since.isoformat()
    oauth2 = [] if mailbox.oauth2 is None else [_pack_oauth2(mailbox.oauth2)]
    return [*where, mailbox.folder, mailbox.after.value, mailbox.move_to, since, mailbox.ca, *oauth2]


def _unpack_mailbox(slug: str, fields: list[Any]) -> Mailbox:
    _, host, port, tls, username, password, folder, after, move_to, since, ca, *more = fields
    day = None if since is None else date.fromisoformat(since)
    secret = None if password is None else _unpack_secret(slug, password)
    oauth2 = _unpack_oauth2(slug, more[0]) if more else None
    sought = None if isinstance(host, str) else Address(*host)
    name = host if sought is None else ""
    return Mailbox(name, port, tls, username, secret, folder, After(after), move_to, day, ca, oauth2, sought)


def _pack_fast_input(about: FastInput) -> list[Any]:
    addresses = (None if each is None else _pack_secret(each) for each in (about.address, about.split_address))
    wishes = (about.split or None, about.subject or None, about.sink)
    fields = [about.party_id, about.context_party_id, *wishes, *addresses]
    while fields and fields[-1] is None:
        fields.pop()
    return fields


def _unpack_fast_input(slug: str, fields: list[Any]) -> FastInput:
    fields = [*fields, *[None] * (7 - len(fields))]
    party, context, split, subject, sink, *addresses = fields
    first, second = (None if each is None else _unpack_secret(slug, each) for each in addresses)
    kind = None if sink is None else SinkKind(sink)
    return FastInput(party, context, bool(split), bool(subject), kind, first, second)


def sink_in(record: bytes) -> bool:
    """Whether a company's record may choose a sink; next to free, and right when it says no."""
    return any(mark in record for mark in _SINK_MARKS)


def _pack_secret(secret: SecretRef) -> list[str]:
    """The company in a place is the one whose record this is."""
    field = secret.place.partition("/")[2]
    return [secret.kind.value, secret.name, *([field] if field else [])]


def mailbox_in(record: bytes) -> bool:
    """Whether a company's record has a mailbox; next to free for those that have none."""
    # No field before it can hold the mark: text there has its quotation marks escaped.
    return _MAILBOX_MARK in record


def unpack(slug: str, record: bytes) -> Company:
    """The company that `pack` made this record of."""
    fields = json.loads(record)
    fields += [None] * (_FIELDS - len(fields))
    name, local, domain, alias, identity, otherwise, author, server, language, then, vouched, *incoming = fields
    return Company(
        slug=slug,
        name=name,
        address=Address(local, domain),
        alias=alias,
        identity=IdentityKind(identity),
        author=None if author is None else Address(*author),
        otherwise=Otherwise(otherwise),
        server=None if server is None else _unpack_server(slug, server),
        language=None if language is None else Language(language),
        then=tuple(IdentityKind(wish) for wish in then or ()),
        vouched=vouched or "",
        mailbox=None if incoming[0] is None else _unpack_mailbox(slug, incoming[0]),
        fast_input=_unpack_fast_input(slug, incoming[1] or []),
        spoofed=None if incoming[2] is None else Spoofed(incoming[2]),
        cut_through=bool(incoming[3]),
        into_mailbox=bool(incoming[4]),
    )


def _unpack_server(slug: str, fields: list[Any]) -> Server:
    host, port, tls, username, password, ca, *more = fields
    oauth2, pace = more or (None, None)
    return Server(
        host,
        port,
        tls,
        username,
        None if password is None else _unpack_secret(slug, password),
        ca,
        None if oauth2 is None else _unpack_oauth2(slug, oauth2),
        None if pace is None else Pace(*pace),
    )


def _unpack_oauth2(slug: str, fields: list[Any]) -> OAuth2:
    client, grant, token, tenant, *uses = fields
    return OAuth2(slug, client, Grant(grant), None if token is None else _unpack_secret(slug, token), tenant, *uses)


def _unpack_secret(slug: str, fields: list[str]) -> SecretRef:
    kind, name, *field = fields
    return SecretRef(SecretKind(kind), name, place_of(slug, field[0]) if field else "")
