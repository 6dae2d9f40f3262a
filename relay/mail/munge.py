"""Forwarded mail that would not be believed in its writer's name: it goes out in ours, and answers find the writer.

In charge of the fields that change for that. From names the writer as a person and our address; Reply-To the writer,
unless the writer said where answers go; Original-From (RFC 5703 5.4) keeps what From was. No other field changes.
"""

from relay.mail.address import Address
from relay.mail.author import Author, AuthorError, parse_authors, render_from
from relay.mail.message import MAX_LINE, Field, Header
from relay.mail.phrase import plain_name, read_phrase, write_phrase

_NOBODY = "Someone"


def speak_for_writer(header: Header, address: Address, *, via: str, writer: Address | None) -> Header:
    """The header with a From field that shows the author's name, `via` whom the mail came, and `address`.

    `writer` is the reverse path, which stands for an author that nobody can read.
    """
    written = header.all("from")
    authors = _read(written[0]) if written else ()
    known = authors[0] if authors else Author(b"", writer) if writer is not None else None
    display = write_phrase(f"{_name_of(known)} via {plain_name(via) or address.local}")
    spoken = render_from(display, address)
    kept = b"".join(_renamed(field, b"Original-From") for field in written)
    changed = header.without("original-from").replace("from", spoken)
    # One From field is left, however many there were.
    first = changed.first("from")
    changed = Header(tuple(field for field in changed.fields if field.key != "from" or field is first))
    if not any(map(_read, header.all("reply-to"))):
        changed = changed.without("reply-to")
        if authors:
            kept = _renamed(written[0], b"Reply-To") + kept
        elif writer is not None:
            kept = f"Reply-To: <{writer}>\r\n".encode() + kept
    return changed.append(kept) if kept else changed


def _read(field: Field) -> tuple[Author, ...]:
    try:
        return parse_authors(field.value)
    except AuthorError:
        return ()


def _name_of(author: Author | None) -> str:
    if author is None:
        return _NOBODY
    address = author.address
    return plain_name(read_phrase(author.display)) or plain_name(f"{address.local} at {address.domain}") or _NOBODY


def _renamed(field: Field, name: bytes) -> bytes:
    """The same value, to the last octet, under another name."""
    _, _, value = field.raw.partition(b":")
    first, _, _ = value.partition(b"\r\n")
    return name + (b":\r\n " if len(name) + 1 + len(first) > MAX_LINE else b":") + value
