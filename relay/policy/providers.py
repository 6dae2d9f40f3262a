"""Mail providers as far as they are known: where to log in for an address, and how much each of them takes a day.

In charge of reading the table and finding a provider by a domain, a mail host or a server. Looks nothing up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from relay.mail.address import Address
from relay.policy.pacing import Pace
from relay.policy.provider_table import MX_SUFFIXES, TABLE

TlsStart = Literal["starttls", "implicit"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server to log in to; `tls` says how TLS begins."""

    host: str
    port: int
    tls: TlsStart


@dataclass(frozen=True, slots=True)
class Provider:
    """What is known of one provider. `logins` names "oauth2" and "password", the better one first."""

    name: str
    smtp: Endpoint
    imap: Endpoint | None
    logins: tuple[str, ...]
    whole_address: bool
    domains: tuple[str, ...]

    def username(self, address: Address) -> str:
        """How the account of an address is named there."""
        return str(address) if self.whole_address else address.local


GOOGLE = "Google"
MICROSOFT = "Microsoft 365"
OUTLOOK = "Outlook.com"
ICLOUD = "iCloud"

# What providers say that they take from one mailbox. Where sources differ, the lower number.
_PACES = {
    "smtp.gmail.com": Pace(per_day=2000),
    "smtp-relay.gmail.com": Pace(per_day=10000),
    "smtp.office365.com": Pace(per_minute=30, per_day=10000),
    "smtp-mail.outlook.com": Pace(per_minute=30, per_day=300),
    "smtp.mail.me.com": Pace(per_day=200),
}
_GOOGLE_CONSUMERS = Pace(per_day=500)


def provider_for(domain: str) -> Provider | None:
    """The provider whose own domain this is, such as gmail.com."""
    return _by_domain().get(domain.lower())


def provider_behind(mail_hosts: Iterable[str]) -> Provider | None:
    """The provider that takes the mail for a domain, known by the names of its mail hosts."""
    for host in mail_hosts:
        labels = host.lower().rstrip(".").split(".")
        for start in range(len(labels) - 1):
            suffix = ".".join(labels[start:])
            name = MX_SUFFIXES.get(suffix)
            found = by_name(name) if name is not None else provider_for(suffix)
            if found is not None:
                return found
    return None


def provider_at(host: str) -> Provider | None:
    """The provider whose server for sending this is."""
    return _by_host().get(host.lower())


def by_name(name: str) -> Provider | None:
    """The provider of that name."""
    return _by_name().get(name)


def pace_at(host: str, username: str) -> Pace:
    """How fast an account may send through a server, as far as its provider has said."""
    domain = username.rpartition("@")[2].lower()
    if host.lower() == "smtp.gmail.com" and domain in ("gmail.com", "googlemail.com"):
        return _GOOGLE_CONSUMERS
    return _PACES.get(host.lower(), Pace())


@lru_cache(maxsize=1)
def providers() -> tuple[Provider, ...]:
    """All providers of the table, in its order."""
    found = []
    for block in TABLE.strip().replace("\n  ", " | ").splitlines():
        name, smtp, imap, logins, user, *domains = block.split(" | ")
        found.append(
            Provider(
                name,
                _endpoint(smtp),
                None if imap == "-" else _endpoint(imap),
                tuple(logins.split("+")),
                user == "address",
                tuple(" ".join(domains).split()),
            )
        )
    return tuple(found)


def _endpoint(text: str) -> Endpoint:
    host, _, rest = text.partition(":")
    port, _, tls = rest.partition("/")
    return Endpoint(host, int(port), "implicit" if tls == "implicit" else "starttls")


@lru_cache(maxsize=1)
def _by_domain() -> dict[str, Provider]:
    return {domain: provider for provider in providers() for domain in provider.domains}


@lru_cache(maxsize=1)
def _by_host() -> dict[str, Provider]:
    return {provider.smtp.host: provider for provider in reversed(providers())}


@lru_cache(maxsize=1)
def _by_name() -> dict[str, Provider]:
    return {provider.name: provider for provider in providers()}
