"""What a domain publishes about its own mail service: SRV records (RFC 6186, RFC 8314) and autoconfig files.

In charge of reading both, which anybody may have written. What does not fit is left out; nothing raises.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from xml.parsers import expat

from relay.mail.address import Address
from relay.policy.providers import Endpoint, TlsStart

MOST_XML = 256 * 1024  # octets of an autoconfig file
_MOST_TEXT = 512
_MOST_SERVERS = 20
_TLS: dict[str, TlsStart] = {"SSL": "implicit", "STARTTLS": "starttls"}
Service = Literal["smtp", "imap"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A server that somebody recommends. `username` is None where nothing is said about it."""

    service: Service
    endpoint: Endpoint
    username: str | None = None
    logins: tuple[str, ...] = ()


def read_srv(records: Iterable[str], service: Service, tls: TlsStart) -> list[Offer]:
    """Servers named by SRV records, the most wanted first; "." means that there is none (RFC 2782)."""
    found = []
    for record in records:
        parts = record.split()
        if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts[:3]):
            continue
        priority, weight, port = (int(part) for part in parts[:3])
        host = parts[3].rstrip(".").lower()
        if _is_host(host) and 0 < port < 65536:
            found.append((priority, -weight, Offer(service, Endpoint(host, port, tls))))
    found.sort(key=lambda entry: entry[:2])
    return [offer for _, _, offer in found]


def read_autoconfig(document: bytes, address: Address) -> list[Offer]:
    """Servers in an autoconfig file that begin with TLS, in its order; a DOCTYPE makes the whole file worth nothing."""
    if len(document) > MOST_XML:
        return []
    reader = _Reader(address)
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(document, True)  # noqa: FBT003 -- its only form
    except (expat.ExpatError, _DoctypeError, ValueError, LookupError):
        return []
    return reader.offers


class _DoctypeError(Exception):
    pass


@dataclass
class _Reader:
    address: Address
    offers: list[Offer] = field(default_factory=list)
    service: Service | None = None
    words: str = ""
    said: dict[str, list[str]] = field(default_factory=dict)

    def doctype(self, *_: object) -> None:
        raise _DoctypeError

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.words = ""
        kind = (name, attributes.get("type"))
        if kind == ("outgoingServer", "smtp"):
            self.service, self.said = "smtp", {}
        elif kind == ("incomingServer", "imap"):
            self.service, self.said = "imap", {}

    def text(self, text: str) -> None:
        self.words = (self.words + text)[:_MOST_TEXT]

    def end(self, name: str) -> None:
        if self.service is None:
            return
        if name not in ("outgoingServer", "incomingServer"):
            self.said.setdefault(name, []).append(self.words.strip())
            return
        offer = self._offer(self.service)
        if offer is not None and len(self.offers) < _MOST_SERVERS:
            self.offers.append(offer)
        self.service = None

    def _offer(self, service: Service) -> Offer | None:
        host = self._fill(self._first("hostname"), self.address.ascii_domain).lower().rstrip(".")
        port = self._first("port")
        tls = _TLS.get(self._first("socketType").upper())
        if tls is None or not _is_host(host) or not _is_port(port):
            return None
        username = self._fill(self._first("username"), self.address.domain)
        names = {"OAuth2": "oauth2", "password-cleartext": "password", "plain": "password"}
        logins = [names[said] for said in self.said.get("authentication", ()) if said in names]
        usable = username if username.isprintable() and "%" not in username else ""
        return Offer(service, Endpoint(host, int(port), tls), usable or None, tuple(dict.fromkeys(logins)))

    def _first(self, name: str) -> str:
        return self.said.get(name, [""])[0]

    def _fill(self, text: str, domain: str) -> str:
        address = self.address
        for place, value in (
            ("%EMAILADDRESS%", str(address)),
            ("%EMAILLOCALPART%", address.local),
            ("%EMAILDOMAIN%", domain),
        ):
            text = text.replace(place, value)
        return text


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536


def _is_host(text: str) -> bool:
    letters = text.replace("-", "").replace(".", "")
    return bool(letters) and letters.isascii() and letters.isalnum() and "." in text and len(text) <= 253
