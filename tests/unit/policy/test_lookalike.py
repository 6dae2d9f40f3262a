"""Domains that could be taken for others, as they have been registered for fraud, and honest ones that could not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.lookalike import looks_like, registered, within_edits

KNOWN = ("bakkerij-peeters.example", "klant.example", "my.relay.example", "gmail.com", "abc.be", "handelsfirma.co.uk")


@pytest.mark.parametrize(
    ("domain", "other"),
    [
        ("bakkerij-peters.example", "bakkerij-peeters.example"),
        ("bakkerijpeeters.example", "bakkerij-peeters.example"),
        ("bakkerij-peeters.invalid", "bakkerij-peeters.example"),
        ("bakkerij-peeters-facturen.example", "bakkerij-peeters.example"),
        ("mail.bakkerij-peterss.example", "bakkerij-peeters.example"),
        ("k1ant.example", "klant.example"),
        ("kIant.example", "klant.example"),
        ("klnat.example", "klant.example"),
        ("betaling-klant.example", "klant.example"),
        ("kl\u0430nt.example", "klant.example"),
        ("xn--klnt-63d.example", "klant.example"),
        ("kl\u00e4nt.example", "klant.example"),
        ("harn\u0501elsfirma.co.uk", "handelsfirma.co.uk"),
        ("handelsflrma.com", "handelsfirma.co.uk"),
        ("a-bc.be", "abc.be"),
        ("re1ay.example", "my.relay.example"),
    ],
)
def test_what_could_be_taken_for_another(domain, other):
    assert looks_like(domain, KNOWN) == other


@pytest.mark.parametrize(
    "domain",
    [
        *("bakkerij-peeters.example", "mail.klant.example", "relay.example", "gmail.com", "googlemail.com"),
        *("hotmail.be", "bakker.example", "abd.be", "abc.com", "klanten.example", "leverancier.example"),
        *("handelsfirma.co.uk", "mail.handelsfirma.co.uk", "gmial.example", "example", "xn--a.example"),
    ],
)
def test_honest_domains(domain):
    assert looks_like(domain, KNOWN) is None


def test_what_somebody_registered():
    assert registered("mail.klant.example") == "klant.example"
    assert registered("www.firma.co.uk") == "firma.co.uk"
    assert registered("co.uk") == "co.uk"
    assert registered("example") == "example"


@pytest.mark.parametrize(
    ("mine", "theirs", "edits"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("abc", "xbc", 1), ("abcd", "badc", 2)],
)
def test_how_many_letters_differ(mine, theirs, edits):
    assert within_edits(mine, theirs, edits)
    assert edits == 0 or not within_edits(mine, theirs, edits - 1)


@given(st.text(max_size=63), st.lists(st.text(max_size=63), max_size=5))
def test_no_name_is_too_strange(domain, known):
    assert looks_like(domain, known) in (None, *(each.lower() for each in known))
