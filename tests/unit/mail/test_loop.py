"""What we have forwarded is known again when it comes round; nobody can make us believe that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.loop import forwarded_field, was_forwarded
from relay.mail.message import Header, parse_header

SECRETS = [b"current", b"former"]
DOMAIN = "relay.example"


def is_known(header: Header, company: str = "bakery", *, domain: str = DOMAIN, secrets=SECRETS) -> bool:
    return was_forwarded(header, company, domain=domain, secrets=secrets)


@pytest.mark.parametrize("company", ["bakery", "", "a-rather-long-name-of-a-company-" * 4])
def test_our_mark_is_known_again(company):
    header = parse_header(b"Subject: x\r\n").prepend(forwarded_field(company, domain=DOMAIN, secrets=SECRETS))
    assert is_known(header, company)
    assert not is_known(header, "garage")
    assert not is_known(header, company, domain="other.example")
    assert not is_known(header, company, secrets=[b"foreign"])
    assert not is_known(header.without("relay-forwarded"), company)


def test_mail_that_went_through_several_companies_is_known_by_each_and_secrets_change():
    header = parse_header(b"")
    for company, secrets in (("bakery", [b"former"]), ("garage", SECRETS)):
        header = header.prepend(forwarded_field(company, domain=DOMAIN, secrets=secrets))
    assert is_known(header, "bakery")
    assert is_known(header, "garage")
    assert not is_known(header, "")


@given(st.binary(max_size=300).map(lambda value: value.translate(None, b"\r\n")))
def test_nothing_made_up_is_believed(value):
    assert not is_known(parse_header(b"Relay-Forwarded: " + value + b"\r\n"))
    assert not is_known(parse_header(b"Relay-Forwarded: by relay.example; seal=aaaaaaaaaaaaaaaa\r\n"))
