"""From a decision to the hosts to try: mail hosts of a domain, the company's own server, or the smarthost."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from relay.config.settings import Delivery as DeliverySettings
from relay.delivery.trouble import AttemptError
from relay.dns import MailStatus, Resolver, Status
from relay.mail.address import Address
from relay.mail.envelope import TlsWish
from relay.policy.company import Mailbox, Server
from relay.policy.decision import Decision
from relay.policy.outcome import Fault, Phase, Trouble

_MOST_TARGETS = 8


class TlsPolicy(StrEnum):
    """How much TLS a target needs. The verified ones check the certificate against the host's name."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    ENCRYPTED = "encrypted"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True)
class Route:
    """Where mail goes; `key` is equal for mail that may share a connection.

    `server` is logged in to; `mailbox` is where mail is laid into; `wish` is what the sender wants of TLS.
    """

    key: str
    host: str
    port: int
    tls: TlsPolicy
    is_domain: bool = False
    server: Server | None = None
    ca: str | None = None
    wish: TlsWish | None = None
    mailbox: Mailbox | None = None

    @property
    def is_smarthost(self) -> bool:
        """Whether the host takes all our mail, whomever it is for."""
        return not self.is_domain and self.server is None and self.mailbox is None


@dataclass(frozen=True, slots=True)
class Target:
    """One address to connect to.

    `names` are those under which TLSA records of the host may be, best first: none unless the DNS vouches for the whole
    way from the domain to the address (RFC 7672 2.2).
    """

    host: str
    ip: str
    port: int
    names: tuple[str, ...] = field(default=(), compare=False)


def choose_route(
    decision: Decision, recipient: Address, settings: DeliverySettings, wish: TlsWish | None = None
) -> Route:
    """Where mail of this decision for `recipient` goes, and what its sender wants of TLS. Pure."""
    return replace(_route(decision, recipient, settings), wish=wish)


def _route(decision: Decision, recipient: Address, settings: DeliverySettings) -> Route:
    server = decision.server
    if server is not None:
        key = f"account:{server.username}@{server.host}:{server.port}"
        return Route(key, server.host, server.port, TlsPolicy(server.tls), server=server, ca=server.ca)
    mailbox = decision.into
    if mailbox is not None:
        key = f"mailbox:{mailbox.username}@{mailbox.realm}:{mailbox.port}"
        return Route(key, mailbox.realm, mailbox.port, TlsPolicy(mailbox.tls), ca=mailbox.ca, mailbox=mailbox)
    smarthost = settings.smarthost
    if smarthost is not None:
        key = f"host:{smarthost.host}:{smarthost.port}"
        return Route(key, smarthost.host, smarthost.port, TlsPolicy(smarthost.tls), ca=settings.ca)
    domain = recipient.ascii_domain
    return Route(f"domain:{domain}", domain, settings.port, TlsPolicy.OPPORTUNISTIC, is_domain=True, ca=settings.ca)


async def find_targets(route: Route, resolver: Resolver) -> AsyncIterator[Target]:
    """The addresses to try, best first; raises AttemptError when there is none at all."""
    hosts, is_vouched = [route.host], False
    if route.is_domain:
        hosts, is_vouched = await _mail_hosts(route.host, resolver)
    found = 0
    trouble = Trouble(Fault.NO_HOST, f"no mail host of {route.host} has an address")
    for host in hosts:
        answer = await resolver.lookup_addresses(host)
        if answer.status is Status.TEMPORARY:
            trouble = Trouble(Fault.DNS, f"the addresses of {host} cannot be looked up now: {answer.reason}")
        names = tuple(dict.fromkeys((answer.name or host, host))) if is_vouched and answer.authenticated else ()
        for ip in answer.records:
            found += 1
            if found <= _MOST_TARGETS:
                yield Target(host, ip, route.port, names)
    if not found:
        if trouble.fault is Fault.NO_HOST and not route.is_domain:
            # A wrong name in somebody's settings, not a verdict on the recipient.
            trouble = Trouble(Fault.DNS, f"the host {route.host} has no address")
        raise AttemptError(trouble, Phase.RESOLVE)


async def _mail_hosts(domain: str, resolver: Resolver) -> tuple[list[str], bool]:
    """The hosts in the order to try them, and whether the DNS vouches for them."""
    answer = await resolver.hosts_for(domain)
    if answer.status is MailStatus.FOUND:
        return [mx.host for mx in answer.hosts], answer.authenticated
    fault = {
        MailStatus.NULL_MX: Fault.NULL_MX,
        MailStatus.NO_HOSTS: Fault.NO_HOST,
        MailStatus.NXDOMAIN: Fault.NO_DOMAIN,
        MailStatus.TEMPORARY: Fault.DNS,
    }[answer.status]
    raise AttemptError(Trouble(fault, answer.reason), Phase.RESOLVE)
