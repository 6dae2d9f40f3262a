"""SRS: forwarded senders come home, in any case, for 21 days; nothing forged does."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relay.mail.address import Address, parse_address
from relay.mail.seal import is_sealed, seal
from relay.mail.srs import VALID_DAYS, TokenError, srs_forward, srs_reverse

OURS = "relay.example"
SECRETS = [b"current", b"former"]
DAY = 20_780

labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
domains = st.lists(labels, min_size=1, max_size=3).map(".".join)
local_parts = st.text(string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=16)
addresses = st.builds(Address, local_parts, domains).filter(lambda a: not a.local.lower().startswith(("srs0", "srs1")))


def forward(address: Address, day: int = DAY, secrets: list[bytes] = SECRETS) -> Address:
    return srs_forward(address, domain=OURS, secrets=secrets, day=day)


def reverse(local: str, day: int = DAY, secrets: list[bytes] = SECRETS) -> Address:
    return srs_reverse(local, secrets=secrets, day=day)


def test_the_form():
    forwarded = forward(Address("jan", "x.example"))
    scheme, mark, stamp, domain, local = forwarded.local.split("=")
    assert (scheme, domain, local, forwarded.domain) == ("SRS0", "x.example", "jan", OURS)
    assert (len(mark), len(stamp)) == (8, 2)


@given(addresses, st.integers(0, 100_000), st.integers(-1, VALID_DAYS))
def test_every_sender_comes_home(address, day, later):
    assume(len(str(address)) <= 46)
    forwarded = forward(address, day)
    assert len(forwarded.local) <= 64
    assert parse_address(str(forwarded)) == forwarded
    assert reverse(forwarded.local, day + later) == address


@given(addresses, st.sampled_from([str.upper, str.lower, str.swapcase]))
def test_the_case_may_change_on_the_way(address, change):
    returned = reverse(change(forward(address).local))
    assert (returned.local.lower(), returned.domain) == (address.local.lower(), address.domain)


@pytest.mark.parametrize(
    "address",
    [
        Address("john doe", "x.example"),
        Address('a"b\\c', "x.example"),
        Address("a=b=c", "x.example"),
        Address("", "x.example"),
        Address("a", "[192.0.2.1]"),
        Address("a", "[ipv6:2001:db8::1]"),
        Address("jos\u00e9", "x.example"),
    ],
)
def test_odd_senders_come_home(address):
    forwarded = forward(address)
    assert reverse(parse_address(str(forwarded)).local) == address


def test_an_internationalised_domain_comes_home_in_ascii():
    forwarded = forward(Address("a", "m\u00fcnchen.example"))
    assert forwarded.is_ascii
    assert reverse(forwarded.local) == Address("a", "xn--mnchen-3ya.example")


def test_our_own_addresses_stay():
    assert forward(Address("a", OURS)) == Address("a", OURS)


@pytest.mark.parametrize("later", [VALID_DAYS + 1, 500, 1022, 1024, 1024 + VALID_DAYS, 4096, -2])
def test_old_ones_do_not_come_home(later):
    with pytest.raises(TokenError, match="expired"):
        reverse(forward(Address("a", "x.example")).local, DAY + later)


def test_a_former_secret_still_opens():
    local = forward(Address("a", "x.example"), secrets=[b"former"]).local
    assert reverse(local) == Address("a", "x.example")
    with pytest.raises(TokenError, match="forged"):
        reverse(local, secrets=[b"current"])


@given(addresses, st.data())
def test_no_change_goes_unnoticed(address, data):
    local = forward(address).local
    at = data.draw(st.integers(0, len(local) - 1))
    letter = data.draw(st.sampled_from(string.ascii_uppercase + string.digits + "=+-.@"))
    changed = local[:at] + letter + local[at + 1 :]
    # The first separator is free (other hosts are known to change it), all else is sealed.
    assume(changed.lower() != local.lower() and at != 4)
    with pytest.raises(TokenError):
        reverse(changed)


@given(st.text(max_size=64) | st.from_regex(r"SRS[01][=+-][A-Za-z2-7]{8}=[A-Za-z2-7]{2}=[^=]+=.+", fullmatch=True))
def test_nothing_made_up_is_taken(local):
    with pytest.raises(TokenError):
        reverse(local)


@pytest.mark.parametrize(
    "local",
    [
        "",
        "SRS0",
        "SRS0=",
        "SRS0=AAAAAAAA=AA=x.example",
        "SRS2=AAAAAAAA=AA=x=a",
        "SRS1=AAAAAAAA=x",
        "SRS0=\u017fAAAAAAA=AA=x=a",
    ],
)
def test_malformed_ones(local):
    with pytest.raises(TokenError, match="malformed"):
        reverse(local)


@pytest.mark.parametrize("separator", ["=", "+", "-"])
def test_a_chain_stays_two_hosts_long(separator):
    original = Address(f"SRS0{separator}ab1=CD=x.example=a", "fwd.example")
    once = forward(original)
    assert once.local.startswith("SRS1=")
    assert reverse(once.local) == original
    assert reverse(once.local.lower()).local.lower() == original.local.lower()
    # A host behind us chains ours; what comes back to it goes to the first forwarder, not to us.
    twice = srs_forward(once, domain="third.example", secrets=[b"theirs"], day=DAY)
    assert len(twice.local) == len(once.local)
    assert srs_reverse(twice.local, secrets=[b"theirs"], day=DAY) == original


def test_chains_are_sealed():
    local = forward(Address("SRS0=ab1=CD=x.example=a", "fwd.example")).local
    for forged in (local.replace("fwd", "evil"), local.replace("=x.", "=y."), "SRS1=AAAAAAAA=fwd.example==a"):
        with pytest.raises(TokenError, match="forged"):
            reverse(forged)


@pytest.mark.parametrize(
    "address",
    [
        Address("a" * 30, "a-rather-long-domain.example"),
        Address('"' * 20, "x.example"),
        Address("\u00e9" * 20, "x.example"),
        Address("SRS0=" + "a" * 40, "fwd.example"),
    ],
)
def test_what_does_not_fit_is_said(address):
    with pytest.raises(TokenError, match="too long"):
        forward(address)


def test_a_sealed_address_that_is_none():
    mark = seal(b"current", "srs1", "x..y", "=a", letters=8)
    with pytest.raises(TokenError, match="malformed"):
        reverse(f"SRS1={mark}=x..y==a")


def test_parts_of_a_seal_do_not_run_together():
    assert seal(b"s", "ab", "c", letters=8) != seal(b"s", "a", "bc", letters=8)
    assert len(seal(b"s", "a", letters=16)) == 16
    assert is_sealed(seal(b"s", "A", letters=8).lower(), [b"x", b"s"], "a")
    assert not is_sealed("\u00e9" * 8, [b"s"], "a")
    assert not is_sealed("", [], "a")
