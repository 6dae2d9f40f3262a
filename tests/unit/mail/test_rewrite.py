"""Rewriting changes the author, Bcc and a missing Message-ID, and no other byte."""

import pytest

from relay.mail.address import Address
from relay.mail.author import AuthorError
from relay.mail.message import parse_header
from relay.mail.rewrite import ask_answers_at, drop_bcc, ensure_message_id, rewrite_author

ALIAS = Address("bakery", "relay.example")
REST = b"Subject:   odd  \r\n\tfolds\r\nX: caf\xe9\r\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'From: "Bakery, Peeters"  <a@x.example>\r\n', b'From: "Bakery, Peeters" <bakery@relay.example>\r\n'),
        (
            b"FROM:=?utf-8?Q?Caf=C3=A9?=\r\n <a@x.example>\r\n",
            b"From: =?utf-8?Q?Caf=C3=A9?= <bakery@relay.example>\r\n",
        ),
        (b"From: a@x.example\r\n", b"From: bakery@relay.example\r\n"),
        (b"From: A <a@x.example>, B <b@x.example>\r\n", b"From: A <bakery@relay.example>\r\n"),
        (b"From:  Odd   Blanks  <bakery@RELAY.example>  \r\n", b"From:  Odd   Blanks  <bakery@RELAY.example>  \r\n"),
        (b"From: bakery@relay.example, b@x.example\r\n", b"From: bakery@relay.example\r\n"),
    ],
)
def test_the_author_changes_and_nothing_else(before, after):
    assert bytes(rewrite_author(parse_header(REST + before + REST), ALIAS)) == REST + after + REST


@pytest.mark.parametrize("header", [REST, b"From: nobody\r\n"])
def test_without_an_author_there_is_nothing_to_rewrite(header):
    with pytest.raises(AuthorError):
        rewrite_author(parse_header(header), ALIAS)


def test_bcc_goes():
    header = parse_header(b"BCC: a@x.example\r\n" + REST + b"Resent-Bcc: b\r\nBcc:\r\nCc: c\r\n")
    assert bytes(drop_bcc(header)) == REST + b"Cc: c\r\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (REST, REST + b"Message-ID: <new@relay.example>\r\n"),
        (b"Message-Id: \r\n" + REST, b"Message-ID: <new@relay.example>\r\n" + REST),
        (b"message-id:<old@x.example>\r\n" + REST, b"message-id:<old@x.example>\r\n" + REST),
    ],
)
def test_every_message_has_an_identifier(before, after):
    assert bytes(ensure_message_id(parse_header(before), "new@relay.example")) == after


def test_answers_are_asked_for_under_the_authors_name():
    header = parse_header(b'Subject: x\r\nFrom: "An" <an@x.example>\r\n')
    asked = ask_answers_at(header, Address("bakery+1", "relay.example"))
    assert bytes(asked) == b'Reply-To: "An" <bakery+1@relay.example>\r\n' + bytes(header)
    assert ask_answers_at(asked, Address("other", "relay.example")) == asked
    bare = ask_answers_at(parse_header(b"From: an@x.example\r\n"), Address("bakery+1", "relay.example"))
    assert bytes(bare).startswith(b"Reply-To: bakery+1@relay.example\r\n")


def test_a_header_without_an_author_asks_for_no_answers():
    with pytest.raises(AuthorError):
        ask_answers_at(parse_header(b"Subject: x\r\n"), Address("bakery", "relay.example"))
