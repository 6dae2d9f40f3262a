"""Base64 is read as far as it can be, whatever stands in between."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.loose_base64 import decode_loosely


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        (b"", b""),
        (b"UsOpcG9uc2U=", b"R\xc3\xa9ponse"),
        (b"UsOpcG9uc2U", b"R\xc3\xa9ponse"),
        (b" Us-Op\r\ncG9\xffuc2U==", b"R\xc3\xa9ponse"),
        (b"QQ==QQ==", b"A\x04\x10"),
        (b"UsOpc", b"R\xc3\xa9"),
        (b"U", b""),
    ],
)
def test_as_much_as_can_be_decoded(text, octets):
    assert decode_loosely(text) == octets


@given(st.binary(max_size=300), st.integers(1, 80))
def test_what_was_encoded_comes_back_from_lines(data, width):
    text = base64.b64encode(data)
    lines = b"\r\n".join(text[at : at + width] for at in range(0, len(text), width))
    assert decode_loosely(lines) == data


@given(st.binary(max_size=300))
def test_nothing_makes_it_fail(text):
    decode_loosely(text)
