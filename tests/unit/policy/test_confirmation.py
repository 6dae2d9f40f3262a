"""How often an address is asked, and by what an answer is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address
from relay.policy.company import Company
from relay.policy.confirmation import (
    DAY,
    code,
    hold_key,
    hold_unconfirmed,
    is_code,
    link_token,
    read_link,
    wait_before_asking,
)

NOW = 1_800_000_000.0
OLD, NEW = b"the old secret", b"the new secret"
WHOM = ("bakery", "info@bakery.example", "nonce")
EXPIRES = int(NOW) + 600


@pytest.mark.parametrize(
    ("asked", "by_itself", "wait"),
    [
        ((), True, 0),
        ((), False, 0),
        ((NOW - DAY,), True, 0),
        ((NOW - DAY + 10,), True, 10),
        ((NOW - 60,), False, 0),
        ((NOW - 20,), False, 40),
        (tuple(NOW - 1000 * n for n in (5, 4, 3, 2, 1)), False, DAY - 5000),
        ((NOW - 2 * DAY, *(NOW - 1000 * n for n in (4, 3, 2, 1))), False, 0),
    ],
)
def test_by_itself_it_is_asked_once_a_day_and_by_people_within_bounds(asked, by_itself, wait):
    assert wait_before_asking(asked, now=NOW, by_itself=by_itself) == wait


def test_a_link_is_known_by_any_of_our_secrets():
    token = link_token(OLD, *WHOM, expires=EXPIRES)
    assert read_link(token, (NEW, OLD), *WHOM) == EXPIRES
    assert read_link(token.upper(), (NEW, OLD), *WHOM) == EXPIRES
    assert read_link(token, (NEW,), *WHOM) is None


@pytest.mark.parametrize(
    "other",
    [
        ("garage", "info@bakery.example", "nonce"),
        ("bakery", "info@garage.example", "nonce"),
        ("bakery", "info@bakery.example", "another"),
    ],
    ids=["company", "address", "nonce"],
)
def test_links_and_codes_of_another_one_are_worth_nothing(other):
    assert read_link(link_token(NEW, *other, expires=EXPIRES), (NEW,), *WHOM) is None
    assert not is_code(code(NEW, *other), (NEW,), *WHOM)


def test_the_end_of_a_link_cannot_be_put_off():
    sealed = link_token(NEW, *WHOM, expires=EXPIRES).partition(".")[2]
    assert read_link(f"{EXPIRES + 1}.{sealed}", (NEW,), *WHOM) is None


@pytest.mark.parametrize("token", ["", ".", "1", "1.", f".{'A' * 32}", f"x.{'A' * 32}", f"².{'A' * 32}", "1.ABCDEFGH"])
def test_what_is_no_link_is_none(token):
    assert read_link(token, (NEW,), *WHOM) is None


def test_a_number_of_any_length_is_no_time():
    assert read_link(f"{'1' * 13}.{'A' * 32}", (NEW,), *WHOM) is None


@given(st.text())
def test_whatever_is_given_is_read_without_trouble(given_text):
    assert read_link(given_text, (NEW,), *WHOM) is None
    assert not is_code(given_text, (NEW,), *WHOM)


def test_a_code_is_taken_as_people_type_it():
    written = code(NEW, *WHOM)
    assert len(written) == 9
    assert written[4] == "-"
    misread = written.replace("O", "0").replace("I", "1").replace("B", "8")
    for typed in (written, written.lower(), written.replace("-", ""), f" {written[:4]} {written[5:]} ", misread):
        assert is_code(typed, (NEW, OLD), *WHOM)
    assert not is_code(written[:-1], (NEW,), *WHOM)


def test_mail_waits_for_the_address_of_its_company():
    company = Company("bakery", "Bakery", Address("info", "bakery.example"), "bakery")
    hold = hold_unconfirmed(company)
    assert hold.key == hold_key(company) == "address:bakery:info@bakery.example"
    assert "info@bakery.example" in hold.reason
