"""Parts are found however a mail was written, and nothing makes that fail."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import parts
from relay.mail.parts import MOST_OCTETS, kind_of, read_fields, read_files, read_header, read_parts, value_of

MAIL = b"""Subject: one
 two
junk
Content-Type: multipart/mixed; boundary="a b"

preamble
--a b
Content-Type: text/plain

hello
--a b
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Transfer-Encoding: base64

aGVsbG8gd29ybGQ*!=
--inner
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable

caf=C3=A9
--inner--
epilogue
--a b
Content-Type: message/rfc822

Message-ID: <1@x>

body
--a b--
"""


def test_leaves_come_in_their_order_with_encodings_undone():
    for data in (MAIL, MAIL.replace(b"\n", b"\r\n"), MAIL.replace(b"\n", b"\r")):
        parts = read_parts(data)
        assert [part.kind for part in parts] == ["text/plain", "text/plain", "text/html", "message/rfc822"]
        assert [part.body for part in parts[:3]] == [b"hello", b"hello world", "café".encode()]
        assert value_of(read_header(parts[3].body), "message-id") == "<1@x>"


def test_fields_are_unfolded_and_what_is_none_is_passed_over():
    fields = read_header(MAIL)
    assert fields[0] == ("subject", "one two")
    assert len(fields) == 2
    assert value_of(fields, "x") == ""
    assert read_fields(b" begins folded\nA : b\nno field\nbad name: c") == (("a", "b"),)


def test_files_stay_as_they_were():
    octets = bytes(range(256)) * 2000
    files = read_files(b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(octets))
    assert [each.body for each in files] == [octets]


def test_a_value_has_an_end():
    assert len(value_of(read_fields(b"A: b\n" + b" " + b"c" * 3000 + b"\n " + b"d" * 3000 + b"\n e\n f"), "a")) == 4000


@pytest.mark.parametrize("line", [b" \x0b\n", b" \xc2\xa0\n", b" c\n"])
def test_a_value_of_a_hundred_thousand_pieces_is_read_once(line):
    """Reading it again for every piece would take minutes."""
    ((name, value),) = read_fields(b"A: b\n" + line * 100_000)
    assert name == "a"
    assert value.startswith("b")
    assert len(value) <= 4000


def test_what_continues_no_field_belongs_to_none():
    assert read_fields(b"A: b\nno field\n c\nD: e\n f") == (("a", "b"), ("d", "e f"))


def test_a_mail_may_have_no_header_or_nothing_else():
    assert read_parts(b"\nbody")[0].body == b"body"
    assert read_parts(b"Subject: x")[0].body == b""
    assert read_parts(b"")[0].kind == "text/plain"


def test_a_multipart_whose_end_or_beginning_is_missing_gives_what_is_there():
    head = b"Content-Type: multipart/mixed; boundary=x\n\n"
    assert [part.body for part in read_parts(head + b"--x\n\nhalf")] == [b"half"]
    assert read_parts(head + b"nothing") == ()
    assert [part.kind for part in read_parts(b"Content-Type: multipart/digest; boundary=x\n\n--x\n\nA: b\n--x--")] == [
        "message/rfc822"
    ]
    assert read_parts(b"Content-Type: multipart/mixed\n\nhello")[0].body == b"hello"


def test_nesting_and_numbers_are_bounded():
    deep = b"hello"
    for level in range(50):
        deep = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n%b\n--b%d--\n" % (level, level, deep, level)
    assert [part.kind for part in read_parts(deep)] == ["multipart/mixed"]
    many = b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\nhello\n" * 1000
    assert len(read_parts(many)) == 100


def test_a_type_that_is_none_is_text():
    assert kind_of((("content-type", "nonsense"),)) == ("text/plain", {})
    assert kind_of((("content-type", 'A/B; c="d e"; f=g'),)) == ("a/b", {"c": "d e", "f": "g"})


@given(st.binary(max_size=2000) | st.text('-x=\n: abcMIME/;"boundary', max_size=500).map(str.encode))
def test_nothing_makes_it_fail(data):
    for start in (b"", b"Content-Type: multipart/mixed; boundary=x\n\n--x\n"):
        for part in read_parts(start + data):
            assert b"\r" not in part.body


@given(st.binary(max_size=300), st.integers(0, 3))
def test_base64_comes_back_whatever_stands_between(data, cut):
    body = base64.encodebytes(data).replace(b"\n", b" \r\n*")
    encoded = b"Content-Transfer-Encoding: base64\n\n" + body[: len(body) - cut]
    assert len(read_parts(encoded)) == 1


def test_only_the_beginning_of_a_large_mail_is_looked_at():
    assert len(read_parts(b"\n" + b"x" * (2 * MOST_OCTETS))[0].body) == MOST_OCTETS - 1


@pytest.mark.parametrize("read", [read_parts, read_files])
@pytest.mark.parametrize("inner", [b"b", b"other", b'b"; x="'])
def test_parts_that_hold_nothing_count_too(monkeypatch, read, inner):
    """Thousands of them would cost as much as thousands of parts with something in them."""
    looked_at = []
    monkeypatch.setattr(parts, "read_fields", lambda block: looked_at.append(block) or read_fields(block))
    empty = b'\n--b\nContent-Type: multipart/mixed; boundary="%s"\n\n' % inner
    mail = b"Content-Type: multipart/mixed; boundary=b\n" + empty * 5500

    assert len(read(mail)) <= 200
    assert len(looked_at) <= 200
