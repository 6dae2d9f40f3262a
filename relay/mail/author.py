"""The From field: who a message says it is from.

In charge of reading mailbox lists and groups (RFC 5322 3.4, RFC 6854, RFC 6532) as mail programs really write them,
and of writing a From field. Display names stay the bytes they were: quotes, encoded words and raw UTF-8 included.
Never guesses: what could be read as two different authors is an error.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from relay.mail.address import Address, AddressError, parse_address
from relay.mail.message import HeaderError, fold

_ORDINARY = re.compile(
    rb"[ \t]*+((?>(?:\"(?>(?:[^\"\\\x00-\x08\x0a-\x1f\x7f]|\\[ -~])*)\"|[^\x00-\x08\x0a-\x1f\x7f\"(),:;<>@\\]++)*))"
    rb"<([!#-'*+\--9=?-Z^-~]++)>[ \t]*+"
)
_BARE = re.compile(rb"[ \t]*+([!#-'*+\--9=?-Z^-~]++)[ \t]*+")
# Careless programs leave specials inside encoded words; angle brackets and quotes there would be ambiguous.
_ENCODED_WORD = rb"=\?[^?\s\"<>]++\?[BbQq]\?[^?\s\"<>]*+\?="
_TOKEN = re.compile(
    rb"\"(?>(?:[^\"\\]|\\.)*)\"|" + _ENCODED_WORD + rb"|(?>(?:(?!=\?)[^\"\\(),:;<>])+)|=|[(),:;<>]",
)
_ENCODED_WORDS = re.compile(_ENCODED_WORD + rb"(?>(?:[ \t]+" + _ENCODED_WORD + rb")*)")
_COMMENT_PART = re.compile(rb"[^()\\]++|\\.|[()]")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_UNESCAPE = re.compile(rb"\\(.)")
# Reading a list takes far longer than all else about a mail, names in Unicode above all. Octets, and authors.
_LONGEST = 16 * 1024
_MOST = 100
# Longer ones are not remembered: what strangers write must not fill the memory.
_ORDINARILY = 256
_ESCAPE = re.compile(rb"([\"\\])")


class AuthorError(ValueError):
    """A From field that names nobody, or not clearly; the message says why in plain words."""


@dataclass(frozen=True, slots=True)
class Author:
    """One author. `display` is the phrase before the address exactly as written, empty when there is none."""

    display: bytes
    address: Address


@dataclass(slots=True)
class _Mailbox:
    """What has been read of one element of the list; `phrase` is all before the bracket, `bare` without comments."""

    phrase: bytearray = field(default_factory=bytearray)
    bare: bytearray = field(default_factory=bytearray)
    comment: bytes = b""
    inner: bytes | None = None
    has_loose_at: bool = False


def parse_authors(value: bytes) -> tuple[Author, ...]:
    """Read the unfolded value of a From field; groups give their members. Raises AuthorError.

    A name that stands in a comment behind the address, as old programs write it, becomes a quoted display; so does
    a display with a bare @ in it.
    """
    return _parse_known(value) if len(value) <= _ORDINARILY else _parse(value)


# Every step that looks at a mail asks who wrote it.
@lru_cache(maxsize=1024)
def _parse_known(value: bytes) -> tuple[Author, ...]:
    return _parse(value)


def _parse(value: bytes) -> tuple[Author, ...]:
    ordinary = _ORDINARY.fullmatch(value)
    if ordinary:
        return (Author(ordinary[1].rstrip(b" \t"), _address(ordinary[2])),)
    bare = _BARE.fullmatch(value)
    if bare:
        return (Author(b"", _address(bare[1])),)
    if len(value) > _LONGEST:
        raise AuthorError("From is too long to be read")
    if _FORBIDDEN.search(value):
        raise AuthorError("control character in From")
    # RFC 5322 4.4: empty elements between commas mean nothing.
    named = [each for each in _mailboxes(_tokens(value)) if each.inner is not None or each.bare.strip()]
    if len(named) > _MOST:
        raise AuthorError("From names too many authors")
    authors = tuple(map(_author, named))
    if not authors:
        raise AuthorError("From names no author")
    return authors


def render_from(display: bytes, address: Address) -> bytes:
    """Write a whole From field, folded at blanks; the display keeps its bytes.

    A display that cannot be folded into lines of 998 octets is left out.
    """
    return render_mailbox(b"From", display, address)


def render_mailbox(name: bytes, display: bytes, address: Address) -> bytes:
    """Write a field of that name with one mailbox in it, as `render_from` does."""
    bare = str(address).encode()
    if not display:
        return fold(name + b": " + bare)
    try:
        return fold(name + b": " + display + b" <" + bare + b">")
    except HeaderError:
        return fold(name + b": " + bare)


def _tokens(value: bytes) -> Iterator[bytes]:
    """Quoted strings, comments, runs of text and single specials; together they are the whole value."""
    at = 0
    while at < len(value):
        token = _TOKEN.match(value, at)
        if token is None:
            raise AuthorError("quoted string without end in From")
        end = token.end()
        if token[0] == b"(":
            end = _comment_end(value, at)
        yield value[at:end]
        at = end


def _comment_end(value: bytes, start: int) -> int:
    depth = 0
    for part in _COMMENT_PART.finditer(value, start):
        depth += (part[0] == b"(") - (part[0] == b")")
        if depth == 0:
            return part.end()
    raise AuthorError("comment without end in From")


def _mailboxes(tokens: Iterator[bytes]) -> Iterator[_Mailbox]:
    """Cut the list at its commas; the name and the frame of a group fall away."""
    current = _Mailbox()
    in_group = False
    for token in tokens:
        if token == b",":
            yield current
            current = _Mailbox()
        elif token == b":" and not in_group and current.inner is None:
            in_group = True
            current = _Mailbox()
        elif token == b";" and in_group:
            in_group = False
            yield current
            current = _Mailbox()
        elif token == b"<" and current.inner is None:
            current.inner = _inner(tokens)
        else:
            _add(current, token)
    if in_group:
        raise AuthorError("group without end in From")
    yield current


def _inner(tokens: Iterator[bytes]) -> bytes:
    text = bytearray()
    for token in tokens:
        if token == b">":
            return bytes(text)
        if token.startswith(b"("):
            continue
        if token in (b"<", b",", b":", b";", b")"):
            break
        text += token
    raise AuthorError("bad angle brackets in From")


def _add(mailbox: _Mailbox, token: bytes) -> None:
    if token in (b"<", b">", b":", b";", b")"):
        raise AuthorError("misplaced special character in From")
    is_comment = token.startswith(b"(")
    if is_comment:
        mailbox.comment = mailbox.comment or token[1:-1].strip(b" \t")
    if mailbox.inner is None:
        mailbox.phrase += token
        mailbox.bare += b"" if is_comment else token
        mailbox.has_loose_at |= b"@" in token and not token.startswith((b"(", b'"', b"=?"))
    elif not is_comment and token.strip(b" \t"):
        raise AuthorError("text behind the address in From")


def _author(mailbox: _Mailbox) -> Author:
    if mailbox.inner is None:
        return Author(_display_of_comment(mailbox.comment), _address(bytes(mailbox.bare)))
    if not mailbox.bare.strip(b" \t"):
        return Author(_display_of_comment(mailbox.comment), _address(mailbox.inner))
    display = bytes(mailbox.phrase).strip(b" \t")
    if mailbox.has_loose_at:
        if b'"' in display:
            raise AuthorError("misplaced @ in From")
        display = _quoted(display)
    return Author(display, _address(mailbox.inner))


def _display_of_comment(comment: bytes) -> bytes:
    if not comment or _ENCODED_WORDS.fullmatch(comment):
        return comment
    return _quoted(_UNESCAPE.sub(rb"\1", comment))


def _quoted(text: bytes) -> bytes:
    return b'"' + _ESCAPE.sub(rb"\\\1", text) + b'"'


def _address(text: bytes) -> Address:
    try:
        return parse_address(text.strip(b" \t").decode())
    except UnicodeDecodeError as error:
        raise AuthorError("address in From is not UTF-8") from error
    except AddressError as error:
        raise AuthorError(f"{error} in From") from error
