"""Base64 is read as far as it can be, whatever stands in between."""

import base64
import binascii
import re

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


_LIKELY = st.lists(st.sampled_from(b"AZaz09+/=\r\n -\xff"), max_size=300).map(bytes)


@given(st.binary(max_size=300) | _LIKELY)
def test_whatever_comes_is_read_as_the_standard_library_reads_what_is_base64_in_it(text):
    clean = re.sub(rb"[^A-Za-z0-9+/]", b"", text)
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    assert decode_loosely(text) == binascii.a2b_base64(clean + b"===")
