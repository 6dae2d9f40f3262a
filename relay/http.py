"""Requests over HTTP to addresses that others have named.

In charge of: finding the host, refusing addresses that only our own networks know, proof by TLS, and caps on time and
size. A request goes to an address that was checked, never to a name that is looked up once more on the way.
Never does: read what came back, try again, keep cookies, use a proxy or a login of its environment.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import httpx2

from relay.dns import Resolver, Status

_CONNECT_SECONDS = 5.0
_MOST_ADDRESSES = 4
# RFC 6052 2.1: behind this prefix stands an IPv4 address, which may be one of ours.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What Python does not count as local everywhere: translation for our own networks (RFC 8215), site-local addresses
# (RFC 3879) and IPv4 addresses in the form of RFC 4291 2.5.5.1, both of which were given up.
_LOCAL = tuple(ipaddress.ip_network(each) for each in ("64:ff9b:1::/48", "fec0::/10", "::/96"))
_LOCALHOST = ("127.0.0.1", "::1")


class HttpFault(StrEnum):
    """Why there is no answer."""

    URL = "url"  # not an address of ours to ask: no URL, or without TLS
    NAME = "name"  # the host cannot be found
    INTERNAL = "internal"  # the host has only addresses that may not be asked
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"  # the connection broke, or what came is not HTTP
    TOO_LARGE = "too-large"
    REDIRECT = "redirect"  # more redirects than were allowed to follow


class HttpError(Exception):
    """There is no answer. The text is plain, and names neither the URL's path nor anything that was sent."""

    def __init__(self, fault: HttpFault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a call may go, by its configuration.

    `internal` allows addresses of this machine and its networks, and to them also http without TLS; `ca` is a PEM
    file to trust besides the system's authorities.
    """

    internal: bool = False
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that a call may take: `seconds` in all, `octets` of body, `redirects` to follow (GET only)."""

    seconds: float = 15.0
    octets: int = 1024 * 1024
    redirects: int = 0


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. `body` is sent as it is."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back, whatever its status; names of `headers` in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


class HttpClient:
    """Asks, one connection a request: a connection belongs to the name that its certificate was checked for."""

    def __init__(self, resolver: Resolver, *, user_agent: str = "relay") -> None:
        self._resolver = resolver
        self._user_agent = user_agent

    async def send(self, request: HttpRequest, reach: Reach, caps: Caps | None = None) -> HttpResponse:
        """Send a request; any answer is a value.

        Raises:
            HttpError: there is no answer, or none that may be taken. Nothing else comes from outside.
        """
        caps = caps or Caps()
        try:
            async with asyncio.timeout(caps.seconds):
                return await self._follow(request, reach, caps)
        except TimeoutError:
            raise HttpError(HttpFault.TIMEOUT, f"no complete answer within {caps.seconds:g} seconds") from None

    async def _follow(self, request: HttpRequest, reach: Reach, caps: Caps) -> HttpResponse:
        url = _parse(request.url)
        for _ in range(caps.redirects + 1):
            response = await self._send(request, url, reach, caps)
            location = response.headers.get("location")
            follows = caps.redirects and request.method in ("GET", "HEAD")
            if location is None or not follows or response.status not in (301, 302, 303, 307, 308):
                return response
            target = _join(url, location)
            if target.netloc != url.netloc:
                request = replace(request, headers={})  # what was meant for one host is not shown to another
            url = target
        raise HttpError(HttpFault.REDIRECT, f"more than {caps.redirects} redirects")

    async def _send(self, request: HttpRequest, url: httpx2.URL, reach: Reach, caps: Caps) -> HttpResponse:
        if url.scheme != "https" and not reach.internal:
            raise HttpError(HttpFault.URL, f"{url.host} may only be asked by https")
        addresses = await self._addresses(url, reach)
        trouble = HttpError(HttpFault.CONNECT, f"{url.host} has no address")
        for address in addresses:
            try:
                return await self._exchange(request, url, address, reach, caps)
            except HttpError as error:
                if error.fault is not HttpFault.CONNECT:
                    raise
                trouble = error
        raise trouble

    async def _addresses(self, url: httpx2.URL, reach: Reach) -> Sequence[str]:
        """The addresses of a host that may be asked, of which there is at least one."""
        if url.host.rstrip(".").lower() == "localhost":
            found: Sequence[str] = _LOCALHOST  # RFC 6761 6.3: no name server is asked for it
        else:
            answer = await self._resolver.lookup_addresses(url.host)
            if answer.status is not Status.OK:
                raise HttpError(HttpFault.NAME, f"{url.host} cannot be found: {answer.reason}")
            found = answer.records
        allowed = [address for address in found if _may_ask(address, url.scheme, reach)]
        if not allowed:
            raise HttpError(HttpFault.INTERNAL, f"{url.host} is at {found[0]}, which may not be asked from here")
        return allowed[:_MOST_ADDRESSES]

    async def _exchange(
        self, request: HttpRequest, url: httpx2.URL, address: str, reach: Reach, caps: Caps
    ) -> HttpResponse:
        name = url.raw_host.decode("ascii")
        headers = {
            "host": url.netloc.decode("ascii"),
            "user-agent": self._user_agent,
            # What is not packed cannot burst.
            "accept-encoding": "identity",
            **{key.lower(): value for key, value in request.headers.items()},
        }
        timeout = httpx2.Timeout(caps.seconds, connect=_CONNECT_SECONDS)
        context = _context_for(reach.ca)
        try:
            async with (
                httpx2.AsyncClient(verify=context, trust_env=False, timeout=timeout) as client,
                client.stream(
                    request.method,
                    url.copy_with(host=address),
                    headers=headers,
                    content=request.body or None,
                    extensions={"sni_hostname": name.rstrip(".")},
                ) as response,
            ):
                body = await _read(response, caps.octets)
                return HttpResponse(response.status_code, _headers(response), body)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, ValueError) as error:
            raise _explain(error, name) from None


def is_internal(address: str) -> bool:
    """Whether an address is known only here: of this machine, of its networks, or of no host at all."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is None and parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_internal(str(inner))
        if any(parsed in network for network in _LOCAL):
            return True
    return not parsed.is_global or parsed.is_multicast


def _may_ask(address: str, scheme: str, reach: Reach) -> bool:
    # Without TLS only within our own networks.
    return reach.internal if is_internal(address) else scheme == "https"


def _parse(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError, TypeError):
        raise HttpError(HttpFault.URL, "this is no URL") from None
    return _checked(url)


def _join(url: httpx2.URL, location: str) -> httpx2.URL:
    try:
        target = url.join(location)
    except (httpx2.InvalidURL, ValueError, TypeError):
        raise HttpError(HttpFault.PROTOCOL, f"{url.host} redirects to something that is no URL") from None
    if url.scheme == "https" and target.scheme != "https":
        raise HttpError(HttpFault.URL, f"{url.host} redirects from https to {target.scheme or 'nothing'}")
    return _checked(target)


def _checked(url: httpx2.URL) -> httpx2.URL:
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise HttpError(HttpFault.URL, "a URL to ask is https://host/path, without a login")
    return url


async def _read(response: httpx2.Response, most: int) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise HttpError(HttpFault.PROTOCOL, "the answer is packed, which was not asked for")
    parts: list[bytes] = []
    size = 0
    async with aclosing(response.aiter_raw()) as blocks:
        async for block in blocks:
            size += len(block)
            if size > most:
                raise HttpError(HttpFault.TOO_LARGE, f"the answer has more than {most} octets")
            parts.append(block)
    return b"".join(parts)


def _headers(response: httpx2.Response) -> dict[str, str]:
    return {key.lower(): value for key, value in response.headers.items()}


def _explain(error: Exception, host: str) -> HttpError:
    verification = _find_tls(error)
    if isinstance(verification, ssl.SSLCertVerificationError):
        text = f"the certificate of {host} is not valid: {verification.verify_message}"
        return HttpError(HttpFault.TLS, text)
    if verification is not None:
        return HttpError(HttpFault.TLS, f"TLS with {host} failed: {verification.reason or 'no handshake'}")
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return HttpError(HttpFault.CONNECT, f"no connection to {host}")
        case httpx2.TimeoutException():
            return HttpError(HttpFault.TIMEOUT, f"{host} does not answer in time")
    return HttpError(HttpFault.PROTOCOL, f"no usable answer from {host}: {type(error).__name__}")


def _find_tls(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _context_for(ca: str | None) -> ssl.SSLContext:
    if ca is None:
        return _context(None)
    try:
        found = Path(ca).stat()
        return _context(ca, found.st_ino, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise HttpError(HttpFault.TLS, f"the authorities in {ca} cannot be read: {error.strerror or error}") from None


@lru_cache(maxsize=16)
def _context(ca: str | None, *state: int) -> ssl.SSLContext:  # noqa: ARG001 -- tells states of the file apart
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        context.load_verify_locations(ca)
    return context
