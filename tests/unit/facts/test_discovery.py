"""Finding servers from an address alone, with a name server on loopback."""

from collections.abc import AsyncIterator

import pytest

from relay.dns import Resolver
from relay.facts.discovery import Discovery, Found, fetch_with
from relay.http import HttpClient
from relay.mail.address import Address, parse_address
from relay.policy.providers import MICROSOFT, Endpoint
from relay.policy.whereabouts import Sighting, Whereabouts
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import FaultKind, Zones

XML = b"""<clientConfig><emailProvider><outgoingServer type="smtp"><hostname>out.auto.example</hostname><port>465</port>
<socketType>SSL</socketType><username>%EMAILLOCALPART%</username></outgoingServer></emailProvider></clientConfig>"""
RECORDS: dict[str, dict[str, object]] = {
    "_submissions._tcp.srv.example": {"SRV": "0 1 465 mail.srv.example."},
    "_imaps._tcp.srv.example": {"SRV": "0 1 993 imap.srv.example."},
    "_imaps._tcp.reading.example": {"SRV": "0 1 993 imap.reading.example."},
    "srv.example": {"MX": "10 mail.srv.example."},
    "auto.example": {"MX": "10 mail.auto.example."},
    "office.example": {"MX": "0 office-example.mail.protection.outlook.com."},
    "_imaps._tcp.hosted.example": {"SRV": "0 1 993 imap.hoster.example."},
    "_imaps._tcp.moved.example": {"SRV": "0 1 993 imap.hoster.example."},
    "moved.example": {"MX": "0 moved-example.mail.protection.outlook.com."},
    "own.example": {"MX": "10 mail.own.example."},
}


class Web:
    """Documents by URL; remembers what was asked."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes | None:
        self.asked.append(url)
        return self.documents.get(url)


@pytest.fixture
async def names() -> AsyncIterator[DnsServer]:
    async with DnsServer(Zones(RECORDS)) as server:
        yield server


@pytest.fixture
def web() -> Web:
    return Web()


async def find(names: DnsServer, web: Web, address: str) -> Found:
    return await Discovery(Resolver([names.address], 5.0), web.fetch).find(parse_address(address))


async def test_a_known_domain_needs_no_look_up(names: DnsServer, web: Web) -> None:
    found = await find(names, web, "anna@gmail.com")
    assert found.smtp is not None
    assert found.smtp.endpoint == Endpoint("smtp.gmail.com", 465, "implicit")
    assert found.provider is not None
    assert names.questions == []


async def test_srv_records_name_servers_and_the_account_is_the_address(names: DnsServer, web: Web) -> None:
    found = await find(names, web, "anna@srv.example")
    assert found.smtp is not None
    assert found.imap is not None
    assert found.smtp.endpoint == Endpoint("mail.srv.example", 465, "implicit")
    assert found.smtp.username == "anna@srv.example"
    assert found.imap.endpoint == Endpoint("imap.srv.example", 993, "implicit")
    assert found.source == "SRV records of srv.example"
    assert web.asked == []


async def test_an_autoconfig_file_is_looked_for_at_both_places(names: DnsServer, web: Web) -> None:
    web.documents["https://auto.example/.well-known/autoconfig/mail/config-v1.1.xml"] = XML
    found = await find(names, web, "anna@auto.example")
    assert found.smtp is not None
    assert (found.smtp.endpoint, found.smtp.username) == (Endpoint("out.auto.example", 465, "implicit"), "anna")
    assert web.asked[0] == "https://autoconfig.auto.example/mail/config-v1.1.xml?emailaddress=anna%40auto.example"


async def test_a_server_to_read_from_is_found_where_none_to_send_through_is_named(names: DnsServer, web: Web) -> None:
    found = await find(names, web, "anna@reading.example")
    assert found.smtp is None
    assert found.imap is not None
    assert (found.imap.endpoint, found.imap.username) == (
        Endpoint("imap.reading.example", 993, "implicit"),
        "anna@reading.example",
    )
    assert found.imap_source == "SRV records of reading.example"
    assert "SRV records of reading.example: imap only" in found.tried


async def test_each_server_is_taken_from_the_first_way_that_names_it(names: DnsServer, web: Web) -> None:
    web.documents["https://reading.example/.well-known/autoconfig/mail/config-v1.1.xml"] = XML
    found = await find(names, web, "anna@reading.example")
    assert found.smtp is not None
    assert found.imap is not None
    assert (found.smtp.endpoint.host, found.imap.endpoint.host) == ("out.auto.example", "imap.reading.example")
    assert found.source == "autoconfig file at https://reading.example/.well-known/autoconfig/mail/config-v1.1.xml"
    assert found.imap_source == "SRV records of reading.example"


async def test_mail_hosts_tell_whose_customer_a_domain_is(names: DnsServer, web: Web) -> None:
    found = await find(names, web, "anna@office.example")
    assert found.provider is not None
    assert found.provider.name == MICROSOFT
    assert found.smtp is not None
    assert found.smtp.username == "anna@office.example"


async def test_what_is_not_found_says_where_was_looked(names: DnsServer, web: Web) -> None:
    found = await find(names, web, "anna@own.example")
    assert found.smtp is None
    assert found.tried == [
        "no provider has this domain for its own",
        "no SRV records of own.example",
        "no autoconfig file of own.example",
        "mail hosts of own.example belong to no known provider: mail.own.example",
    ]


async def test_an_outage_is_said(names: DnsServer, web: Web) -> None:
    names.zones.break_name("own.example", FaultKind.SERVFAIL)
    names.zones.break_name("_submissions._tcp.own.example", FaultKind.SERVFAIL)
    found = await find(names, web, "anna@own.example")
    assert [line.partition(":")[0] for line in found.tried if "now" in line] == [
        "SRV records cannot be looked up now",
        "MX records cannot be looked up now",
    ]


async def locate(names: DnsServer, web: Web, address: str) -> Sighting:
    return await Discovery(Resolver([names.address], 5.0), web.fetch).locate(parse_address(address))


async def test_the_server_of_a_mailbox_is_used_where_it_is_within_the_domain(names: DnsServer, web: Web) -> None:
    found = await locate(names, web, "anna@reading.example")
    assert found.place == Whereabouts(
        Endpoint("imap.reading.example", 993, "implicit"),
        ("anna@reading.example", "anna"),
        "SRV records of reading.example",
    )
    assert web.asked == []


async def test_a_server_elsewhere_is_told_and_not_used(names: DnsServer, web: Web) -> None:
    found = await locate(names, web, "anna@hosted.example")
    assert found.place is None
    assert "write host: imap.hoster.example under incoming.mailbox" in found.why
    assert not found.is_outage


async def test_the_next_way_counts_where_one_names_a_server_elsewhere(names: DnsServer, web: Web) -> None:
    found = await locate(names, web, "anna@moved.example")
    assert found.place is not None
    assert found.place.endpoint.host == "outlook.office365.com"
    assert found.place.source == "mail of moved.example goes to Microsoft 365"


async def test_a_server_elsewhere_is_used_where_its_name_is_signed(web: Web) -> None:
    async with DnsServer(Zones(RECORDS), authenticated=True) as signing:
        found = await locate(signing, web, "anna@hosted.example")
    assert found.place is not None
    assert found.place.endpoint.host == "imap.hoster.example"


async def test_a_look_that_came_to_nothing_says_whether_another_may_come_to_more(names: DnsServer, web: Web) -> None:
    found = await locate(names, web, "anna@own.example")
    assert (found.place, found.is_outage) == (None, False)
    assert "the IMAP server of own.example was not found: write host" in found.why
    names.zones.break_name("_imaps._tcp.own.example", FaultKind.SERVFAIL)
    found = await locate(names, web, "anna@own.example")
    assert (found.place, found.is_outage) == (None, True)
    assert "cannot be found now (SRV records cannot be looked up now" in found.why


async def test_autoconfig_is_never_fetched_from_our_own_networks(names: DnsServer) -> None:
    fetch = fetch_with(HttpClient(Resolver([names.address], 5.0)))
    assert await fetch("https://127.0.0.1/mail/config-v1.1.xml") is None
    assert Address("anna", "x.example").domain == "x.example"


async def test_a_name_that_is_not_known_now_takes_nothing_from_a_better_one(names: DnsServer, web: Web) -> None:
    for label in ("_imap._tcp", "_submission._tcp", "_submissions._tcp"):
        names.zones.break_name(f"{label}.reading.example", FaultKind.SERVFAIL)
    found = await locate(names, web, "anna@reading.example")
    assert found.place is not None
    assert found.place.source == "SRV records of reading.example"
    tried = (await find(names, web, "anna@reading.example")).tried
    assert tried[1] == "SRV records of reading.example: imap only"
    assert tried[2].startswith("SRV records cannot be looked up now")


async def test_the_second_best_is_not_taken_because_the_best_is_not_known_now(names: DnsServer, web: Web) -> None:
    names.zones.publish("_imap._tcp.reading.example", "SRV", "0 1 143 old.reading.example.")
    names.zones.break_name("_imaps._tcp.reading.example", FaultKind.SERVFAIL)
    found = await locate(names, web, "anna@reading.example")
    assert (found.place, found.is_outage) == (None, True)


async def test_an_outage_of_what_is_for_sending_says_nothing_about_a_mailbox(names: DnsServer, web: Web) -> None:
    names.zones.break_name("_submissions._tcp.own.example", FaultKind.SERVFAIL)
    found = await locate(names, web, "anna@own.example")
    assert (found.place, found.is_outage) == (None, False)


async def test_an_account_at_an_address_in_brackets_is_found_nowhere(names: DnsServer) -> None:
    resolver = Resolver([names.address], 5.0)
    found = await Discovery(resolver, fetch_with(HttpClient(resolver))).locate(Address("anna", "[192.0.2.1]"))
    assert found.place is None
