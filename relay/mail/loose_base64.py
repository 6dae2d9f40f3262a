"""Base64 as it comes in mail: with stray octets, and cut off (RFC 2045 6.8).

The only owner of pybase64: attachments are nearly all of what is read, and the standard library decodes octet by octet.
"""

import binascii
from contextlib import suppress

import pybase64

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_AFTERWARDS = b"=\r\n"
_STRAY = bytes(each for each in range(256) if each not in _ALPHABET)


def decode_loosely(text: bytes) -> bytes:
    """As much as can be decoded: what is no base64 is passed over, padding as well. Never raises."""
    if b"=" not in text.rstrip(_AFTERWARDS):
        # Then the library passes over the same octets, sooner. It wants the padding to be right.
        with suppress(binascii.Error):
            return pybase64.b64decode(text)
    clean = text.translate(None, _STRAY)
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return pybase64.b64decode(clean + b"=" * (-len(clean) % 4), validate=True)
