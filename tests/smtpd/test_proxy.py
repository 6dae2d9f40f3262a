"""The PROXY protocol: who is on the other side of a load balancer, and who may say so."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network
from struct import pack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.intake.gate import Peer
from relay.smtpd import TlsMode
from relay.smtpd.proxy import SIGNATURE, ProxyError, missing, read_source

from .conftest import Client, House

ELSEWHERE = (ip_network("192.0.2.0/24"),)
CLIENT = Peer(ip_address("203.0.113.9"), 40123)
CLIENT_6 = Peer(ip_address("2001:db8::9"), 40123)
V1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 40123 25\r\n"
V1_6 = b"PROXY TCP6 2001:db8::9 2001:db8::1 40123 25\r\n"


def v2(family: int, body: bytes, *, command: int = 0x21) -> bytes:
    return SIGNATURE + bytes((command, family)) + pack("!H", len(body)) + body


PORTS = pack("!HH", 40123, 25)
V2 = v2(0x11, bytes([203, 0, 113, 9, 192, 0, 2, 1]) + PORTS)
V2_6 = v2(0x21, ip_address("2001:db8::9").packed + ip_address("2001:db8::1").packed + PORTS)
GOOD = [
    (V1, CLIENT),
    (V1_6, CLIENT_6),
    (b"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:192.0.2.1 40123 25\r\n", CLIENT),
    (b"PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n".replace(b"f...f", b"ffff:" * 5 + b"ffff"),
     Peer(ip_address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 65535)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", None),
    (V2, CLIENT),
    (V2_6, CLIENT_6),
    (v2(0x11, V2[16:] + b"\x04\0\x03abc" * 1000), CLIENT),
    (v2(0x11, b"", command=0x20), None),
    (v2(0x11, V2[16:], command=0x20), None),
    (v2(0x00, b""), None),
    (v2(0x00, b"\x04\0\x03abc"), None),
    (v2(0x31, b"/run/client\0" * 18), None),
    (v2(0x12, V2[16:]), None),
    (v2(0x21, ip_address("::ffff:203.0.113.9").packed * 2 + PORTS), CLIENT),
]  # fmt: skip
BAD = [
    b"EHLO client.example\r\n",
    b"PROXY",
    b"PROXY TCP4\r\n     ",
    b"PROXY TCP4\r\n\r\n",
    b"PROXY \n       \r\n",
    b"proxy TCP4 203.0.113.9 192.0.2.1 40123 25\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 40123\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 40123 25 1\r\n",
    b"PROXY TCP4  203.0.113.9 192.0.2.1 40123 25\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 40123 65536\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 040123 25\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 -1 25\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 \xd9\xa3 25\r\n",
    b"PROXY TCP4 203.0.113.09 192.0.2.1 40123 25\r\n",
    b"PROXY TCP4 2001:db8::9 2001:db8::1 40123 25\r\n",
    b"PROXY TCP6 203.0.113.9 192.0.2.1 40123 25\r\n",
    b"PROXY TCP6 fe80::9%eth0 fe80::1 40123 25\r\n",
    b"PROXY UDP4 203.0.113.9 192.0.2.1 40123 25\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 40123 25\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 40123\r25\r\n",
    b"PROXY TCP4 203.0.113.9\0 192.0.2.1 40123 25\r\n",
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    b"PROXY TCP4 " + b"1" * 1000,
    SIGNATURE[:-1] + b"X" + V2[12:],
    v2(0x11, V2[16:], command=0x11),
    v2(0x11, V2[16:], command=0x2F),
    v2(0x11, V2[16:27]),
    v2(0x21, V2_6[16:51]),
    v2(0x11, b""),
]


def read(octets: bytes) -> tuple[Peer | None, bytes]:
    """The source, and what follows the header."""
    size = 0
    while wanted := missing(octets[:size]):
        if size == len(octets):
            raise ProxyError("too short")
        size = min(size + wanted, len(octets))
    return read_source(octets[:size]), octets[size:]


@pytest.mark.parametrize(("header", "source"), GOOD)
def test_a_header_names_who_connects_and_leaves_what_follows(header: bytes, source: Peer | None) -> None:
    assert read(header + b"EHLO x\r\n") == (source, b"EHLO x\r\n")


@pytest.mark.parametrize("header", BAD)
def test_what_is_no_header_is_an_error(header: bytes) -> None:
    with pytest.raises(ProxyError):
        read(header)


@pytest.mark.parametrize("begin", [b"PROXY 12\r\n\r\n", b"PROXY 123\n\r\n", b"PROXY 12\r \r\n", b"PROXY TCP4\nE"])
def test_a_line_that_ended_too_soon_is_no_header_before_more_of_it_comes(begin: bytes) -> None:
    with pytest.raises(ProxyError):
        missing(begin)


@given(st.one_of(st.binary(), st.binary().map(b"PROXY ".__add__), st.binary().map(SIGNATURE.__add__)))
@example(b"")
def test_hostile_octets_are_a_header_or_an_error(octets: bytes) -> None:
    try:
        _, rest = read(octets)
    except ProxyError:
        return
    assert octets.endswith(rest)


@given(st.ip_addresses(), st.integers(0, 65535), st.binary(max_size=64))
def test_whoever_a_balancer_names_is_understood(address, port: int, rest: bytes) -> None:
    plain = getattr(address, "ipv4_mapped", None) or address
    text = f"PROXY TCP{address.version} {address} {address} {port} {port}\r\n".encode()
    octets = v2(0x11 if address.version == 4 else 0x21, address.packed * 2 + pack("!HH", port, port))
    for header in (text, octets):
        assert read(header + rest) == (Peer(plain, port), rest)


OpenBalanced = Callable[..., Awaitable[House]]


async def test_the_real_peer_is_the_sessions_peer_whatever_pieces_the_header_comes_in(balanced: OpenBalanced) -> None:
    made = await balanced()
    for header, source in ((V1, CLIENT), (V1_6, CLIENT_6), (V2, CLIENT), (V2_6, CLIENT_6)):
        for cut in range(1, len(header) + 1):
            client = await made.call()
            client.send(header[:cut])
            await asyncio.sleep(0)
            client.send(header[cut:] + b"EHLO client.example\r\n")
            assert (await client.reply()).startswith("220")
            assert made.gate.peer == source
            assert (await client.reply()) == "250 HELP"
            await client.close()


async def test_a_header_before_tls(balanced: OpenBalanced, client_tls: ssl.SSLContext) -> None:
    made = await balanced(tls=TlsMode.IMPLICIT)
    for header, source in ((V1, CLIENT), (V2_6, CLIENT_6)):
        sock = socket.create_connection(made.server.addresses[0])
        sock.send(header)
        client = await made.call_over(sock, ssl=client_tls, server_hostname="relay.example")
        assert (await client.reply()).startswith("220")
        assert made.gate.peer == source
        await client.ask("EHLO client.example")
        assert made.gate.hellos[-1].tls == "TLSv1.3"


async def test_starttls_keeps_the_real_peer(balanced: OpenBalanced, client_tls: ssl.SSLContext) -> None:
    made = await balanced(tls=TlsMode.STARTTLS)
    client = await made.call()
    client.send(V2)
    await client.reply()
    await client.ask("EHLO client.example")
    await client.ask("STARTTLS")
    await client.start_tls(client_tls)
    assert await client.ask("EHLO client.example") == "250 HELP"
    assert [gate.peer for gate in made.gates] == [CLIENT]


async def test_a_health_check_is_the_balancers_own_session(balanced: OpenBalanced) -> None:
    made = await balanced()
    for header in (b"PROXY UNKNOWN\r\n", v2(0x00, b"", command=0x20)):
        client = await made.call()
        client.send(header)
        assert (await client.reply()).startswith("220")
        assert str(made.gate.peer.address) == "127.0.0.1"
    silent = await made.call()
    await silent.close()


@pytest.mark.parametrize("header", [header for header in BAD if len(header) > 12])
async def test_a_listed_peer_without_a_right_header_gets_no_session(header: bytes, balanced: OpenBalanced) -> None:
    made = await balanced()
    client = await made.call()
    client.send(header)
    client.writer.write_eof()
    assert await ended(client) == b""
    assert not made.gates


async def test_a_header_that_ends_half_way_gets_no_session(balanced: OpenBalanced) -> None:
    made = await balanced()
    client = await made.call()
    client.send(V1[:20])
    client.writer.write_eof()
    assert await ended(client) == b""
    assert not made.gates


async def test_others_may_not_say_who_they_are(balanced: OpenBalanced) -> None:
    made = await balanced(balancers=ELSEWHERE)
    client = await made.call()
    await client.reply()
    client.send(V1 + b"NOOP\r\n")
    assert await client.rest() == b"500 5.5.1 This is SMTP\r\n"
    assert str(made.gate.peer.address) == "127.0.0.1"
    client = await made.call()
    await client.reply()
    client.send(V2 + b"\r\nNOOP\r\n")
    for _ in range(3):
        assert (await client.reply()).startswith("500 ")
    assert str(made.gate.peer.address) == "127.0.0.1"


async def test_a_listener_without_balancers_takes_no_header(house: Callable[..., Awaitable[House]]) -> None:
    made = await house()
    client = await made.call()
    await client.reply()
    client.send(V1)
    assert await client.rest() == b"500 5.5.1 This is SMTP\r\n"


@pytest.mark.parametrize("start", ["GET / HTTP/1.1", "POST / HTTP/1.1", "CONNECT 127.0.0.1:25 HTTP/1.0"])
async def test_a_browser_cannot_be_made_to_speak_smtp(start: str, house: Callable[..., Awaitable[House]]) -> None:
    made = await house()
    client = await made.call()
    await client.reply()
    client.send(f"{start}\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@here.example>\r\n".encode())
    assert await client.rest() == b"500 5.5.1 This is SMTP\r\n"
    assert not made.gate.hellos


async def test_stop_drops_who_has_not_said_yet_who_it_is(balanced: OpenBalanced) -> None:
    made = await balanced()
    client = await made.call()
    client.send(V1[:5])
    other = await made.call()
    other.send(V1)
    await other.reply()
    await made.server.stop(0)
    assert await ended(client) == b""


async def ended(client: Client) -> bytes:
    """What comes until the end, in good order or by a reset: octets may have been left unread."""
    try:
        return await client.rest()
    except ConnectionResetError:
        return b""
