"""What a receiver thinks of a message: SPF, DKIM, and whether either vouches for its author's domain.

In charge of: verdicts by the field's own verifiers (pyspf, dkimpy) from the sandbox's zones, so that the relay's
signing and evaluation are judged by code that is not its own.
Never does: refuse anything, or follow a published policy.

RFC 7208, RFC 6376, RFC 8463; alignment as in DMARC's relaxed mode, with the last two labels as organizational domain,
which holds for every name of this world.
"""

import email.utils
import warnings
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.name

from relay.mail.message import HeaderError, header_size, parse_header
from relay.sandbox.arrivals import Offer, Verdicts
from relay.sandbox.zones import FaultKind, Zones

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # their texts have escapes that Python warns about whenever they are compiled
    import dkim
    import spf

MAX_SIGNATURES = 10
_SILENT = (FaultKind.SERVFAIL, FaultKind.DROP)


class _NoAnswerError(Exception):
    """The zone runs into a fault."""


def judge(offer: Offer, zones: Zones) -> Verdicts:
    """The verdicts on a message; never raises for what is in it."""
    author = _author_domain(offer.content)
    reverse_domain = offer.reverse_path.rpartition("@")[2] or offer.helo
    spf_verdict = _spf(offer, zones)
    signatures = _dkim(offer.content, zones)
    vouching = [domain for domain, result in signatures if result == "pass"]
    if spf_verdict == "pass":
        vouching.append(reverse_domain)
    aligned = _name(author) is not None and _organization(author) in map(_organization, vouching)
    return Verdicts(spf_verdict, signatures, author, aligned)


def _author_domain(content: bytes) -> str:
    try:
        authors = parse_header(content[: header_size(content)]).all("from")
    except HeaderError:
        return ""
    if len(authors) != 1:
        return ""
    addresses = email.utils.getaddresses([authors[0].value.decode("utf-8", "replace")])
    return addresses[0][1].rpartition("@")[2].lower() if len(addresses) == 1 else ""


def _organization(domain: str) -> tuple[bytes, ...]:
    name = _name(domain)
    return name.canonicalize().labels[-3:] if name else ()


def _name(text: str) -> dns.name.Name | None:
    try:
        return dns.name.from_text(text, idna_codec=dns.name.IDNA_2008_UTS_46)
    except dns.exception.DNSException:
        return None


def _find(zones: Zones, name: str, rdtype: str) -> list[Any]:
    owner = _name(name)
    if owner is None:
        return []
    fault = zones.fault(owner)
    if fault is not None and fault.kind in _SILENT:
        raise _NoAnswerError(name)
    return [] if fault is not None and fault.kind is FaultKind.NXDOMAIN else list(zones.find(owner, rdtype).records)


class _Query(spf.query):  # type: ignore[misc]  # pyspf has no types
    """pyspf's evaluation, answered from the zones."""

    zones: Zones

    def dns(self, name: str, qtype: str, cnames: object = None, *, ignore_void: bool = False) -> list[Any]:  # noqa: ARG002
        try:
            records = _find(self.zones, str(name), qtype)
        except _NoAnswerError:
            raise spf.TempError(f"no answer for {name}") from None
        if not records and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError("too many void lookups")
        return [_READ[qtype](record) for record in records]


_READ: dict[str, Callable[[Any], Any]] = {
    "A": lambda record: record.address,
    "AAAA": lambda record: record.address,
    "MX": lambda record: (record.preference, record.exchange.to_text(omit_final_dot=True)),
    "PTR": lambda record: record.target.to_text(omit_final_dot=True),
    "TXT": lambda record: record.strings,
}


def _spf(offer: Offer, zones: Zones) -> str:
    try:
        query = _Query(i=offer.peer, s=offer.reverse_path, h=offer.helo)
        query.zones = zones
        return str(query.check()[0])
    except Exception:  # noqa: BLE001 - pyspf raises nearly anything for nearly any record
        return "permerror"


def _dkim(content: bytes, zones: Zones) -> tuple[tuple[str, str], ...]:
    def find_key(name: bytes | str, timeout: float = 5) -> bytes | None:  # noqa: ARG001 - how dkimpy calls it
        text = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        records = _find(zones, text, "TXT")
        return b"".join(records[0].strings) if records else None

    try:
        message = dkim.DKIM(content)
    except Exception:  # noqa: BLE001 - dkimpy raises IndexError and kin for an odd header
        return ()
    count = sum(name.lower() == b"dkim-signature" for name, _ in message.headers)
    return tuple(_verify(message, index, find_key) for index in range(min(count, MAX_SIGNATURES)))


def _verify(message: Any, index: int, find_key: Callable[..., bytes | None]) -> tuple[str, str]:
    message.domain = b""
    try:
        result = "pass" if message.verify(index, dnsfunc=find_key) else "fail"
    except _NoAnswerError:
        result = "temperror"
    except dkim.ValidationError:
        result = "fail"
    except Exception:  # noqa: BLE001 - as above
        result = "permerror"
    return (message.domain or b"").decode("ascii", "replace").lower(), result
