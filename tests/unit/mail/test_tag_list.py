"""Tag lists of strangers: read as RFC 6376 writes them, refused in words otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.tag_list import TagError, decode_base64, names_in, parse_tags, without_value


def test_tags_are_read_without_the_blanks_around_them():
    assert parse_tags(b" v=1; \th = from : to\r\n ;b=a b=;") == {"v": "1", "h": "from : to", "b": "a b="}
    assert parse_tags("i=é@a.example".encode()) == {"i": "é@a.example"}
    assert parse_tags(b"") == parse_tags(b" \t") == {}
    assert names_in("from : to\t:") == ["from", "to", ""]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"v=1; v=2", "twice"),
        (b"v=1;;b=", "no tag"),
        (b"v", "no tag"),
        (b"1=v", "no tag"),
        (b"=v", "no tag"),
        (b"v=\x00", "control"),
        (b"v=\xff", "UTF-8"),
    ],
)
def test_what_is_no_tag_list_is_refused(text, complaint):
    with pytest.raises(TagError, match=complaint):
        parse_tags(text)


def test_base64_may_be_folded_anywhere_but_is_nothing_else():
    assert decode_base64("aGVs\r\n\t bG8=") == b"hello"
    for wrong in ("aGVsbG8", "a*b=", "é", "aGVs bG8=="):
        with pytest.raises(TagError, match="Base64"):
            decode_base64(wrong)


def test_one_value_is_taken_out_and_everything_else_stays():
    assert without_value(b"X: a=1; b = c d\r\n e ; bh=b;\r\n c=b\r\n", b"b") == b"X: a=1; b =; bh=b;\r\n c=b"
    assert without_value(b"X:\r\n\tb=abc=\r\n", b"b") == b"X:\r\n\tb="
    assert without_value(b"X: a; b; c\r\n", b"b") == b"X: a; b; c"


@given(st.binary(max_size=300))
def test_any_octets_are_tags_or_an_error(text):
    try:
        tags = parse_tags(text)
    except TagError:
        return
    assert parse_tags("; ".join(f"{name}={value}" for name, value in tags.items()).encode()) == tags
