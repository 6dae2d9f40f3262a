"""Header editing: fields keep their bytes, junk is refused, folds come undone exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.message import Field, Header, HeaderError, fold, header_size, parse_header

BLOCK = (
    b"Received: from a\r\n\tby b;\r\n Mon\r\n"
    b"FROM : Someone <a@x.example>\r\n"
    b"Subject:\r\n"
    b"X-Odd:  caf\xe9\x00 \r\n"
    b"Subject: again\r\n"
)


def test_a_header_comes_back_as_it_was():
    header = parse_header(BLOCK + b"\r\n")
    assert bytes(header) == BLOCK
    assert bytes(parse_header(BLOCK)) == BLOCK
    assert [field.key for field in header.fields] == ["received", "from", "subject", "x-odd", "subject"]
    assert [field.name for field in header.fields] == [b"Received", b"FROM", b"Subject", b"X-Odd", b"Subject"]
    assert [field.value for field in header.fields] == [
        b"from a\tby b; Mon",
        b"Someone <a@x.example>",
        b"",
        b"caf\xe9\x00",
        b"again",
    ]


@pytest.mark.parametrize("block", [b"", b"\r\n"])
def test_a_header_may_be_empty(block):
    assert parse_header(block).fields == ()


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        (b" continued\r\nA: b\r\n", "line 1 continues"),
        (b"\tcontinued\r\n", "line 1 continues"),
        (b"junk\r\n", "line 1 is not"),
        (b"A: b\r\njunk\r\nC: d\r\n", "line 2 is not"),
        (b"A: b\r\n c\r\njunk", "line 3 is not"),
        (b": b\r\n", "line 1 is not"),
        (b"A\xe9: b\r\n", "line 1 is not"),
        (b"A b: c\r\n", "line 1 is not"),
        (b"A: b", "line 1 is not"),
        (b"A: b\n", "line 1 is not"),
        (b"A: b\nC: d\r\n", "line 1 is not"),
        (b"A: b\rC: d\r\n", "line 1 is not"),
        (b"A: b\r\n c\rd\r\n", "line 2 is not"),
        (b"A: b\r\n\r\nbody\r\n", "line 2 is not"),
        (b"A: b\r\n\r\n\r\n", "line 2 is not"),
    ],
)
def test_junk_is_refused(block, complaint):
    with pytest.raises(HeaderError, match=complaint):
        parse_header(block)


def test_a_long_junk_line_costs_no_more_than_its_length():
    with pytest.raises(HeaderError):
        parse_header(b"A: b\r\n" + b"x" * 5_000_000 + b"\r\n")


def test_fields_are_found_by_name():
    header = parse_header(BLOCK)
    assert [field.value for field in header.all("subject")] == [b"", b"again"]
    first = header.first("subject")
    assert first is not None
    assert first.value == b""
    assert header.all("to") == ()
    assert header.first("to") is None


def test_edits_touch_only_what_they_name():
    header = parse_header(b"A: 1\r\nB: 2\r\nA: 3\r\n")
    assert bytes(header.without("a")) == b"B: 2\r\n"
    assert bytes(header.without("a", "b")) == b""
    assert bytes(header.replace("a", b"C: 4\r\n")) == b"C: 4\r\nB: 2\r\nA: 3\r\n"
    assert bytes(header.replace("d", b"D: 4\r\n")) == b"A: 1\r\nB: 2\r\nA: 3\r\nD: 4\r\n"
    assert bytes(header.prepend(b"D: 4\r\nE: 5\r\n")) == b"D: 4\r\nE: 5\r\nA: 1\r\nB: 2\r\nA: 3\r\n"
    assert bytes(header.append(b"D: 4\r\n 5\r\n")) == b"A: 1\r\nB: 2\r\nA: 3\r\nD: 4\r\n 5\r\n"
    assert bytes(header) == b"A: 1\r\nB: 2\r\nA: 3\r\n"


def test_an_edit_cannot_smuggle():
    header = parse_header(b"A: 1\r\n")
    for edit in (header.prepend, header.append, lambda raw: header.replace("a", raw)):
        with pytest.raises(HeaderError):
            edit(b"B: 2\nC: 3\r\n")
        with pytest.raises(HeaderError):
            edit(b"B: 2\r\n\r\nbody\r\n")


def test_values_compare():
    assert Field(b"A: 1\r\n") == Field(b"A: 1\r\n")
    assert Header((Field(b"A: 1\r\n"),)) == parse_header(b"A: 1\r\n")


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"", None),
        (b"A: b\r\n", None),
        (b"A: b\r\n\r", None),
        (b"A: b\r\n\r\n", 8),
        (b"A: b\r\n\r\nbody\r\n\r\n", 8),
        (b"\r\nbody", 2),
        (bytearray(b"A: b\r\n\r\nbody"), 8),
    ],
)
def test_where_the_body_starts(data, size):
    assert header_size(data) == size


names = st.from_regex(rb"[!-9;-~]{1,20}", fullmatch=True)
lines = st.from_regex(rb"[^\r\n]{0,30}", fullmatch=True)
fields = st.builds(
    lambda name, first, more: name + b":" + first + b"\r\n" + b"".join(b" " + line + b"\r\n" for line in more),
    names,
    lines,
    st.lists(lines, max_size=3),
)


@given(st.lists(fields, max_size=8))
def test_any_header_comes_back_as_it_was(raws):
    header = parse_header(b"".join(raws) + b"\r\n")
    assert [field.raw for field in header.fields] == raws


@given(
    st.lists(st.sampled_from([b"A", b":", b" ", b"\t", b"\r", b"\n", b"\r\n", b"b", b"\xff"]), max_size=20).map(
        b"".join
    )
)
def test_what_is_taken_comes_back_and_what_is_refused_says_why(block):
    try:
        header = parse_header(block)
    except HeaderError:
        return
    assert bytes(header) in (block, block[:-2])


@pytest.mark.parametrize("line", [b"", b"A: b", b"A: " + b"x" * 74])
def test_a_short_line_is_not_folded(line):
    assert fold(line) == line + b"\r\n"


def test_a_long_line_is_folded_at_blanks():
    assert fold(b"Subject: " + b"word " * 30) == (
        b"Subject:" + b" word" * 13 + b"\r\n" + b" word" * 15 + b"\r\n" + b" word" * 2 + b" \r\n"
    )


def test_a_word_too_long_for_a_line_is_refused():
    assert fold(b"A: " + b"x" * 990) == b"A:\r\n " + b"x" * 990 + b"\r\n"
    with pytest.raises(HeaderError):
        fold(b"A: " + b"x" * 999)


@given(
    st.lists(st.sampled_from([b" ", b"\t", b"x" * 10, b"y" * 40, b"z" * 90, b'"', b"  "]), max_size=60).map(b"".join)
)
def test_a_fold_comes_undone_exactly(text):
    line = b"Name: x" + text
    folded = fold(line)
    assert folded.replace(b"\r\n", b"") == line
    parsed = parse_header(folded)
    assert len(parsed.fields) == 1
    for part in folded.split(b"\r\n")[:-1]:
        assert part.strip(b" \t")
        assert len(part) <= 77 or len(part.split()) == 1 or b"  " in part or b"\t" in part
