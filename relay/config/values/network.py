"""Names and addresses on the network. Nothing is looked up."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field

from relay.config.values.writing import shown, written, wrong

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
LABELS = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IP address (or "localhost") and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host(text: str) -> str:
    """A host or domain name in lower case. Names in other scripts are written as A-labels (xn--…)."""
    if not text.isascii():
        raise wrong(f"{shown(text)} is not a host name in ASCII", "Write its xn-- form.")
    if len(text) > 253 or not LABELS.fullmatch(text.lower()):
        raise wrong(f"{shown(text)} is not a host name", "For example mx1.relay.example.")
    return text.lower()


def parse_domain(text: str) -> str:
    """As `parse_host`, with at least two labels and no IP address."""
    name = parse_host(text)
    if "." not in name or name.rpartition(".")[2].isdigit():
        raise wrong(f"{shown(text)} is not a full domain name", "For example my.relay.example.")
    return name


def parse_target(text: str) -> str:
    """A host to connect to: a name or an IP address (no brackets)."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return parse_host(text)


def parse_endpoint(text: str) -> Endpoint:
    """An endpoint such as "127.0.0.1:25", "[::1]:25" or "localhost:25"."""
    hint = "Write host:port, for example 127.0.0.1:2525 or [::1]:2525."
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 0 < int(port) < 65536:
        raise wrong(f"{shown(text)} has no port between 1 and 65535", hint)
    bracketed = host.startswith("[") and host.endswith("]")
    if host == "localhost":
        return Endpoint(host, int(port))
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise wrong(f"{shown(host)} is not an IP address", hint) from None
    if (address.version == 6) is not bracketed:
        raise wrong(f"{shown(text)}: an IPv6 address stands in brackets, an IPv4 address does not", hint)
    return Endpoint(str(address), int(port))


def parse_name_server(text: str) -> Endpoint:
    """As `parse_endpoint`; a bare IP address means port 53."""
    try:
        return Endpoint(str(ipaddress.ip_address(text)), 53)
    except ValueError:
        return parse_endpoint(text)


IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_network(text: str) -> IPNetwork:
    """A network in CIDR notation, or a single address."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise wrong(f"{shown(text)} is not a network", "For example 10.0.0.0/8 or fd00::/8.") from None
    raise wrong(f"{shown(text)} has bits set behind its prefix", f"Did you mean {network}?")


def parse_ip(text: str) -> IPAddress:
    """One IPv4 or IPv6 address."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise wrong(f"{shown(text)} is not an IP address", "For example 203.0.113.7 or 2001:db8::7.") from None


def parse_public_url(text: str) -> str:
    """Where people and apps reach our pages: https, or http on this machine alone. Without the slash at its end."""
    example = "For example https://mail.relay.example."
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise wrong(f"{shown(text)} is not the address of a web site", example) from None
    if not (host and text.isascii() and text.isprintable() and " " not in text) or url.scheme not in ("http", "https"):
        raise wrong(f"{shown(text)} is not the address of a web site", example)
    if url.query or url.fragment or url.username is not None:
        raise wrong(f"{shown(text)} has more in it than a host and a path", example)
    if url.scheme == "http" and not _is_this_machine(host):
        raise wrong(f"{shown(text)}: links in mail need TLS", f"Write https://{host}, and let a proxy speak TLS.")
    return text.rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_web_address(text: str) -> str:
    """A URL to send to: http or https, with a host, without a login or a fragment. The message never repeats it."""
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good or not text.isprintable() or " " in text:
        raise wrong("this is not a URL", "For example https://app.example/relay-events.")
    if "@" in url.netloc or url.fragment:
        raise wrong("a URL here has no login and no fragment (#)", "The secret says who we are.")
    return text


HostName: TypeAlias = Annotated[str, *written(parse_host, "mx1.relay.example", {"format": "hostname"})]

DomainName: TypeAlias = Annotated[str, *written(parse_domain, "my.relay.example", {"format": "hostname"})]

TargetHost: TypeAlias = Annotated[str, *written(parse_target, "smtp.relay.example", {})]

Listening: TypeAlias = Annotated[Endpoint, *written(parse_endpoint, "127.0.0.1:2525", {})]

NameServer: TypeAlias = Annotated[Endpoint, *written(parse_name_server, "127.0.0.1:5353", {})]

PublicUrl: TypeAlias = Annotated[str, *written(parse_public_url, "https://mail.relay.example", {"format": "uri"})]

WebAddress: TypeAlias = Annotated[
    str, *written(parse_web_address, "https://app.example/relay-events", {"format": "uri", "pattern": "^https?://"})
]

Network: TypeAlias = Annotated[IPNetwork, *written(parse_network, "10.0.0.0/8", {})]

SendingAddress: TypeAlias = Annotated[IPAddress, *written(parse_ip, "203.0.113.7", {})]

Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]
