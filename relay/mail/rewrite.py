"""The few changes an outgoing header needs for the identity it goes out in. Every other field keeps its bytes."""

from relay.mail.address import Address
from relay.mail.author import AuthorError, parse_authors, render_from, render_mailbox
from relay.mail.message import Header


def rewrite_author(header: Header, address: Address) -> Header:
    """Put `address` in the place of the author's; the display name of the (first) author stays exactly as it is.

    A From field that names `address` alone stays as it is altogether. Raises AuthorError when the header has no From
    field or one that cannot be read.
    """
    field = header.first("from")
    if field is None:
        raise AuthorError("no From field")
    authors = parse_authors(field.value)
    if len(authors) == 1 and authors[0].address == address:
        return header
    return header.replace("from", render_from(authors[0].display, address))


def ask_answers_at(header: Header, address: Address) -> Header:
    """The header with a Reply-To field for `address`, under the (first) author's name, unless it has one already.

    Raises AuthorError as `rewrite_author` does.
    """
    field = header.first("from")
    if field is None:
        raise AuthorError("no From field")
    if header.first("reply-to") is not None:
        return header
    return header.prepend(render_mailbox(b"Reply-To", parse_authors(field.value)[0].display, address))


def drop_bcc(header: Header) -> Header:
    """The header without the recipients that nobody else may see (RFC 5322 3.6.3)."""
    return header.without("bcc", "resent-bcc")


def ensure_message_id(header: Header, message_id: str) -> Header:
    """The header with a Message-ID: its own when it has one that is not empty, else `message_id` (without brackets)."""
    field = header.first("message-id")
    if field is not None and field.value:
        return header
    return header.replace("message-id", f"Message-ID: <{message_id}>\r\n".encode("ascii"))
