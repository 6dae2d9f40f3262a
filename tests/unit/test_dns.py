"""The resolver against a name server on loopback: every status, every fault, and what is remembered."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import dns.asyncresolver
import dns.flags
import dns.message
import dns.resolver
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.dns import MAX_TTL, MIN_TTL, MailStatus, Mx, Resolver, Status, parse_name
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import Fault, FaultKind, Zones

RECORDS = {
    "klant.example": {"MX": ["20 Backup.klant.example.", "10 mx.klant.example."], "TXT": ["v=spf1 -all", "other"]},
    "mx.klant.example": {"A": "127.0.10.1", "AAAA": "2001:db8::1"},
    "bare.example": {"A": "127.0.10.2"},
    "text-only.example": {"TXT": "nothing here"},
    "weg.example": {"MX": "0 ."},
    "mixed.example": {"MX": ["0 .", "10 mx.klant.example."]},
    "number.example": {"MX": "10 127.0.0.9."},
    "alias.example": {"CNAME": "step.example."},
    "step.example": {"CNAME": "klant.example."},
    "astray.example": {"CNAME": "nowhere.example."},
    "circle.example": {"CNAME": "circle.example."},
    "xn--bcher-kva.example": {"A": "127.0.10.3"},
    "deep.example": {"SRV": "1 2 25 mx.klant.example."},
    "long.example": {"TXT": ["x" * 3000]},
    "1.10.0.127.in-addr.arpa": {"PTR": "mx.klant.example."},
}


class StandingClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self) -> float:
        return self.time


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer(Zones(RECORDS)) as server:
        yield server


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def resolver(server: DnsServer, clock: StandingClock) -> Resolver:
    return Resolver([server.address], 5.0, clock=clock)


async def test_addresses_of_both_families_come_with_ipv6_first(resolver: Resolver) -> None:
    answer = await resolver.lookup_addresses("mx.klant.example")
    assert (answer.status, answer.records) == (Status.OK, ("2001:db8::1", "127.0.10.1"))


async def test_an_address_stands_for_itself(resolver: Resolver, server: DnsServer) -> None:
    assert (await resolver.lookup_addresses("127.0.0.9")).records == ("127.0.0.9",)
    assert server.questions == []


async def test_one_family_is_enough(resolver: Resolver) -> None:
    assert (await resolver.lookup_addresses("bare.example")).records == ("127.0.10.2",)


async def test_text_records_keep_their_octets(resolver: Resolver) -> None:
    assert set((await resolver.lookup_txt("klant.example")).records) == {b"v=spf1 -all", b"other"}


async def test_names_of_an_address(resolver: Resolver) -> None:
    assert (await resolver.lookup_ptr("127.0.10.1")).records == ("mx.klant.example",)
    assert (await resolver.lookup_ptr("127.0.10.9")).status is Status.NXDOMAIN
    assert (await resolver.lookup_ptr("no address")).status is Status.NXDOMAIN


async def test_any_type_in_its_presentation_form(resolver: Resolver) -> None:
    assert (await resolver.lookup("alias.example", "CNAME")).records == ("step.example",)
    assert (await resolver.lookup("bare.example", "a")).records == ("127.0.10.2",)
    assert (await resolver.lookup("long.example", "TXT")).records == ("x" * 3000,)
    assert (await resolver.lookup("klant.example", "MX")).records == ("10 mx.klant.example", "20 backup.klant.example")
    assert (await resolver.lookup("deep.example", "SRV")).records == ("1 2 25 mx.klant.example.",)
    assert (await resolver.lookup("klant.example", "NOSUCH")).status is Status.TEMPORARY


def test_a_machine_without_resolv_conf_asks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_stub: object, _path: str) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.asyncresolver.Resolver, "read_resolv_conf", missing)
    assert Resolver()._stub.nameservers == ["127.0.0.1"]


async def test_mail_hosts_are_sorted_by_preference(resolver: Resolver) -> None:
    answer = await resolver.lookup_mx("klant.example")
    assert answer.records == (Mx(10, "mx.klant.example"), Mx(20, "backup.klant.example"))
    assert not answer.is_null


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("text-only.example", Status.NODATA),
        ("nergens.example", Status.NXDOMAIN),
        ("astray.example", Status.NXDOMAIN),
        ("circle.example", Status.NODATA),
    ],
)
async def test_what_is_not_there(resolver: Resolver, name: str, status: Status) -> None:
    answer = await resolver.lookup_addresses(name)
    assert (answer.status, answer.records) == (status, ())
    assert answer.reason


async def test_aliases_are_followed_within_one_answer(resolver: Resolver) -> None:
    assert b"v=spf1 -all" in (await resolver.lookup_txt("alias.example")).records


async def test_aliases_are_followed_where_an_answer_stops_half_way() -> None:
    class Forgetful(Zones):
        def find(self, name, rdtype):  # type: ignore[no-untyped-def]
            found = super().find(name, rdtype)
            if not found.aliases:
                return found
            owner, alias = found.aliases[0]
            self.answered = owner
            return type(found)(exists=True, aliases=((owner, alias),), owner=alias.target, records=())

    class WithoutAuthority(DnsServer):
        def _answer(self, query, found):  # type: ignore[no-untyped-def]
            reply = super()._answer(query, found)
            reply.authority = []
            return reply

    async with WithoutAuthority(Forgetful(RECORDS)) as server:
        resolver = Resolver([server.address])
        assert b"v=spf1 -all" in (await resolver.lookup_txt("alias.example")).records
        assert (await resolver.lookup_txt("circle.example")).status is Status.NODATA


async def test_unicode_names_go_out_as_a_labels(resolver: Resolver, server: DnsServer) -> None:
    for name in ("bücher.example", "BÜCHER.example", "bücher\u3002example", "xn--bcher-kva.example."):
        assert (await resolver.lookup_addresses(name)).records == ("127.0.10.3",)
    assert {question.name for question in server.questions} == {"xn--bcher-kva.example"}


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "x" * 64 + ".example", "a." * 130, "\ud800.example", "\u2488com", "ü" * 70 + ".example"]
)
async def test_what_cannot_be_a_name_does_not_exist(resolver: Resolver, server: DnsServer, name: str) -> None:
    for answer in (await resolver.lookup_txt(name), await resolver.lookup_addresses(name)):
        assert answer.status is Status.NXDOMAIN
    assert (await resolver.hosts_for(name)).status is MailStatus.NXDOMAIN
    assert server.questions == []


@given(st.text(max_size=300))
def test_a_name_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_name(text)


@pytest.mark.parametrize("kind", [FaultKind.SERVFAIL, FaultKind.DROP])
async def test_faults_are_temporary(server: DnsServer, kind: FaultKind) -> None:
    resolver = Resolver([server.address], 0.2)
    server.zones.break_name("klant.example", kind)
    answer = await resolver.lookup_txt("klant.example")
    assert (answer.status, answer.records) == (Status.TEMPORARY, ())
    assert "TXT of klant.example" in answer.reason
    assert (await resolver.hosts_for("klant.example")).status is MailStatus.TEMPORARY


async def test_nobody_there_is_temporary() -> None:
    async with DnsServer(Zones()) as gone:
        address = gone.address
    assert (await Resolver([address], 0.2).lookup_txt("klant.example")).status is Status.TEMPORARY


async def test_a_lost_datagram_is_asked_again(server: DnsServer) -> None:
    server.zones.break_name("klant.example", FaultKind.DROP)
    asked = asyncio.create_task(Resolver([server.address], 2.0).lookup_txt("klant.example"))
    await server.asked.wait()
    server.zones.heal("klant.example")
    assert (await asked).status is Status.OK
    assert len(server.questions) == 2


async def test_the_next_server_is_asked_when_one_fails(server: DnsServer) -> None:
    async with DnsServer(Zones(RECORDS)) as broken:
        broken.zones.break_name("klant.example", FaultKind.SERVFAIL)
        resolver = Resolver([broken.address, server.address])
        assert (await resolver.lookup_txt("klant.example")).status is Status.OK


async def test_a_late_answer_within_the_time_is_good(server: DnsServer, resolver: Resolver) -> None:
    server.zones.break_name("klant.example", Fault(FaultKind.DELAY, 0.05))
    assert (await resolver.lookup_txt("klant.example")).status is Status.OK


@pytest.mark.parametrize("name", ["long.example", "klant.example"])
async def test_truncated_answers_are_fetched_over_tcp(server: DnsServer, resolver: Resolver, name: str) -> None:
    server.zones.break_name("klant.example", FaultKind.TRUNCATE)
    assert (await resolver.lookup_txt(name)).status is Status.OK
    assert [question.over for question in server.questions] == ["udp", "tcp"]


async def test_a_name_can_be_made_to_vanish(server: DnsServer, resolver: Resolver) -> None:
    server.zones.break_name("klant.example", FaultKind.NXDOMAIN)
    assert (await resolver.lookup_txt("klant.example")).status is Status.NXDOMAIN


async def test_one_family_unknown_and_the_other_empty_is_temporary(server: DnsServer, resolver: Resolver) -> None:
    server.zones.break_name("text-only.example", FaultKind.SERVFAIL)
    six = await resolver.lookup("text-only.example", "AAAA")
    server.zones.heal("text-only.example")
    assert six.status is Status.TEMPORARY
    assert (await resolver.lookup_addresses("text-only.example")).status is Status.TEMPORARY
    assert (await resolver.hosts_for("text-only.example")).status is MailStatus.TEMPORARY


@pytest.mark.parametrize("name", ["klant.example", "nergens.example", "text-only.example", "KLANT.example."])
async def test_answers_are_remembered_as_long_as_they_hold(
    server: DnsServer, resolver: Resolver, clock: StandingClock, name: str
) -> None:
    first = await resolver.lookup_mx(name)
    assert first.expires == clock.time + server.zones.ttl
    clock.time += server.zones.ttl - 1
    assert await resolver.lookup_mx(name.lower()) == first
    assert len(server.questions) == 1
    clock.time += 1
    await resolver.lookup_mx(name)
    assert len(server.questions) == 2


@pytest.mark.parametrize(("ttl", "kept"), [(0, MIN_TTL), (1_000_000, MAX_TTL)])
async def test_the_time_to_live_is_bounded(
    server: DnsServer, resolver: Resolver, clock: StandingClock, ttl: int, kept: float
) -> None:
    server.zones.ttl = ttl
    assert (await resolver.lookup_txt("klant.example")).expires == clock.time + kept


async def test_failures_are_remembered_briefly(server: DnsServer, resolver: Resolver, clock: StandingClock) -> None:
    server.zones.break_name("klant.example", FaultKind.SERVFAIL)
    await resolver.lookup_txt("klant.example")
    server.zones.heal("klant.example")
    assert (await resolver.lookup_txt("klant.example")).status is Status.TEMPORARY
    clock.time += MIN_TTL
    assert (await resolver.lookup_txt("klant.example")).status is Status.OK


async def test_a_clock_that_was_set_back_does_not_keep_answers_for_ever(
    server: DnsServer, resolver: Resolver, clock: StandingClock
) -> None:
    await resolver.lookup_txt("klant.example")
    clock.time -= 2 * MAX_TTL
    await resolver.lookup_txt("klant.example")
    assert len(server.questions) == 2


async def test_forgetting_asks_anew(server: DnsServer, resolver: Resolver) -> None:
    await resolver.lookup_txt("klant.example")
    resolver.forget()
    await resolver.lookup_txt("klant.example")
    assert len(server.questions) == 2


async def test_the_memory_is_bounded_and_drops_what_was_used_least_recently(server: DnsServer) -> None:
    resolver = Resolver([server.address], cache_octets=1500)
    for name in ("klant.example", "bare.example", "klant.example", "weg.example", "klant.example"):
        await resolver.lookup_txt(name)
    assert len(server.questions) == 3
    await resolver.lookup_txt("bare.example")
    assert len(server.questions) == 4


async def test_a_giant_answer_takes_the_room_of_many(server: DnsServer) -> None:
    resolver = Resolver([server.address], cache_octets=1900)
    server.zones.publish("riese.example", "TXT", "x" * 900)
    for name in ("klant.example", "bare.example", "riese.example", "klant.example"):
        await resolver.lookup_txt(name)
    assert len(server.questions) == 4
    assert resolver.known_txt("riese.example") is None
    # What is forgotten takes no room any more.
    for name in ("bare.example", "weg.example", "klant.example"):
        await resolver.lookup_txt(name)
    assert len(server.questions) == 6


async def test_equal_questions_at_the_same_time_are_one(server: DnsServer, resolver: Resolver) -> None:
    server.zones.break_name("klant.example", Fault(FaultKind.DELAY, 0.02))
    answers = await asyncio.gather(*(resolver.lookup_txt("klant.example") for _ in range(50)))
    assert len(server.questions) == 1
    assert all(answer == answers[0] for answer in answers)


async def test_who_stops_waiting_does_not_take_the_answer_from_others(server: DnsServer, resolver: Resolver) -> None:
    server.zones.break_name("klant.example", Fault(FaultKind.DELAY, 0.02))
    first = asyncio.create_task(resolver.lookup_txt("klant.example"))
    second = asyncio.create_task(resolver.lookup_txt("klant.example"))
    await server.asked.wait()
    first.cancel()
    assert (await second).status is Status.OK
    assert first.cancelled()


async def test_signed_answers_are_known_as_such() -> None:
    async with DnsServer(Zones(RECORDS), authenticated=True) as validating:
        resolver = Resolver([validating.address])
        assert (await resolver.lookup_txt("klant.example")).authenticated
        assert (await resolver.lookup_addresses("mx.klant.example")).authenticated
        assert (await resolver.lookup_txt("nergens.example")).authenticated
        assert (await resolver.hosts_for("klant.example")).authenticated


async def test_servers_elsewhere_are_believed_only_when_we_are_told_to() -> None:
    response = dns.message.Message()
    response.flags |= dns.flags.AD
    for servers, validating, believed in (
        (["192.0.2.1"], False, False),
        (["192.0.2.1"], True, True),
        (["127.0.0.1", "192.0.2.1:5353"], False, False),
        (["127.0.0.1", "[::1]:5353"], False, True),
    ):
        assert Resolver(servers, validating=validating)._is_authentic(response) is believed


async def test_an_answer_says_where_aliases_led(server: DnsServer, resolver: Resolver) -> None:
    server.zones.publish("alias.example", "CNAME", "mx.klant.example.")
    assert (await resolver.lookup_addresses("alias.example")).name == "mx.klant.example"
    assert (await resolver.lookup_addresses("mx.klant.example")).name == ""


async def test_unsigned_answers_are_known_as_such(resolver: Resolver) -> None:
    assert not (await resolver.lookup_txt("klant.example")).authenticated


async def test_hosts_come_in_order_of_preference(resolver: Resolver) -> None:
    hosts = await resolver.hosts_for("klant.example")
    assert (hosts.status, [mx.host for mx in hosts.hosts]) == (
        MailStatus.FOUND,
        ["mx.klant.example", "backup.klant.example"],
    )


async def test_equal_hosts_are_shuffled_within_their_preference(server: DnsServer) -> None:
    server.zones.publish("klant.example", "MX", "10 a.example.", "10 b.example.", "5 c.example.", "10 d.example.")
    resolver = Resolver([server.address], shuffle=lambda hosts: hosts.reverse())
    hosts = await resolver.hosts_for("klant.example")
    assert [mx.host for mx in hosts.hosts] == ["c.example", "d.example", "b.example", "a.example"]


@pytest.mark.parametrize(
    ("domain", "status", "hosts"),
    [
        ("bare.example", MailStatus.FOUND, (Mx(0, "bare.example"),)),
        ("weg.example", MailStatus.NULL_MX, ()),
        ("mixed.example", MailStatus.FOUND, (Mx(10, "mx.klant.example"),)),
        ("number.example", MailStatus.NO_HOSTS, ()),
        ("text-only.example", MailStatus.NO_HOSTS, ()),
        ("nergens.example", MailStatus.NXDOMAIN, ()),
        ("[127.0.0.1]", MailStatus.FOUND, (Mx(0, "127.0.0.1"),)),
        ("[IPv6:::1]", MailStatus.FOUND, (Mx(0, "::1"),)),
        ("[nonsense]", MailStatus.NXDOMAIN, ()),
    ],
)
async def test_hosts_for_every_kind_of_domain(
    resolver: Resolver, domain: str, status: MailStatus, hosts: tuple[Mx, ...]
) -> None:
    found = await resolver.hosts_for(domain)
    assert (found.status, found.hosts) == (status, hosts)
    assert found.reason


@pytest.mark.parametrize("server", ["localhost:53", "127.0.0.1:", "1.2.3", "[::1", "[::1]53", "a:b:c"])
def test_servers_are_given_by_address(server: str) -> None:
    with pytest.raises(ValueError, match="address with a port"):
        Resolver([server])


@pytest.mark.parametrize("server", ["127.0.0.1", "::1", "[::1]:53", "127.0.0.1:2053"])
def test_ways_to_write_a_server(server: str) -> None:
    Resolver([server])


def test_without_servers_the_system_is_asked() -> None:
    assert Resolver()._stub.nameservers
