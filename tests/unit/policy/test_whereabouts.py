"""Which server a company's password may go to, when nobody has written one down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address
from relay.policy.providers import Endpoint
from relay.policy.published import Offer
from relay.policy.whereabouts import Clue, Whereabouts, choose, explain_nothing, is_within

INFO = Address("info", "bakery.example")
SRV = "SRV records of bakery.example"


def clue(host: str, *, username: str | None = None, is_signed: bool = False, end: Endpoint | None = None) -> Clue:
    return Clue(Offer("imap", end or Endpoint(host, 993, "implicit"), username), SRV, is_signed)


@pytest.mark.parametrize("host", ["imap.bakery.example", "bakery.example", "a.b.bakery.example", "IMAP.Bakery.Example"])
def test_a_server_within_the_domain_is_used_with_both_names_that_the_account_may_have(host: str) -> None:
    found = choose([clue(host)], INFO)
    assert found == Whereabouts(Endpoint(host, 993, "implicit"), ("info@bakery.example", "info"), SRV)


@pytest.mark.parametrize(
    "host", ["imap.hoster.example", "notbakery.example", "bakery.example.evil.example", "example", "192.0.2.1"]
)
def test_a_server_elsewhere_gets_no_password_unasked(host: str) -> None:
    assert choose([clue(host)], INFO) is None


def test_a_server_elsewhere_is_used_when_the_dns_vouches_for_it() -> None:
    found = choose([clue("imap.hoster.example", is_signed=True)], INFO)
    assert found is not None
    assert found.endpoint.host == "imap.hoster.example"


def test_of_a_known_provider_more_is_known_than_what_was_said() -> None:
    wrong = Endpoint("IMAP.gmail.com", 4321, "starttls")
    found = choose([clue("", username="somebody", end=wrong)], INFO)
    assert found == Whereabouts(Endpoint("imap.gmail.com", 993, "implicit"), ("info@bakery.example",), SRV)


def test_the_first_that_may_be_used_is_and_what_was_said_of_the_account_counts() -> None:
    found = choose([clue("imap.hoster.example"), clue("mail.bakery.example", username="info-1")], INFO)
    assert found is not None
    assert (found.endpoint.host, found.names) == ("mail.bakery.example", ("info-1",))


def test_nothing_comes_of_nothing() -> None:
    assert choose([], INFO) is None


def test_an_admin_is_told_what_to_write() -> None:
    text = explain_nothing(
        "bakery.example", [clue("imap.hoster.example"), clue("other.example")], ["no MX"], is_outage=False
    )
    assert text == (
        "imap.hoster.example was found, and sent nothing: it is outside of bakery.example. If it is right, write "
        "host: imap.hoster.example under incoming.mailbox (SRV records of bakery.example)"
    )


@pytest.mark.parametrize(
    ("end", "keys"),
    [
        (Endpoint("h.example", 143, "starttls"), "host: h.example, port: 143, tls: starttls"),
        (Endpoint("h.example", 993, "starttls"), "host: h.example, port: 993, tls: starttls"),
        (Endpoint("h.example", 994, "implicit"), "host: h.example, port: 994, tls: implicit"),
    ],
)
def test_an_admin_is_told_what_is_unusual(end: Endpoint, keys: str) -> None:
    assert f"write {keys} under" in explain_nothing("bakery.example", [clue("", end=end)], [], is_outage=True)


@pytest.mark.parametrize(
    ("is_outage", "what"), [(True, "cannot be found now"), (False, "was not found: write host under incoming.mailbox")]
)
def test_an_admin_is_told_where_was_looked(is_outage: bool, what: str) -> None:  # noqa: FBT001 -- a parameter
    text = explain_nothing("bakery.example", [], ["no SRV records", "no MX"], is_outage=is_outage)
    assert text == f"the IMAP server of bakery.example {what} (no SRV records; no MX)"


@given(st.text(alphabet="ab.", max_size=20))
def test_no_name_outside_passes_for_one_within(host: str) -> None:
    assert is_within(host, "a.b") == (host.rstrip(".").split(".")[-2:] == ["a", "b"])


@pytest.mark.parametrize(
    ("host", "is_vouched"), [("imap.hoster.example", True), ("imap.bakery.example", False), ("imap.gmail.com", False)]
)
def test_what_nothing_but_the_dns_vouches_for_is_told_apart(host: str, is_vouched: bool) -> None:  # noqa: FBT001 -- a parameter
    found = choose([clue(host, is_signed=True)], INFO)
    assert found is not None
    assert found.is_vouched is is_vouched
