"""Names, addresses and records, between their text and what dnspython makes of them."""

import ipaddress
from collections.abc import Iterable
from typing import Any

import dns.exception
import dns.name
import idna

from relay.dns.answers import Mx


def parse_name(text: str) -> dns.name.Name:
    """A name as it goes on the wire: Unicode labels as A-labels (IDNA 2008 with UTS 46), everything else byte for byte.

    Raises:
        ValueError: no name can look like this (empty or too long label, forbidden character), with a plain reason.
    """
    try:
        if not text.isascii():
            labels = idna.uts46_remap(text, std3_rules=False).split(".")
            text = ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in labels)
        return dns.name.Name([label.encode("ascii") for label in text.removesuffix(".").split(".")] + [b""])
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{text[:80]!r} is not a name: {error}") from None


def read_address(text: str) -> str:
    """The address in its usual form, or nothing when the text is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def host_of(name: dns.name.Name) -> str:
    """The name as text, in lower case and without its final dot; empty for the root."""
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def read_records(found: Iterable[Any], rdtype: str) -> tuple[Any, ...]:
    """Records as they are remembered: text, but octets for TXT, and MX in their order."""
    match rdtype:
        case "A" | "AAAA":
            return tuple(record.address for record in found)
        case "TXT":
            return tuple(b"".join(record.strings) for record in found)
        case "MX":
            return tuple(sorted(Mx(record.preference, host_of(record.exchange)) for record in found))
        case "PTR" | "CNAME" | "NS":
            return tuple(host_of(record.target) for record in found)
    return tuple(record.to_text() for record in found)


def text_of(record: str | bytes | Mx) -> str:
    """A remembered record in its presentation form."""
    if isinstance(record, Mx):
        return f"{record.preference} {record.host}"
    return record.decode("utf-8", "backslashreplace") if isinstance(record, bytes) else record
