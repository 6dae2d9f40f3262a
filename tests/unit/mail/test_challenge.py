"""The word by which a company proves that a domain is its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.challenge import challenge_name, challenge_text, is_answered

NEW, OLD = b"the new secret of the tests", b"the old secret of the tests"
DOMAIN = "garage.example"


def test_the_word_is_for_one_company_and_one_domain() -> None:
    word = challenge_text("garage", DOMAIN, secrets=[NEW])

    assert is_answered(["v=spf1 -all", f" {word} "], "garage", DOMAIN, secrets=[NEW])
    assert not is_answered([word], "bakery", DOMAIN, secrets=[NEW])
    assert not is_answered([word], "garage", "other.example", secrets=[NEW])
    assert challenge_name(DOMAIN) == "_relay-challenge.garage.example"


def test_it_outlives_a_new_secret_while_the_old_one_is_kept() -> None:
    word = challenge_text("garage", DOMAIN, secrets=[OLD])

    assert is_answered([word], "garage", DOMAIN, secrets=[NEW, OLD])
    assert not is_answered([word], "garage", DOMAIN, secrets=[NEW])


@pytest.mark.parametrize("text", ["", "relay-verification=", "relay-verification=abcdefgh", "something else"])
def test_anything_else_is_no_answer(text) -> None:
    assert not is_answered([text], "garage", DOMAIN, secrets=[NEW])


@given(st.lists(st.text() | st.text().map("relay-verification=".__add__)))
def test_no_record_is_too_odd(texts) -> None:
    assert not is_answered(texts, "garage", DOMAIN, secrets=[NEW])
