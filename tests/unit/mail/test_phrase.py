"""Names from outside: what people see of them misleads nobody, and is written so that any program shows it."""

import unicodedata
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.mail.address import Address
from relay.mail.author import parse_authors, render_from
from relay.mail.message import parse_header
from relay.mail.phrase import MOST_NAME, plain_name, read_phrase, write_phrase


@pytest.mark.parametrize(
    ("display", "name"),
    [
        (b"Jan Peeters", "Jan Peeters"),
        (b'"Peeters, Jan"', "Peeters, Jan"),
        (rb'"Jan \"de bakker\" \\ Peeters"', r"Jan de bakker \ Peeters"),
        (b"=?utf-8?q?Andr=C3=A9?= =?iso-8859-1?q?_B=E9l?=", "André Bél"),
        (b"=?utf-8?b?w4k=?= Peeters", "É Peeters"),
        ("Andrée".encode(), "Andrée"),
        (b"\xff", "\ufffd"),
        (b"=?no-such-charset?q?x?=", "x"),
        (b'"=?utf-7?q?+2AA-?="', "\ufffd"),
        (b"=?utf-8?b?A?=", ""),
        (b"", ""),
    ],
)
def test_a_name_is_read(display, name):
    assert read_phrase(display) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  Jan \t Peeters\u00a0\u3000BV ", "Jan Peeters BV"),
        ("Bank <info@bank.example> Jan", "Bank Jan"),
        ("info@bank.example", ""),
        ("info\uff20bank.example", ""),
        ("\u202eevil\u202c\u200b \u2066x\u2069", "evil x"),
        ("a\r\nBcc: b", "a Bcc b"),
        ('"\\Jan"', "Jan"),
        ("x" * 200, "x" * MOST_NAME),
        ("\ud800\x00\x7f", ""),
    ],
)
def test_what_could_mislead_is_not_shown(name, shown):
    assert plain_name(name) == shown


def test_what_looks_like_an_encoded_word_is_not_decoded_by_whoever_shows_it():
    written = write_phrase("=?utf-8?q?ceo=40bank.example?=")

    assert b"=40" not in written
    assert read_phrase(written) == "=?utf-8?q?ceo=40bank.example?="


@given(st.text(max_size=200))
@example("é" * MOST_NAME)
@example("\u2028")
def test_whatever_a_name_was_any_program_shows_what_is_left_of_it(name):
    plain = plain_name(name)
    assert len(plain) <= MOST_NAME
    assert "@" not in plain
    assert not any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") for letter in plain)
    field = render_from(write_phrase(plain), Address("a", "b.example"))
    (author,) = parse_authors(parse_header(field).fields[0].value)
    assert author.address == Address("a", "b.example")
    assert read_phrase(author.display) == plain
    (shown,) = message_from_bytes(field + b"\r\n", policy=policy.default)["From"].addresses
    # Python 3.11 shows the blanks between encoded words, which mean nothing.
    assert ("".join(shown.display_name.split()), shown.addr_spec) == ("".join(plain.split()), "a@b.example")


@given(st.binary(max_size=200))
def test_reading_never_fails(display):
    assert isinstance(plain_name(read_phrase(display)), str)
