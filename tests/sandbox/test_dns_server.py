"""Zones and the name server, as seen by a plain dnspython client."""

import asyncio
import socket

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest

from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import Fault, FaultKind, Zones

ZONES = """
klant.example:
  MX: 10 mx.klant.example.
  TXT: ["v=spf1 -all", [two, strings]]
deep.below.klant.example: {A: [127.0.10.1, 127.0.10.2]}
"""


async def ask(server: DnsServer, name: str, rdtype: str, *, tcp: bool = False) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype)
    over = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await over(query, server.host, port=server.port, timeout=5)


async def test_zones_come_from_yaml_and_change_live() -> None:
    zones = Zones.from_yaml(ZONES)
    assert set(zones.names()) == {"klant.example", "deep.below.klant.example"}
    async with DnsServer(zones) as server:
        texts = (await ask(server, "KLANT.example", "TXT")).answer[0]
        assert sorted(record.strings for record in texts) == [(b"two", b"strings"), (b"v=spf1 -all",)]
        zones.publish("klant.example", "TXT", b"\xff\x00", "")
        assert len((await ask(server, "klant.example", "TXT")).answer[0]) == 2
        zones.withdraw("klant.example", "TXT")
        assert (await ask(server, "klant.example", "TXT")).answer == []
        zones.withdraw("klant.example")
        zones.withdraw("deep.below.klant.example")
        assert (await ask(server, "klant.example", "MX")).rcode() == dns.rcode.NXDOMAIN


def test_empty_yaml_is_an_empty_world() -> None:
    assert list(Zones.from_yaml("").names()) == []


@pytest.mark.parametrize(("rdtype", "value"), [("MX", "ten mx.example."), ("NOSUCH", "x"), ("A", "127.0.0")])
def test_values_that_do_not_fit_are_refused(rdtype: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"of x\.example"):
        Zones().publish("x.example", rdtype, value)


async def test_a_name_above_others_exists() -> None:
    async with DnsServer(Zones.from_yaml(ZONES)) as server:
        above = await ask(server, "below.klant.example", "A")
        beside = await ask(server, "beside.klant.example", "A")
    assert (above.rcode(), above.answer) == (dns.rcode.NOERROR, [])
    assert beside.rcode() == dns.rcode.NXDOMAIN
    assert beside.authority


async def test_several_questions_over_one_tcp_connection() -> None:
    async with DnsServer(Zones.from_yaml(ZONES)) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        for number in range(3):
            wire = dns.message.make_query("klant.example", "MX", id=number).to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
            size = int.from_bytes(await reader.readexactly(2), "big")
            assert dns.message.from_wire(await reader.readexactly(size)).id == number
        writer.write(b"\x00\x05half")
        writer.close()
        await writer.wait_closed()
        assert (await ask(server, "klant.example", "MX", tcp=True)).answer


async def test_noise_is_ignored_and_two_questions_are_refused() -> None:
    async with DnsServer(Zones.from_yaml(ZONES)) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy:
            noisy.sendto(b"\xff" * 5, (server.host, server.port))
        double = dns.message.make_query("klant.example", "MX")
        double.question.append(double.question[0].copy())
        reply = await dns.asyncquery.tcp(double, server.host, port=server.port, timeout=5)
        assert reply.rcode() == dns.rcode.FORMERR


async def test_dropped_over_tcp_too() -> None:
    async with DnsServer(Zones.from_yaml(ZONES)) as server:
        server.zones.break_name("klant.example", FaultKind.DROP)
        query = dns.message.make_query("klant.example", "MX")
        with pytest.raises(dns.exception.Timeout):
            await dns.asyncquery.tcp(query, server.host, port=server.port, timeout=0.05)


async def test_stopping_ends_what_was_delayed() -> None:
    async with DnsServer(Zones.from_yaml(ZONES)) as server:
        server.zones.break_name("klant.example", Fault(FaultKind.DELAY, 3600))
        waiting = asyncio.create_task(ask(server, "klant.example", "MX"))
        await server.asked.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with DnsServer(Zones()) as server:
        with pytest.raises(OSError, match="in use"):
            async with DnsServer(Zones(), port=server.port):
                pass


def test_how_an_address_is_written() -> None:
    assert DnsServer(Zones(), host="::1", port=53).address == "[::1]:53"


async def test_circles_of_aliases_end() -> None:
    zones = Zones({"a.example": {"CNAME": "b.example."}, "b.example": {"CNAME": "a.example."}})
    found = zones.find(dns.name.from_text("a.example"), "A")
    assert (found.exists, found.records) == (True, ())
