"""Asks name servers, follows aliases, joins equal questions that are asked at the same time, finds hosts for mail."""

import asyncio
import ipaddress
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.resolver
import dns.reversename

from relay.clock import Clock, SystemClock
from relay.dns.answers import MAX_TTL, MIN_TTL, Answer, MailHosts, MailStatus, Mx, MxAnswer, Status
from relay.dns.cache import Cache
from relay.dns.records import host_of, parse_name, read_address, read_records, text_of

MAX_ALIASES = 8
UDP_PAYLOAD = 1232  # the largest answer that is never fragmented on the way


class Resolver:
    """Asks name servers and remembers their answers.

    Args:
        servers: "127.0.0.1:2053", "[::1]:53" or a bare address; none means those of the system's resolv.conf.
        validating: the servers check DNSSEC, and nobody can write on the way to them. Those on this machine are
            believed without that.
        timeout: seconds for one question in all, over every server and retry.
        clock: tells when remembered answers have run out.
        cache_octets: about how much room remembered answers may take; some are a hundred times as long as most.
        shuffle: puts mail hosts of equal preference in random order.

    Raises:
        ValueError: a server is not an address, or not with a port.
    """

    def __init__(  # noqa: PLR0913 -- each has a default, and is named
        self,
        servers: Sequence[str] = (),
        timeout: float = 5.0,
        *,
        validating: bool = False,
        clock: Clock | None = None,
        cache_octets: int = 16 * 1024 * 1024,
        shuffle: Callable[[list[Mx]], None] | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._shuffle = shuffle or random.SystemRandom().shuffle
        self._stub = _stub(servers, timeout)
        # RFC 6840 5.7: our queries set AD to be told. Believed only over a path that nobody else can write on.
        self.is_believed = validating or all(_is_here(server) for server in self._stub.nameservers)
        self._cache = Cache(self._clock, cache_octets)
        self._flights: dict[tuple[str, str], asyncio.Task[Answer[Any]]] = {}

    async def lookup(self, name: str, rdtype: str) -> Answer[str]:
        """Records of any type, each in its presentation form without a final dot."""
        answer = await self._find(name, rdtype.upper())
        return replace(answer, records=tuple(text_of(record) for record in answer.records))

    async def lookup_txt(self, name: str) -> Answer[bytes]:
        """TXT records, the strings of each put together."""
        return await self._find(name, "TXT")

    async def lookup_mx(self, domain: str) -> MxAnswer:
        """MX records, lowest preference first, then by name; a null MX has an empty host."""
        answer = await self._find(domain, "MX")
        return MxAnswer(answer.status, answer.records, answer.expires, answer.authenticated, answer.reason)

    async def lookup_addresses(self, host: str) -> Answer[str]:
        """Addresses of a host, IPv6 first; an address stands for itself.

        OK when either family has addresses; TEMPORARY when none was found but one family is not known now.
        """
        literal = read_address(host)
        if literal:
            return Answer(Status.OK, (literal,), self._clock.now() + MAX_TTL)
        families = [known for known in (self._cache.get(host, rdtype) for rdtype in ("AAAA", "A")) if known is not None]
        if len(families) < 2:
            families = list(await asyncio.gather(self._find(host, "AAAA"), self._find(host, "A")))
        found = [answer for answer in families if answer.status is Status.OK]
        parts = found or families
        ranks = (Status.TEMPORARY, Status.NXDOMAIN, Status.NODATA, Status.OK)
        worst = min(parts, key=lambda answer: ranks.index(answer.status))
        return Answer(
            worst.status,
            tuple(address for answer in found for address in answer.records),
            min(answer.expires for answer in families),
            all(answer.authenticated for answer in parts),
            worst.reason,
            next((answer.name for answer in found if answer.name), ""),
        )

    async def lookup_ptr(self, address: str) -> Answer[str]:
        """The names of an address; something that is no address has none."""
        literal = read_address(address)
        if not literal:
            return Answer(Status.NXDOMAIN, (), self._clock.now() + MAX_TTL, reason=f"{address!r} is not an address")
        return await self.lookup(dns.reversename.from_address(literal).to_text(omit_final_dot=True), "PTR")

    async def hosts_for(self, domain: str) -> MailHosts:
        """The hosts that take mail for a domain, in the order to try them (RFC 5321 section 5.1)."""
        if domain.startswith("["):
            return self._literal_host(domain)
        mx = await self.lookup_mx(domain)
        if mx.status is Status.NODATA:
            return await self._implicit_host(domain)
        if mx.status is not Status.OK:
            return MailHosts(MailStatus(mx.status.value), (), mx.reason, mx.expires)
        if mx.is_null:
            reason = f"{domain} takes no mail: it publishes a null MX"
            return MailHosts(MailStatus.NULL_MX, (), reason, mx.expires, mx.authenticated)
        # RFC 5321 5.1: an MX names a host. RFC 7505 3: a null MX beside others is a mistake and stands for nothing.
        hosts = [record for record in mx.records if record.host and not read_address(record.host)]
        if not hosts:
            reason = f"the MX records of {domain} name no host"
            return MailHosts(MailStatus.NO_HOSTS, (), reason, mx.expires, mx.authenticated)
        self._shuffle(hosts)  # RFC 5321 5.1: equal preferences in random order; the sort keeps that order
        hosts.sort(key=lambda record: record.preference)
        return MailHosts(MailStatus.FOUND, tuple(hosts), f"MX of {domain}", mx.expires, mx.authenticated)

    def known_txt(self, name: str) -> Answer[bytes] | None:
        """What `lookup_txt` would give at once, without asking anybody; None when it has to be asked for."""
        return self._cache.get(name, "TXT")

    def forget(self) -> None:
        """Drop every remembered answer, so that the next question of each kind is asked anew."""
        self._cache.clear()

    def _literal_host(self, domain: str) -> MailHosts:
        expires = self._clock.now() + MAX_TTL
        inner = domain.removeprefix("[").removesuffix("]")
        address = read_address(inner[5:] if inner[:5].lower() == "ipv6:" else inner)
        if not address:
            return MailHosts(MailStatus.NXDOMAIN, (), f"{domain} is not an address", expires)
        return MailHosts(MailStatus.FOUND, (Mx(0, address),), f"{domain} is an address", expires)

    async def _implicit_host(self, domain: str) -> MailHosts:
        addresses = await self.lookup_addresses(domain)
        if addresses.status is Status.OK:
            hosts = (Mx(0, domain),)
            reason = f"{domain} has no MX: its own address is used"
            return MailHosts(MailStatus.FOUND, hosts, reason, addresses.expires, addresses.authenticated)
        if addresses.status is Status.TEMPORARY:
            return MailHosts(MailStatus.TEMPORARY, (), addresses.reason, addresses.expires)
        reason = f"{domain} has neither MX nor address"
        return MailHosts(MailStatus.NO_HOSTS, (), reason, addresses.expires, addresses.authenticated)

    async def _find(self, name: str, rdtype: str) -> Answer[Any]:
        """The remembered answer, or a new one that everyone who asks at the same time shares."""
        known = self._cache.get(name, rdtype)
        if known is not None:
            return known
        try:
            asked = parse_name(name)
        except ValueError as error:
            return Answer(Status.NXDOMAIN, (), self._expiry(MAX_TTL), reason=str(error))
        key = (asked.to_text(omit_final_dot=True).lower(), rdtype)
        if key[0] != name.lower():  # written with a final dot or in Unicode
            known = self._cache.get(*key)
            if known is not None:
                return known
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._ask(key, asked))
        return await asyncio.shield(flight)  # who stops waiting does not take the answer from the others

    async def _ask(self, key: tuple[str, str], name: dns.name.Name) -> Answer[Any]:
        try:
            answer = await self._answer(name, key[1])
        finally:
            del self._flights[key]
        self._cache.put(*key, answer)
        return answer

    async def _answer(self, name: dns.name.Name, rdtype: str) -> Answer[Any]:
        what = f"{rdtype} of {name.to_text(omit_final_dot=True)}"
        try:
            return await self._resolve(name, rdtype, what)
        except dns.exception.Timeout:
            reason = f"no answer in time for {what}"
        except dns.resolver.NoNameservers as error:
            trouble = _first_trouble(error)
            if isinstance(trouble, dns.message.ChainTooLong):
                return self._circle(what)
            reason = f"no usable answer for {what}: {trouble if isinstance(trouble, str) else type(trouble).__name__}"
        except (dns.exception.DNSException, OSError, ValueError) as error:
            reason = f"no usable answer for {what}: {type(error).__name__}"
        return Answer(Status.TEMPORARY, (), self._expiry(MIN_TTL), reason=reason)

    async def _resolve(self, name: dns.name.Name, rdtype: str, what: str) -> Answer[Any]:
        """Ask, and ask on where an answer stops half-way along a chain of aliases."""
        ttl, asked = MAX_TTL, name
        authenticated = True
        for _ in range(MAX_ALIASES):
            try:
                found = await self._stub.resolve(name, rdtype, raise_on_no_answer=False, search=False)
            except dns.resolver.NXDOMAIN as error:
                response: dns.message.QueryMessage = error.kwargs["responses"][name]
                ttl = min(ttl, response.resolve_chaining().minimum_ttl)
                secure = authenticated and self._is_authentic(response)
                return Answer(Status.NXDOMAIN, (), self._expiry(ttl), secure, f"no such name for {what}")
            ttl = min(ttl, found.chaining_result.minimum_ttl)
            authenticated = authenticated and self._is_authentic(found.response)
            if found.rrset is not None:
                records = read_records(found.rrset, rdtype)
                where = "" if found.canonical_name == asked else host_of(found.canonical_name)
                return Answer(Status.OK, records, self._expiry(ttl), authenticated, name=where)
            if found.canonical_name == name or found.response.authority:
                return Answer(Status.NODATA, (), self._expiry(ttl), authenticated, f"no {what}")
            name = found.canonical_name
        return self._circle(what)

    def _circle(self, what: str) -> Answer[Any]:
        # Asking again would not help: somebody has to repair the records, as with a record that is missing.
        return Answer(Status.NODATA, (), self._expiry(MIN_TTL), reason=f"the aliases for {what} lead nowhere")

    def _is_authentic(self, response: dns.message.Message) -> bool:
        return self.is_believed and bool(response.flags & dns.flags.AD)

    def _expiry(self, ttl: float) -> float:
        return self._clock.now() + min(max(ttl, MIN_TTL), MAX_TTL)


def _stub(servers: Sequence[str], timeout: float) -> dns.asyncresolver.Resolver:
    stub = dns.asyncresolver.Resolver(configure=False)
    if servers:
        stub.nameservers = [_server(server) for server in servers]
    else:
        try:
            stub.read_resolv_conf("/etc/resolv.conf")
        except dns.resolver.NoResolverConfiguration:
            stub.nameservers = ["127.0.0.1"]  # what resolv.conf(5) says for a machine without one
    stub.lifetime = timeout
    stub.timeout = min(2.0, timeout / 2)  # a lost datagram leaves time for another
    stub.use_edns(0, 0, UDP_PAYLOAD)
    stub.set_flags(dns.flags.RD | dns.flags.AD)
    return stub


def _server(text: str) -> dns.nameserver.Nameserver:
    host, colon, port = text.rpartition(":")
    if read_address(text):
        host, port = text, "53"
    elif not colon or not port.isdecimal():
        raise ValueError(f"{text!r} is not an address with a port, such as 127.0.0.1:53 or [::1]:53")
    address = read_address(host.removeprefix("[").removesuffix("]"))
    if not address:
        raise ValueError(f"{text!r} is not an address with a port, such as 127.0.0.1:53 or [::1]:53")
    return dns.nameserver.Do53Nameserver(address, int(port))


def _is_here(server: str | dns.nameserver.Nameserver) -> bool:
    address = read_address(server if isinstance(server, str) else server.answer_nameserver())
    return bool(address) and ipaddress.ip_address(address).is_loopback


def _first_trouble(error: dns.resolver.NoNameservers) -> Exception | str:
    errors = error.kwargs.get("errors") or [(None, None, None, "no name server")]
    trouble: Exception | str = errors[0][3]
    return trouble
