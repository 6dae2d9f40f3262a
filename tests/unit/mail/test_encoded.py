"""Encoded words are read as people see them, and nothing makes that fail or take long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.encoded import MOST_READ, decoded, in_charset


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"Factuur 12", "Factuur 12"),
        (b"=?utf-8?Q?R=C3=A9ponse_automatique?=", "R\u00e9ponse automatique"),
        (b"=?UTF-8?B?UsOpcG9uc2U=?= : vacances", "R\u00e9ponse : vacances"),
        (b"=?iso-8859-1?q?Abwesenheit_f=FCr?= =?iso-8859-1?q?_heute?=", "Abwesenheit f\u00fcr heute"),
        (b"=?utf-8?q?a?=  =?utf-8?q?b?= c", "ab c"),
        (b"=?utf-8*nl?q?hallo?=", "hallo"),
        (b"=?utf-8?B?UsOpcG9uc2U?=", "R\u00e9ponse"),
        (b"=?utf-8?B?U?=", ""),
        (b"=?unicode_escape?q?=5Cx41?=", "\\x41"),
        (b"=?iso-8859-99?q?caf=C3=A9?=", "caf\u00e9"),
        (b"raw caf\xc3\xa9", "raw caf\u00e9"),
        (b"raw caf\xe9", "raw caf\ufffd"),
        (b"=?broken", "=?broken"),
    ],
)
def test_a_subject_as_people_read_it(value, text):
    assert decoded(value) == text


def test_a_charset_of_mail_is_believed_and_others_are_taken_for_utf_8():
    assert in_charset(b"\xe9", "Windows-1252") == "\u00e9"
    assert in_charset(b"\xc3\xa9", "rot13") == "\u00e9"


@pytest.mark.parametrize("half", [b"+2AA-", b"+3AA-", b"a+2AD+2AA-b"])
def test_half_a_character_is_none(half):
    assert "\ufffd" in in_charset(half, "utf-7").encode().decode()
    assert in_charset(b"+2D3eAA-", "utf-7") == "\U0001f600"


@given(st.binary(max_size=3000) | st.from_regex(rb"=\?[a-z0-9_-]{1,12}\?[bq]\?[!->@-~]{0,80}\?=", fullmatch=True))
def test_nothing_fails(value):
    assert len(decoded(value)) <= MOST_READ


@pytest.mark.parametrize("piece", [b"=?", b"=?a?q?", b"?= ", b"?= =?a?q?x", b" ", b"=?utf-8?b?AAAA?= "])
def test_repetitions_cost_little(piece):
    assert len(decoded(piece * (1_000_000 // len(piece)))) <= MOST_READ
