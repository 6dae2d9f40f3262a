"""Mail that goes on in our name: it shows who wrote it, answers find the writer, and nothing else changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address
from relay.mail.author import parse_authors
from relay.mail.message import parse_header
from relay.mail.munge import speak_for_writer

ALIAS = Address("bakery", "relay.example")
WRITER = Address("jan", "x.example")
REST = b"Subject:   odd  \r\n\tfolds\r\nX: caf\xe9\r\n"
OURS = b"<bakery@relay.example>\r\n"


def spoken(before: bytes, *, via: str = "Bakkerij Peeters", writer: Address | None = WRITER) -> bytes:
    return bytes(speak_for_writer(parse_header(before), ALIAS, via=via, writer=writer))


@pytest.mark.parametrize(
    ("author", "name"),
    [
        (b" Jan  Peeters <jan@x.example>", b"Jan Peeters"),
        (b"jan.peeters@x.example", b"jan.peeters at x.example"),
        (b' "ceo@bank.example" <jan@x.example>', b"jan at x.example"),
        (b' "\xe2\x80\xae" <"@@"@x.example>', b"at x.example"),
        (b"\r\n =?utf-8?q?J=6Fe?=\r\n <jan@x.example>", b"Joe"),
        (b" Jan <jan@x.example>, Piet <piet@y.example>", b"Jan"),
    ],
)
def test_from_shows_the_writer_and_our_address(author, name):
    given_from = b"FROM:" + author + b"\r\n"
    assert spoken(REST + given_from) == (
        REST
        + (b'From: "' + name + b' via Bakkerij Peeters" ' + OURS)
        + (b"Reply-To:" + author + b"\r\n" + b"Original-From:" + author + b"\r\n")
    )


def test_a_name_that_is_not_ascii_is_encoded():
    changed = spoken(b"From: Jan <jan@x.example>\r\n", via="Café Ünïon")
    assert changed.startswith(b"From: =?utf-8?b?SmFuIHZpYSBDYWbDqSDDnG7Dr29u?= " + OURS)


def test_a_company_without_a_name_that_can_be_shown_is_known_by_its_alias():
    assert b'"Jan via bakery"' in spoken(b"From: Jan <jan@x.example>\r\n", via="\u202e")


@pytest.mark.parametrize("asked", [b"Reply-To: other@x.example\r\n", b"reply-to:\tA <a@x>,\r\n B <b@x>\r\n"])
def test_answers_go_where_the_writer_wants_them(asked):
    changed = spoken(b"From: jan@x.example\r\n" + asked)
    assert asked in changed
    assert changed.lower().count(b"reply-to") == 1


@pytest.mark.parametrize("asked", [b"Reply-To:\r\n", b"Reply-To: nobody\r\n", b"Reply-To: ,\r\nReply-To: x\r\n"])
def test_an_answer_that_would_go_nowhere_goes_to_the_writer(asked):
    changed = spoken(asked + b"From: jan@x.example\r\n")
    assert changed.lower().count(b"reply-to") == 1
    assert b"Reply-To: jan@x.example\r\n" in changed


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (b"", b""),
        (b"From: nobody\r\n", b"Original-From: nobody\r\n"),
        (b"From: nobody\r\nFrom: b@x\r\n", b"Original-From: nobody\r\nOriginal-From: b@x\r\n"),
    ],
)
def test_an_author_whom_nobody_can_read_is_the_one_who_sent_it(before, kept):
    assert spoken(REST + before) == (
        REST + (b'From: "jan at x.example via Bakkerij Peeters" ' + OURS) + b"Reply-To: <jan@x.example>\r\n" + kept
    )
    assert spoken(before + REST, writer=None).count(b'From: "Someone via Bakkerij Peeters" ' + OURS) == 1


def test_what_from_was_is_kept_once_and_whole():
    long = b"From: " + b"x" * 990 + b"\r\n <jan@x.example>\r\n"
    changed = parse_header(spoken(b"Original-From: forged@bank.example\r\n" + long))
    (kept,) = changed.all("original-from")
    assert kept.value == parse_header(long).fields[0].value
    assert all(len(line) <= 998 for line in bytes(changed).split(b"\r\n"))


@given(st.binary(max_size=80), st.binary(max_size=80), st.text(max_size=80))
def test_whatever_stood_there_one_author_is_left_and_it_is_ours(author, answers, via):
    fields = [b"From: " + author, b"From: x@y", b"Reply-To: " + answers, b"To: z@relay.example"]
    lines = b"".join(field.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n" for field in fields)
    changed = parse_header(spoken(lines, via=via))
    (field,) = changed.all("from")
    assert [each.address for each in parse_authors(field.value)] == [ALIAS]
    assert b"To: z@relay.example\r\n" in bytes(changed)
