"""Names that people read before an address: what may be seen of one that came from outside, and how one is written.

In charge of reading display names with encoded words (RFC 2047), of taking out of them what could mislead, and of
writing them in ASCII. Never fails.
"""

import base64
import re
import unicodedata

from relay.mail.encoded import decoded

MOST_NAME = 60

# So much is looked at: more than any name has, and little enough for whatever reads it.
_MOST_READ = 1000
# RFC 2047 2: an encoded word has at most 75 letters, 12 of which frame the base64 text of 45 octets.
_MOST_ENCODED = 45
_ESCAPED = re.compile(rb"\\(.)")
# Quotes and brackets end names, or look as if they did.
_MISLEADING = re.compile(r"[\"\\<>()\[\]:;,]+")
_ADDRESS_LIKE = re.compile(r"\S*@\S*")


def read_phrase(display: bytes) -> str:
    """The name that `display` shows: quotes taken off, encoded words and UTF-8 decoded."""
    return decoded(_ESCAPED.sub(rb"\1", display[:_MOST_READ].replace(b'"', b"")))


def plain_name(name: str) -> str:
    """What people may be shown of `name`: letters that print, in the order in which they stand; no address, no quotes.

    At most MOST_NAME letters, "" when nothing is left.
    """
    letters = unicodedata.normalize("NFKC", name[:_MOST_READ])
    shown = "".join(letter for letter in map(_shown, letters) if letter)
    words = _MISLEADING.sub(" ", _ADDRESS_LIKE.sub(" ", shown)).split()
    return " ".join(words)[:MOST_NAME].strip()


def write_phrase(name: str) -> bytes:
    """A plain name as it stands before an address: quoted, or in encoded words when it is not ASCII.

    One that looks like an encoded word is written in encoded words too: many programs decode them within quotes, and
    would show what nobody has looked at.
    """
    if name.isascii() and "=?" not in name:
        return b'"' + name.encode() + b'"'
    chunks = [b""]
    for letter in name:
        octets = letter.encode()
        if len(chunks[-1]) + len(octets) > _MOST_ENCODED:
            chunks.append(b"")
        chunks[-1] += octets
    return b" ".join(b"=?utf-8?b?" + base64.b64encode(chunk) + b"?=" for chunk in chunks)


def _shown(letter: str) -> str:
    """Nothing for what controls, formats or turns the direction; a blank for every kind of blank."""
    kind = unicodedata.category(letter)
    if kind[0] == "Z":
        return " "
    return "" if kind[0] == "C" and letter not in "\t\r\n" else letter
