"""Mailboxes of which only the address and the password are known, at a real Dovecot that the DNS names."""

from dataclasses import replace

import pytest

from relay.events import EventType
from relay.facts.troubles import KIND as TROUBLE
from relay.facts.whereabouts import KIND, Finder
from relay.imap.session import ImapSession
from relay.mail.address import Address
from relay.policy.company import OAuth2
from relay.policy.whereabouts import Sighting, Whereabouts
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import Zones
from tests.peers.mailboxes import Mailboxes

from .conftest import _free_port
from .test_mailbox import invoice

DOMAIN = "bakery.example"
HERE = {"A": "127.0.0.1"}


@pytest.fixture
async def mailboxes():
    """Of its names, those with an @ are refused: accounts are named by what stands before."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    more = f"auth_username_chars = {letters}\nauth_failure_delay = 0"
    async with Mailboxes(_free_port(), more=more, names=(f"imap.{DOMAIN}", "imap.hoster.example")) as running:
        yield running


@pytest.fixture
async def names(mailboxes):
    hosts = (f"imap.{DOMAIN}", f"other.{DOMAIN}", "imap.hoster.example")
    async with DnsServer(Zones(dict.fromkeys(hosts, HERE), ttl=0)) as server:
        yield server


@pytest.fixture
async def seeking(house, names):
    """A company that wrote neither host nor account, but for the authority of its certificate."""
    address = Address(house.user, DOMAIN)
    house.company = replace(house.company, address=address)
    house.configure(host="", username=str(address), sought=address)
    house.name_server = names.address
    point(house, names, f"imap.{DOMAIN}")
    await house.fetcher.close()
    house.fetcher = house.make_fetcher()
    return house


@pytest.fixture
def logins(monkeypatch):
    """The names that somebody tried to log in with."""
    tried, begin = [], ImapSession.open

    async def noted(place, login, *more):
        tried.append(login.username)
        return await begin(place, login, *more)

    monkeypatch.setattr(ImapSession, "open", noted)
    return tried


def point(house, names, host, *, port=0):
    names.zones.publish(f"_imaps._tcp.{DOMAIN}", "SRV", f"0 1 {port or house.mailboxes.port} {host}.")


def asked(names, host):
    return [question for question in names.questions if question.name == host and question.rdtype == "A"]


async def found(house):
    return [fact.value.get("host") for fact in await house.spool.facts.list(KIND)]


async def names_tried(house):
    (fact,) = await house.spool.facts.list(KIND)
    return fact.value["names"]


async def test_the_address_is_enough_and_the_name_that_is_let_in_is_kept(seeking, names):
    await seeking.put(invoice(1))
    await seeking.look()
    assert (await seeking.state()).error == ""
    assert await found(seeking) == [f"imap.{DOMAIN}"]
    assert await names_tried(seeking) == [seeking.user]
    await seeking.put(invoice(2))
    await seeking.look()
    assert seeking.api.names == ["factuur 2.pdf"]
    assert (await seeking.state()).sought == f"{seeking.user}@{DOMAIN}"


async def test_a_server_elsewhere_is_not_asked_and_told_with_what_to_write(seeking, names):
    point(seeking, names, "imap.hoster.example")
    await seeking.look()
    state = await seeking.state()
    assert "If it is right, write host: imap.hoster.example, port: " in state.error
    assert await found(seeking) == [None]
    assert asked(names, "imap.hoster.example") == []
    (event,) = seeking.sink.of(EventType.MAILBOX_FAILED)
    assert event.data["error"] == state.error
    assert await seeking.spool.facts.list(TROUBLE) == []


async def test_what_is_written_then_counts_within_a_minute(seeking, names):
    point(seeking, names, "imap.hoster.example")
    await seeking.look()
    await seeking.look(after=40)
    assert (await seeking.state()).failures == 1
    seeking.configure(host="imap.hoster.example", port=seeking.mailboxes.port, username=seeking.user, sought=None)
    await seeking.put(invoice(1))
    await seeking.look(after=40)
    assert ((await seeking.state()).error, (await seeking.state()).sought) == ("", "")


async def test_a_server_that_is_named_later_is_found_by_itself(seeking, names):
    names.zones.withdraw(f"_imaps._tcp.{DOMAIN}")
    await seeking.look()
    assert "the IMAP server of bakery.example was not found: write host" in (await seeking.state()).error
    point(seeking, names, f"imap.{DOMAIN}")
    await seeking.look(after=800)
    assert await found(seeking) == [None]
    await seeking.look(after=200)
    assert (await seeking.state()).error == ""
    assert len(seeking.sink.of(EventType.MAILBOX_BACK)) == 1


async def test_a_certificate_has_to_be_for_the_name_that_was_found(seeking, names):
    point(seeking, names, f"other.{DOMAIN}")
    await seeking.look()
    assert "certificate" in (await seeking.state()).error
    point(seeking, names, f"imap.{DOMAIN}")
    await seeking.look()
    assert (await seeking.state()).error == ""
    assert await found(seeking) == [f"imap.{DOMAIN}"]


async def test_a_server_in_our_own_networks_is_refused_unless_allowed(seeking, names):
    seeking.configure(mailboxes={"allow_private": False})
    await seeking.look()
    assert "is at 127.0.0.1, in our own networks" in (await seeking.state()).error


async def test_a_server_that_works_is_not_left_for_another_one(seeking, names):
    await seeking.look()
    point(seeking, names, f"other.{DOMAIN}")
    await seeking.put(invoice(1))
    await seeking.look(after=86400)
    assert await found(seeking) == [f"imap.{DOMAIN}"]
    assert seeking.api.names == ["factuur 1.pdf"]


async def test_a_mailbox_that_is_found_elsewhere_is_still_the_same(seeking, names):
    await seeking.put(invoice(1))
    await seeking.look()
    state = await seeking.state()
    finder = Finder(lambda: seeking.spool.facts, None, seeking.clock)
    sought = seeking.company.mailbox.sought
    place = (await finder.known(sought)).place
    gone = replace(place, endpoint=replace(place.endpoint, host=f"gone.{DOMAIN}"))
    await move(seeking, place, gone)
    await seeking.put(invoice(2))
    await seeking.look()
    await seeking.look()
    assert await found(seeking) == [f"imap.{DOMAIN}"]
    assert seeking.api.names == ["factuur 2.pdf"]
    assert (await seeking.state()).account == state.account


async def move(house, place: Whereabouts, to: Whereabouts):
    async def locate(_):
        return Sighting(to)

    house.clock.ahead += 1000
    finder = Finder(lambda: house.spool.facts, locate, house.clock)
    await finder.doubt(house.company.mailbox.sought, place)
    await finder.find(house.company.mailbox.sought)


async def test_a_wrong_password_costs_two_logins_a_visit_and_is_told(seeking, logins, tmp_path):
    (tmp_path / "password").write_text("wrong")
    await seeking.look()
    assert (await seeking.state()).error == "the server refuses the account or its password"
    (fact,) = await seeking.spool.facts.list(TROUBLE)
    assert fact.value["details"]["about"] == f"{seeking.user}@{DOMAIN} at imap.{DOMAIN}"
    assert logins == [f"{seeking.user}@{DOMAIN}", seeking.user]


async def test_an_account_that_has_a_name_is_tried_by_no_other(seeking, logins):
    seeking.configure(username=f"other@{DOMAIN}")
    await seeking.look()
    assert "refuses the account" in (await seeking.state()).error
    assert logins == [f"other@{DOMAIN}"]


async def test_connections_count_for_the_host_that_was_found(seeking, names):
    attendant = seeking.fetcher._attendant
    box = seeking.company.mailbox
    assert await attendant.host_of(box) == DOMAIN
    await seeking.look()
    assert await attendant.host_of(box) == f"imap.{DOMAIN}"
    assert await attendant.host_of(replace(box, host="IMAP.x.example", sought=None)) == "imap.x.example"


async def test_a_secret_that_cannot_be_read_is_no_trouble_of_the_server(seeking, names, tmp_path):
    await seeking.look()
    (tmp_path / "password").unlink()
    point(seeking, names, f"other.{DOMAIN}")
    await seeking.look()
    await seeking.look()
    assert "password" in (await seeking.state()).error
    assert await found(seeking) == [f"imap.{DOMAIN}"]
    assert not await is_doubted(seeking)


async def test_a_consent_that_is_missing_is_no_trouble_of_the_server(seeking):
    issuer = {"client_id": "relay", "scope": "mail", "internal": True, "token_url": "http://127.0.0.1:9"}
    seeking.oauth2 = {"issuer": issuer}
    seeking.configure(password=None, oauth2=OAuth2("bakery", "issuer", uses="read"))
    await seeking.look()
    assert "has not consented" in (await seeking.state()).error
    assert not await is_doubted(seeking)


@pytest.mark.parametrize(("issuer", "right"), [("microsoft", "outlook.office365.com"), ("google", "imap.gmail.com")])
async def test_the_token_of_a_known_issuer_is_shown_to_its_own_server_only(seeking, issuer, right):
    seeking.oauth2 = {"known": {"client_id": "relay", "issuer": issuer}}
    seeking.configure(password=None, oauth2=OAuth2("bakery", "known", uses="read"))
    await seeking.look()
    assert f"imap.{DOMAIN}, but the token is for {right}: nothing was sent there" in (await seeking.state()).error
    assert not await is_doubted(seeking)


async def is_doubted(house):
    (fact,) = await house.spool.facts.list(KIND)
    return fact.value["doubted"]


async def test_what_is_written_counts_at_once_though_the_host_has_the_domain_s_name(seeking):
    door, mailbox = seeking.fetcher._attendant._door, seeking.company.mailbox
    written = replace(mailbox, host=DOMAIN, sought=None)
    assert written.realm == mailbox.realm
    assert door.key_of(written) != door.key_of(mailbox)
