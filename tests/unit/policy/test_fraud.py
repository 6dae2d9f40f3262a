"""Warnings of payment fraud: what has been tried with invoices, and the ordinary mail that must cause none."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address, parse_address
from relay.policy.fraud import Sight, place_of, warnings_about

IBAN = "BE71096123456769"


def sight(author: str = "jan@klant.example", **known) -> Sight:
    if isinstance(known.get("reply_to"), str):
        known["reply_to"] = parse_address(known["reply_to"])
    given = {
        "company": "Bakkerij Peeters",
        "own": ("bakkerij-peeters.example", "my.relay.example"),
        "thread": ("klant.example",),
        "proven": True,
    }
    return Sight(parse_address(author), **(given | known))


def signs(seen: Sight) -> list[str]:
    return [warning.sign.value for warning in warnings_about(seen)]


@pytest.mark.parametrize(
    "honest",
    [
        sight(),
        sight("jan.peeters@gmail.com", display="Jan Peeters"),
        sight("jan.peeters@gmail.com", proven=None, thread=()),
        sight("invoices@klant.example", reply_to="jan@klant.example"),
        sight("invoices@mail.klant.example", reply_to="jan@klant.example"),
        sight("support@klant.example", reply_to="ticket+12@helpdesk.example", elsewhere_before=True),
        sight("jan@klant.example", reply_to="leden@lijst.example", for_many=True, thread=()),
        sight("jan@klant.example", proven=False, for_many=True),
        sight("nieuwsbrief@winkel.example", proven=False, thread=()),
        sight("jan@klant.example", reply_to="bakkerij@my.relay.example"),
        sight(display="jan@klant.example"),
        sight("jan@mail.klant.example", display="info@klant.example"),
        sight("els@bakkerij-peeters.example", display="Bakkerij Peeters"),
        sight("els@shop.bakkerij-peeters.example", display="Bakkerij Peeters", thread=()),
        sight(display="Bakkerij Janssens"),
        sight("jan@gmail.com", display="BP", company="BP"),
        sight(text="Wat is uw nieuw rekeningnummer?"),
        sight("boekhouding@leverancier.example", ibans=(IBAN,), text="Betaal op BE71 0961 2345 6769", thread=()),
    ],
)
def test_ordinary_mail_causes_no_warning(honest):
    assert signs(honest) == []


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (sight(ibans=(IBAN,), others_known=True), ["other-account"]),
        (sight(ibans=(IBAN,), text="Ons nieuw rekeningnummer: BE71"), ["new-account"]),
        (sight(ibans=(IBAN,), text="Voici nos nouvelles coordonn\u00e9es bancaires."), ["new-account"]),
        (sight(ibans=(IBAN,), text="Please note our NEW bank details"), ["new-account"]),
        (sight(ibans=(IBAN,), text="\u00c4nderung unserer Bankverbindung"), ["new-account"]),
        (sight("jan@k1ant.example"), ["look-alike"]),
        (sight("els@bakkerij-peters.example", thread=()), ["look-alike"]),
        (sight(reply_to="jan@k1ant.example"), ["look-alike", "answers-elsewhere"]),
        (sight(reply_to="jan.klant@gmail.com"), ["answers-elsewhere"]),
        (sight("jan@gmail.com", reply_to="other@gmail.com"), ["answers-elsewhere"]),
        (sight(reply_to="x@lijst.example", for_many=True), ["answers-elsewhere"]),
        (sight("x@freemail.example", display="info@bakkerij-peeters.example"), ["borrowed-name"]),
        (sight("x@gmail.com", display="Bakkerij P\u00e9eters BV"), ["borrowed-name"]),
        (sight(proven=False), ["not-proven"]),
        (sight("jan@k1ant.example", proven=False, thread=("klant.example",)), ["look-alike", "not-proven"]),
    ],
)
def test_what_has_been_tried(seen, expected):
    assert signs(seen) == expected
    for warning in warnings_about(seen):
        assert warning.text.isascii()
        assert IBAN not in warning.text


def test_where_everybody_has_an_address_it_is_a_persons():
    assert place_of(Address("Jan", "gmail.com")) == "jan@gmail.com"
    assert place_of(Address("jan", "mail.klant.example")) == "klant.example"


def test_names_in_other_alphabets_are_written_in_ascii():
    seen = sight("a@x.example", own=("b\u00fccher-laden.example",))
    (warning,) = warnings_about(replace(seen, author=Address("a", "bucher-laden.example")))
    assert "xn--bcher-laden-thb.example" in warning.text


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=40))
def test_nothing_that_a_mail_says_fails(display, text, company):
    seen = sight(display=display, text=text, company=company, ibans=(IBAN,), others_known=True)
    assert all(warning.text.isascii() for warning in warnings_about(seen))


@pytest.mark.parametrize("piece", ["a@", "a.", "@a.b", "a", "-"])
def test_repetitions_cost_little(piece):
    warnings_about(sight(display=piece * 1000, text=piece * 100_000))
