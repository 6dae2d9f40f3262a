"""Bounce addresses: ours come back with the delivery they are about, nobody can make one."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relay.mail.address import parse_address
from relay.mail.verp import TokenError, bounce_address, is_bounce_local, is_srs_local, parse_bounce

SECRETS = [b"current", b"former"]

queue_ids = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=30)


@given(queue_ids, st.integers(0, 10**10 - 1))
def test_a_bounce_says_which_delivery_it_is_about(queue_id, number):
    address = bounce_address(queue_id, number, domain="relay.example", secrets=SECRETS)
    assert len(address.local) <= 64
    assert parse_address(str(address)) == address
    assert is_bounce_local(address.local)
    assert parse_bounce(address.local, secrets=SECRETS) == (queue_id, number)
    shouted = parse_bounce(address.local.upper(), secrets=SECRETS)
    assert (shouted[0].lower(), shouted[1]) == (queue_id.lower(), number)


@given(queue_ids, st.integers(0, 99), st.data())
def test_no_change_goes_unnoticed(queue_id, number, data):
    local = bounce_address(queue_id, number, domain="relay.example", secrets=SECRETS).local
    at = data.draw(st.integers(0, len(local) - 1))
    changed = local[:at] + data.draw(st.sampled_from(string.ascii_lowercase + string.digits + ".+-_")) + local[at + 1 :]
    assume(changed.lower() != local.lower())
    with pytest.raises(TokenError):
        parse_bounce(changed, secrets=SECRETS)


def test_secrets_change_over_time():
    old = bounce_address("Q1", 1, domain="relay.example", secrets=[b"former"]).local
    assert parse_bounce(old, secrets=SECRETS) == ("Q1", 1)
    with pytest.raises(TokenError, match="forged"):
        parse_bounce(old, secrets=[b"current"])


@given(st.text(max_size=64) | st.from_regex(r"b\+[A-Za-z0-9]{1,9}\.[0-9]\.[a-z2-7]{16}", fullmatch=True))
def test_nothing_made_up_is_taken(local):
    with pytest.raises(TokenError):
        parse_bounce(local, secrets=SECRETS)


@pytest.mark.parametrize(
    ("queue_id", "number"), [("", 1), ("a.b", 1), ("a@b", 1), ("\u00e9", 1), ("a", -1), ("a" * 60, 1)]
)
def test_what_cannot_be_an_address(queue_id, number):
    with pytest.raises(TokenError):
        bounce_address(queue_id, number, domain="relay.example", secrets=SECRETS)


@pytest.mark.parametrize(
    ("local", "kinds"),
    [
        ("b+Q1.1.aaaa", (True, False)),
        ("B+x", (True, False)),
        ("bakery", (False, False)),
        ("SRS0=x", (False, True)),
        ("srs1+x", (False, True)),
        ("srs0-x", (False, True)),
        ("srs0x", (False, False)),
        ("srs2=x", (False, False)),
        ("", (False, False)),
    ],
)
def test_what_a_local_part_claims_to_be(local, kinds):
    assert (is_bounce_local(local), is_srs_local(local)) == kinds
