"""Trace fields: one line of history on top of each message we take (RFC 5321 4.4, RFC 6531 3.7.3)."""

import re
from dataclasses import dataclass

from relay.mail.address import Address
from relay.mail.date import format_date
from relay.mail.message import Header, fold

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?|\[[A-Fa-f0-9:.IPVipv]{2,60}\]")
_IPV4 = re.compile(r"[0-9.]{7,15}")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}")


@dataclass(frozen=True, slots=True)
class Hop:
    """How a message came in.

    `helo` is what the peer called itself, `peer` its IP address as text (empty: not told to the world), `name` the name
    that the DNS confirms for that address ("" for none), `by` our name,
    `at` seconds since the epoch, `recipient` the only recipient (None when there are several: RFC 5321 7.2).
    """

    helo: str
    peer: str
    by: str
    protocol: str
    queue_id: str
    at: float
    recipient: Address | None = None
    name: str = ""


def protocol_name(*, extended: bool = True, tls: bool = False, authenticated: bool = False, utf8: bool = False) -> str:
    """The `with` word: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848) or UTF8SMTP with the same ends (RFC 6531)."""
    if not extended:
        return "SMTP"
    return ("UTF8SMTP" if utf8 else "ESMTP") + ("S" if tls else "") + ("A" if authenticated else "")


def received_field(hop: Hop) -> bytes:
    """The whole Received field with its CRLF. What the peer said is only repeated when it is a name or a literal."""
    helo = hop.helo if _NAME.fullmatch(hop.helo) else "unknown"
    name = f"{hop.name} " if _NAME.fullmatch(hop.name) else ""
    peer = f" ({name}{_literal(hop.peer)})" if hop.peer else ""
    recipient = f" for <{hop.recipient}>" if hop.recipient else ""
    text = (
        f"Received: from {helo}{peer} by {hop.by} with {hop.protocol} id {hop.queue_id}{recipient};"
        f" {format_date(hop.at)}"
    )
    return fold(text.encode())


def count_received(header: Header) -> int:
    """How many hosts this message has passed: the number of its Received fields (RFC 5321 6.3)."""
    return len(header.all("received"))


def _literal(peer: str) -> str:
    if _IPV4.fullmatch(peer):
        return f"[{peer}]"
    return f"[IPv6:{peer}]" if _IPV6.fullmatch(peer) else "unknown"
