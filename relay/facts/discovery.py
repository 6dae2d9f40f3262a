"""Finding a company's mail servers from its address alone, the way mail programs do.

In charge of the look-ups and their order: a provider that is known by its domain, SRV records (RFC 6186), autoconfig
files, a provider that is known by the domain's mail hosts. Logs in nowhere. An outage is no answer: what cannot be
looked up is said, and the next way is tried.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from relay.dns import Resolver, Status
from relay.http import Caps, HttpClient, HttpError, HttpRequest, Reach
from relay.mail.address import Address
from relay.policy.providers import Endpoint, Provider, TlsStart, provider_at, provider_behind, provider_for
from relay.policy.published import MOST_XML, Offer, Service, read_autoconfig, read_srv
from relay.policy.whereabouts import Clue, Sighting, choose, explain_nothing

# RFC 6186 3.2 to 3.4, RFC 8314 5.1: implicit TLS is wanted most.
_SRV: tuple[tuple[str, Service, TlsStart], ...] = (
    ("_submissions._tcp", "smtp", "implicit"),
    ("_submission._tcp", "smtp", "starttls"),
    ("_imaps._tcp", "imap", "implicit"),
    ("_imap._tcp", "imap", "starttls"),
)

Fetch = Callable[[str], Awaitable[bytes | None]]


@dataclass(slots=True)
class Found:
    """What was found for an address: servers, whose they are, and where each was said; None means not found."""

    smtp: Offer | None = None
    imap: Offer | None = None
    provider: Provider | None = None
    source: str = ""
    imap_source: str = ""
    tried: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Told:
    """What one way came to: servers, and where they, or none, were said.

    `signed` are the services that DNSSEC vouches for, `unknown` those that are not all known now, for `trouble`.
    """

    offers: list[Offer]
    source: str
    signed: frozenset[Service] = frozenset()
    unknown: frozenset[Service] = frozenset()
    trouble: str = ""


class Discovery:
    """Looks up settings; `fetch` gets the document behind a URL, None when there is none."""

    def __init__(self, resolver: Resolver, fetch: Fetch) -> None:
        self._resolver = resolver
        self._fetch = fetch

    async def find(self, address: Address) -> Found:
        """The settings for `address`: each server by the first way that names one."""
        found = Found()
        domain = address.ascii_domain
        provider = provider_for(domain)
        if provider is not None:
            _take(found, _offers_of(provider, address), f"{domain} is a domain of {provider.name}", address)
            return found
        found.tried.append("no provider has this domain for its own")
        for way in (self._srv, self._autoconfig, self._mx):
            told = await way(address, domain)
            _take(found, told.offers, told.source, address)
            if found.smtp is not None and found.imap is not None:
                break
            found.tried += _tried(told)
        return found

    async def locate(self, address: Address) -> Sighting:
        """The server of the mailbox of `address`, by the first way that names one which may be used unasked."""
        clues: list[Clue] = []
        tried: list[str] = []
        is_outage = False
        for way in (self._srv, self._autoconfig, self._mx):
            told = await way(address, address.ascii_domain)
            found = [
                Clue(offer, told.source, "imap" in told.signed) for offer in told.offers if offer.service == "imap"
            ]
            place = choose(found, address)
            if place is not None:
                return Sighting(place)
            clues += found
            tried += _tried(told)
            is_outage = is_outage or "imap" in told.unknown
        why = explain_nothing(address.ascii_domain, clues, tried, is_outage=is_outage)
        return Sighting(None, why, is_outage)

    async def _srv(self, _: Address, domain: str) -> _Told:
        offers: list[Offer] = []
        signed: set[Service] = {"smtp", "imap"}
        unknown: set[Service] = set()
        trouble = ""
        for label, service, tls in _SRV:
            # What is kept for long is not the second best because the best was not known for a moment.
            if service in unknown:
                continue
            answer = await self._resolver.lookup(f"{label}.{domain}", "SRV")
            if answer.status is Status.TEMPORARY:
                unknown.add(service)
                trouble = trouble or f"SRV records cannot be looked up now: {answer.reason}"
                continue
            named = read_srv(answer.records, service, tls)
            if named and not answer.authenticated:
                signed.discard(service)
            offers += named
        source = f"SRV records of {domain}"
        return _Told(offers, source if offers else f"no {source}", frozenset(signed), frozenset(unknown), trouble)

    async def _autoconfig(self, address: Address, domain: str) -> _Told:
        whose = quote(str(address))
        for url in (
            f"https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={whose}",
            f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
        ):
            document = await self._fetch(url)
            offers = [] if document is None else read_autoconfig(document, address)
            if offers:
                return _Told(offers, f"autoconfig file at {url.partition('?')[0]}")
        return _Told([], f"no autoconfig file of {domain}")

    async def _mx(self, address: Address, domain: str) -> _Told:
        answer = await self._resolver.lookup_mx(domain)
        if answer.status is Status.TEMPORARY:
            trouble = f"MX records cannot be looked up now: {answer.reason}"
            return _Told([], "", unknown=frozenset({"smtp", "imap"}), trouble=trouble)
        hosts = [record.host for record in answer.records]
        provider = provider_behind(hosts)
        if provider is None:
            named = ", ".join(hosts[:3]) or "no mail host"
            return _Told([], f"mail hosts of {domain} belong to no known provider: {named}")
        return _Told(_offers_of(provider, address), f"mail of {domain} goes to {provider.name}")


def fetch_with(client: HttpClient) -> Fetch:
    """Fetch over the Internet: TLS only, never within our own networks."""

    async def fetch(url: str) -> bytes | None:
        try:
            response = await client.send(
                HttpRequest("GET", url), Reach(), Caps(seconds=10.0, octets=MOST_XML, redirects=3)
            )
        except HttpError:
            return None
        return response.body if response.status == 200 else None

    return fetch


def _offers_of(provider: Provider, address: Address) -> list[Offer]:
    username = provider.username(address)
    servers: tuple[tuple[Service, Endpoint | None], ...] = (("smtp", provider.smtp), ("imap", provider.imap))
    return [Offer(service, end, username, provider.logins) for service, end in servers if end is not None]


def _take(found: Found, offers: list[Offer], source: str, address: Address) -> None:
    """Take what is still missing."""
    for offer in offers:
        # RFC 6186 4: the whole address first.
        named = replace(offer, username=offer.username or str(address))
        if offer.service == "smtp" and found.smtp is None:
            found.smtp, found.source, found.provider = named, source, provider_at(offer.endpoint.host)
        elif offer.service == "imap" and found.imap is None:
            found.imap, found.imap_source = named, source


def _tried(told: _Told) -> list[str]:
    """What a way came to that did not name everything."""
    services = sorted({offer.service for offer in told.offers})
    named = f"{told.source}: {services[0]} only" if len(services) == 1 else told.source
    return ([] if told.trouble and not services else [named]) + ([told.trouble] if told.trouble else [])
