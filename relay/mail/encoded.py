"""Encoded words (RFC 2047): what stands in a Subject or in a display name, as people read it.

In charge of reading them, however badly they were written. Never writes them, and never fails: what cannot be decoded
is shown as it is.
"""

import binascii
import re

from relay.mail.loose_base64 import decode_loosely

# Beyond this nobody reads a subject, and a decision needs no more.
MOST_READ = 2000
# RFC 2047 2, RFC 2231 5. Blanks between two encoded words are no part of the text (RFC 2047 6.2).
_WORD = re.compile(rb"=\?([A-Za-z0-9_:.-]{1,40})(?>(?:\*[A-Za-z0-9-]{0,20})?)\?([BbQq])\?([^?\s]{0,2000})\?=")
_BETWEEN = re.compile(rb"(\?=)[ \t\r\n]{1,80}(?==\?[A-Za-z0-9_:.*-]{1,60}\?[BbQq]\?)")
# Python knows encodings that are none of mail, some of them slow, some with warnings.
_OF_MAIL = re.compile(
    r"(?:us-?ascii|utf-?(?:7|8|16|16le|16be)|iso-?8859-?[0-9]{1,2}|iso-?2022-?(?:jp|kr)|(?:windows|cp)-?12[0-9]{2}"
    r"|koi8-?[ru]|gb2312|gbk|gb18030|big5|shift[_-]jis|euc-?(?:jp|kr)|macintosh)"
)


def decoded(value: bytes) -> str:
    """The first 2000 octets of an unfolded field as text. Octets that are no text become U+FFFD."""
    value = _BETWEEN.sub(rb"\1", value[:MOST_READ])
    pieces = []
    at = 0
    for found in _WORD.finditer(value):
        pieces += [value[at : found.start()].decode("utf-8", "replace"), _word(*found.groups())]
        at = found.end()
    return "".join(pieces) + value[at:].decode("utf-8", "replace")


def in_charset(data: bytes, charset: str) -> str:
    """`data` as text of that charset; as UTF-8 when mail does not know it."""
    name = charset.lower()
    return whole(data.decode(name if _OF_MAIL.fullmatch(name) and _is_known(name) else "utf-8", "replace"))


def whole(text: str) -> str:
    """The text without halves of characters (surrogates): UTF-7 and JSON can name them, nothing can write them."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _is_known(name: str) -> bool:
    try:
        "".encode(name)
    except LookupError:
        return False
    return True


def _word(charset: bytes, encoding: bytes, text: bytes) -> str:
    data = decode_loosely(text) if encoding in b"Bb" else binascii.a2b_qp(text, header=True)
    return in_charset(data, charset.decode("ascii"))
