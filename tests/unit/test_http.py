"""The HTTP client against a small server on loopback: what it refuses to ask, and what it refuses to take."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from relay.dns import Resolver
from relay.http import Caps, HttpClient, HttpError, HttpFault, HttpRequest, HttpResponse, Reach, is_internal
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import Zones

RECORDS: dict[str, dict[str, object]] = {
    "app.example": {"A": "127.0.0.1"},
    "two.example": {"A": ["127.0.0.1", "127.0.77.1"]},
    "mixed.example": {"A": ["127.0.0.1", "192.0.2.1"]},
    "other.example": {"A": "127.0.0.1"},
}
INSIDE = Reach(internal=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Word: yes\r\n\r\nok"

Answering = Callable[[bytes], bytes | None]


@asynccontextmanager
async def serve(answering: Answering, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve one request a connection; None is silence until the client goes. Gives the port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-l")), 0)
            answer = answering(head + await reader.readexactly(length))
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with DnsServer(Zones(RECORDS)) as names:
        yield HttpClient(Resolver([names.address], 5.0))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def context_for(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def get(client: HttpClient, url: str, reach: Reach = INSIDE, caps: Caps | None = None) -> HttpResponse:
    return await client.send(HttpRequest("GET", url), reach, caps)


async def fault_of(client: HttpClient, url: str, reach: Reach = INSIDE, caps: Caps | None = None) -> HttpFault:
    with pytest.raises(HttpError) as caught:
        await get(client, url, reach, caps)
    return caught.value.fault


async def test_an_answer_is_a_value_whatever_its_status(client: HttpClient) -> None:
    async with serve(lambda _: b"HTTP/1.1 503 No\r\nX-Word: yes\r\nContent-Length: 3\r\n\r\nsad") as port:
        response = await get(client, f"http://app.example:{port}/path")
    assert (response.status, response.headers["x-word"], response.body) == (503, "yes", b"sad")
    assert not response.is_success


async def test_the_body_and_the_headers_arrive_as_given(client: HttpClient) -> None:
    seen: list[bytes] = []
    async with serve(lambda request: seen.append(request) or OK) as port:  # type: ignore[func-returns-value]
        request = HttpRequest("POST", f"http://app.example:{port}/x?y=1", {"X-Sign": "s"}, b'{"a": 1}')
        assert (await client.send(request, INSIDE)).is_success
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /x?y=1 HTTP/1.1\r\n")
    assert f"host: app.example:{port}".encode() in head
    assert b"x-sign: s" in head.lower()
    assert body == b'{"a": 1}'


async def test_a_certificate_is_checked_for_the_name_that_was_asked(
    client: HttpClient, authority: trustme.CA, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    reach = Reach(internal=True, ca=str(ca))
    async with serve(lambda _: OK, context_for(authority, "app.example")) as port:
        assert (await get(client, f"https://app.example:{port}/", reach)).body == b"ok"
        assert await fault_of(client, f"https://other.example:{port}/", reach) is HttpFault.TLS
        assert await fault_of(client, f"https://app.example:{port}/") is HttpFault.TLS


async def test_authorities_that_cannot_be_read_are_trouble_and_no_crash(client: HttpClient) -> None:
    assert await fault_of(client, "https://app.example/", Reach(internal=True, ca="/nowhere.pem")) is HttpFault.TLS


async def test_internal_addresses_are_not_asked_unless_allowed(client: HttpClient) -> None:
    for url in (
        "https://app.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://localhost/",
        "https://2130706433/",
    ):
        assert await fault_of(client, url, Reach()) in (HttpFault.INTERNAL, HttpFault.NAME)


async def test_outside_addresses_are_never_asked_without_tls(client: HttpClient) -> None:
    assert await fault_of(client, "http://app.example/", Reach()) is HttpFault.URL
    assert await fault_of(client, "http://1.1.1.1/") is HttpFault.INTERNAL


async def test_the_next_address_is_tried_when_one_does_not_answer(client: HttpClient) -> None:
    async with serve(lambda _: OK) as port:
        assert (await get(client, f"http://two.example:{port}/")).body == b"ok"
    assert await fault_of(client, f"http://two.example:{port}/") is HttpFault.CONNECT


async def test_localhost_is_this_machine(client: HttpClient) -> None:
    async with serve(lambda _: OK) as port:
        assert (await get(client, f"http://localhost:{port}/")).body == b"ok"


async def test_a_host_that_does_not_exist_cannot_be_found(client: HttpClient) -> None:
    assert await fault_of(client, "https://nowhere.example/") is HttpFault.NAME


@pytest.mark.parametrize(
    "url", ["", "app.example", "ftp://app.example/", "https://", "https://u:p@app.example/", "http://[::1"]
)
async def test_what_is_no_url_to_ask_is_refused(client: HttpClient, url: str) -> None:
    assert await fault_of(client, url) is HttpFault.URL


async def test_redirects_are_answers_unless_asked_to_follow(client: HttpClient) -> None:
    async with serve(lambda _: b"HTTP/1.1 302 Go\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n") as port:
        url = f"http://app.example:{port}/"
        assert (await get(client, url)).status == 302
        assert await fault_of(client, url, caps=Caps(redirects=2)) is HttpFault.REDIRECT


async def test_a_redirect_is_checked_like_the_first_url_and_shown_no_headers(client: HttpClient) -> None:
    seen: list[bytes] = []

    def answer(request: bytes) -> bytes:
        seen.append(request)
        if request.startswith(b"GET /in"):
            return b"HTTP/1.1 302 Go\r\nLocation: http://1.1.1.1/\r\nContent-Length: 0\r\n\r\n"
        if request.startswith(b"GET /odd"):
            return b"HTTP/1.1 302 Go\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n"
        if request.startswith(b"GET /on"):
            return OK
        port = request.partition(b"app.example:")[2].partition(b"\r\n")[0]
        return b"HTTP/1.1 302 Go\r\nLocation: http://other.example:%b/on\r\nContent-Length: 0\r\n\r\n" % port

    async with serve(answer) as port:
        url = f"http://app.example:{port}"
        follow = Caps(redirects=2)
        request = HttpRequest("GET", f"{url}/", {"X-Secret": "s"})
        assert (await client.send(request, INSIDE, follow)).body == b"ok"
        assert b"x-secret" in seen[0].lower()
        assert b"x-secret" not in seen[1].lower()
        assert await fault_of(client, f"{url}/in", caps=follow) is HttpFault.INTERNAL
        assert await fault_of(client, f"{url}/odd", caps=follow) is HttpFault.PROTOCOL


async def test_a_redirect_never_leads_away_from_tls(client: HttpClient, authority: trustme.CA, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    answer = b"HTTP/1.1 302 Go\r\nLocation: http://app.example/\r\nContent-Length: 0\r\n\r\n"
    async with serve(lambda _: answer, context_for(authority, "app.example")) as port:
        url = f"https://app.example:{port}/"
        assert await fault_of(client, url, Reach(internal=True, ca=str(ca)), Caps(redirects=1)) is HttpFault.URL


async def test_an_answer_that_is_too_large_is_not_taken(client: HttpClient) -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000
    async with serve(lambda _: endless) as port:
        assert await fault_of(client, f"http://app.example:{port}/", caps=Caps(octets=4999)) is HttpFault.TOO_LARGE
        assert len((await get(client, f"http://app.example:{port}/", caps=Caps(octets=5000))).body) == 5000


async def test_a_packed_answer_is_not_unpacked(client: HttpClient) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx"
    async with serve(lambda _: answer) as port:
        assert await fault_of(client, f"http://app.example:{port}/") is HttpFault.PROTOCOL


async def test_silence_ends_with_the_time_that_was_given(client: HttpClient) -> None:
    async with serve(lambda _: None) as port:
        assert await fault_of(client, f"http://app.example:{port}/", caps=Caps(seconds=0.05)) is HttpFault.TIMEOUT


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour"])
async def test_what_is_not_http_is_trouble_and_no_crash(client: HttpClient, answer: bytes) -> None:
    async with serve(lambda _: answer) as port:
        assert await fault_of(client, f"http://app.example:{port}/") is HttpFault.PROTOCOL


async def test_tls_with_a_host_that_has_none_fails_as_such(client: HttpClient) -> None:
    async with serve(lambda _: OK) as port:
        assert await fault_of(client, f"https://app.example:{port}/") in (
            HttpFault.TLS,
            HttpFault.PROTOCOL,
            HttpFault.CONNECT,
        )


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fe80::1",
     "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "fec0::1",
     "::7f00:1", "2002:7f00:1::", "::", "ff02::1", "192.0.2.1"],
)  # fmt: skip
def test_addresses_of_our_networks_are_internal(address: str) -> None:
    assert is_internal(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_addresses_of_the_internet_are_not_internal(address: str) -> None:
    assert not is_internal(address)


@given(st.ip_addresses())
def test_every_address_is_either(address: object) -> None:
    assert is_internal(str(address)) in (True, False)
