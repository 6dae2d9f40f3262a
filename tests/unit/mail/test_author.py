"""The From field: read as programs write it, refused when it names nobody or not clearly, written without loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address, parse_address
from relay.mail.author import Author, AuthorError, parse_authors, render_from
from relay.mail.message import parse_header

A = Address("a", "x.example")
B = Address("b", "y.example")


@pytest.mark.parametrize(
    ("value", "authors"),
    [
        (b"a@x.example", [(b"", A)]),
        (b"<a@x.example>", [(b"", A)]),
        (b"Bakkerij Peeters B.V. <a@x.example>", [(b"Bakkerij Peeters B.V.", A)]),
        (b'"Peeters, Bakkerij" <a@x.example>', [(b'"Peeters, Bakkerij"', A)]),
        (b'"a \\"b\\" <c@d>" <a@x.example>', [(b'"a \\"b\\" <c@d>"', A)]),
        (b"=?utf-8?Q?Caf=C3=A9?= <a@x.example>", [(b"=?utf-8?Q?Caf=C3=A9?=", A)]),
        (b"=?utf-8?B?Q2Fmw6k=?=\t=?utf-8?Q?_x?= <a@x.example>", [(b"=?utf-8?B?Q2Fmw6k=?=\t=?utf-8?Q?_x?=", A)]),
        (b"=?utf-8?Q?Re:_(x),_a@b;?= <a@x.example>", [(b"=?utf-8?Q?Re:_(x),_a@b;?=", A)]),
        (b"x =? y <a@x.example>", [(b"x =? y", A)]),
        (b"x =?, <a@x.example>", None),
        ("Café <a@x.example>".encode(), [("Café".encode(), A)]),
        (b"Caf\xe9 <a@x.example>", [(b"Caf\xe9", A)]),
        ("<josé@x.example>".encode(), [(b"", Address("josé", "x.example"))]),
        (b'"john doe"@x.example', [(b"", Address("john doe", "x.example"))]),
        (b'<"john doe"@x.example>', [(b"", Address("john doe", "x.example"))]),
        (b"  Name\t < a@x.example > ", [(b"Name", A)]),
        (b"a@x.example (Jan Peeters)", [(b'"Jan Peeters"', A)]),
        (b'a@x.example (Jan "P" \\(x\\) (y))', [(b'"Jan \\"P\\" (x) (y)"', A)]),
        (b"a@x.example (=?utf-8?Q?Jan?= =?utf-8?Q?P?=)", [(b"=?utf-8?Q?Jan?= =?utf-8?Q?P?=", A)]),
        (b"(Jan) <a@x.example>", [(b'"Jan"', A)]),
        (b"<a@x.example> (Jan)", [(b'"Jan"', A)]),
        (b"Jan (sales) <a@x.example> (office) (x)", [(b"Jan (sales)", A)]),
        (b"<a(c)@x.example>", [(b"", A)]),
        (b"info@z.example <a@x.example>", [(b'"info@z.example"', A)]),
        (b"Jan <a@x.example>, b@y.example", [(b"Jan", A), (b"", B)]),
        (b",a@x.example,,(c), b@y.example,", [(b"", A), (b"", B)]),
        (b"Sales: Jan <a@x.example>, b@y.example;", [(b"Sales", None)]),
        (b"Sales: Jan <a@x.example>, b@y.example; ", [(b"Jan", A), (b"", B)]),
        (b"Sales:a@x.example;, b@y.example", [(b"", A), (b"", B)]),
    ],
)
def test_authors_that_are_read(value, authors):
    if authors is None:
        with pytest.raises(AuthorError):
            parse_authors(value)
    elif authors[0][1] is None:
        assert len(parse_authors(value)) == 2
    else:
        assert parse_authors(value) == tuple(Author(display, address) for display, address in authors)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "no author"),
        (b" , (nobody) ,", "no author"),
        (b"Nobody:;", "no author"),
        (b"Jan", "no @"),
        (b"Jan <>", "empty address"),
        (b"Jan <jan>", "no @"),
        (b"Peeters, Jan <a@x.example>", "no @"),
        (b"<@r.example:a@x.example>", "angle brackets"),
        (b"<a@x.example", "angle brackets"),
        (b"<<a@x.example>>", "angle brackets"),
        (b"<a@x.example> <b@y.example>", "misplaced"),
        (b"a@x.example> b", "misplaced"),
        (b"a@x.example b@y.example", "not allowed"),
        (b"<a@x.example> b@y.example", "behind the address"),
        (b'"J" b@y.example <a@x.example>', "misplaced @"),
        (b"=?utf-8?Q?<b@y.example>?= <a@x.example>", "misplaced|behind"),
        (b"Group: a@x.example", "group without end"),
        (b"G: H: a@x.example;;", "misplaced"),
        (b"a@x.example;", "misplaced"),
        (b"a) <a@x.example>", "misplaced"),
        (b'"open <a@x.example>', "quoted string"),
        (b"a\\b <a@x.example>", "quoted string"),
        (b"(open <a@x.example>", "comment without end"),
        (b"(a (b) <a@x.example>", "comment without end"),
        (b"a@x.example\r\nBcc: b@y.example", "control"),
        (b"a\0 <a@x.example>", "control"),
        (b"<jos\xe9@x.example>", "not UTF-8"),
        (b"<a..b@x.example>", "misplaced dot"),
        (b"a@x.example, " * 2000 + b"b@x.example", "too long"),
        (b"a@x.example, " * 100 + b"b@x.example", "too many"),
    ],
)
def test_authors_that_are_refused(value, reason):
    with pytest.raises(AuthorError, match=reason):
        parse_authors(value)


@pytest.mark.parametrize(
    ("display", "field"),
    [
        (b"", b"From: a@x.example\r\n"),
        (b'"Jan"', b'From: "Jan" <a@x.example>\r\n'),
        (b"Caf\xc3\xa9", b"From: Caf\xc3\xa9 <a@x.example>\r\n"),
        (b"x" * 72, b"From:\r\n " + b"x" * 72 + b"\r\n <a@x.example>\r\n"),
        (b"x" * 1000, b"From: a@x.example\r\n"),
    ],
)
def test_a_from_field_is_written(display, field):
    assert render_from(display, A) == field


atoms = st.from_regex(rb"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\x80-\xff-]{1,30}", fullmatch=True).filter(
    lambda a: b"=?" not in a
)
quoteds = st.from_regex(rb'"([ !#-\[\]-~\x80-\xff]|\\[ -~]){0,120}"', fullmatch=True)
displays = st.lists(atoms | quoteds, min_size=1, max_size=8).map(b" ".join)
addresses = st.sampled_from([A, B, Address("john doe", "x.example"), Address("josé", "café.example")])


@given(displays, addresses)
def test_a_name_survives_reading_and_writing(display, address):
    field = render_from(display, address)
    assert max(map(len, field.split(b"\r\n"))) <= 998
    assert parse_authors(parse_header(field).fields[0].value) == (Author(display, address),)


tokens = st.sampled_from(
    [
        b"<",
        b">",
        b"(",
        b")",
        b'"',
        b"\\",
        b",",
        b":",
        b";",
        b"@",
        b" ",
        b"\t",
        b"a@x.example",
        b"Jan",
        b"=?utf-8?Q?a?=",
        b"\xff",
    ]
)


@given(st.lists(tokens, max_size=20).map(b"".join), addresses)
def test_what_is_read_can_be_written_with_another_address(value, address):
    try:
        authors = parse_authors(value)
    except AuthorError:
        return
    for author in authors:
        assert parse_address(str(author.address)) == author.address
        field = render_from(author.display, address)
        assert parse_authors(parse_header(field).fields[0].value) == (Author(author.display, address),)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_parser(value):
    try:
        authors = parse_authors(value)
    except AuthorError:
        return
    assert authors
