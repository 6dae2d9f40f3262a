"""What is asked of a message's header before the relay answers for it. Pure."""

from relay.mail.author import AuthorError, parse_authors
from relay.mail.date import parse_date
from relay.mail.dkim import repeated_too_often
from relay.mail.envelope import TlsWish
from relay.mail.message import Header
from relay.mail.received import count_received
from relay.mail.reply import Reply

# RFC 5321 6.3: at least 100 hosts may have handled a message before that looks like a loop.
MOST_HOPS = 100


def check_loop(header: Header) -> Reply | None:
    """Refuse what has been handled by too many hosts."""
    if count_received(header) > MOST_HOPS:
        return Reply(554, "5.4.6", "Too many hops: this message is in a loop")
    return None


def check_repeats(header: Header) -> Reply | None:
    """Refuse a header that nobody could sign: RFC 5322 3.6 has each of these fields once."""
    name = repeated_too_often(header)
    return None if name is None else Reply(550, "5.6.0", f"The message has far too many {name} fields")


def wish_of(header: Header) -> TlsWish | None:
    """What the header wants of TLS on the way: `TLS-Required: No`, once, or nothing (RFC 8689 5)."""
    fields = header.all("tls-required")
    return TlsWish.IGNORED if [field.value.strip().lower() for field in fields] == [b"no"] else None


def check_submission(header: Header) -> Reply | None:
    """Refuse what we could not send in a company's name: From and Date must be there, once, and readable.

    RFC 5322 3.6 asks for exactly one of each; RFC 6409 8 leaves it to us to insist.
    """
    for key, name in (("from", "From"), ("date", "Date")):
        count = len(header.all(key))
        if count == 0:
            return Reply(550, "5.6.0", f"The message has no {name} field")
        if count > 1:
            return Reply(550, "5.6.0", f"The message has more than one {name} field")
    return _check_author(header) or _check_date(header) or check_repeats(header) or check_loop(header)


def _check_author(header: Header) -> Reply | None:
    field = header.first("from")
    assert field is not None  # noqa: S101 -- counted above
    try:
        authors = parse_authors(field.value)
    except AuthorError:
        return Reply(550, "5.6.0", "The From field cannot be read as an address")
    if len(authors) != 1:
        return Reply(550, "5.6.0", "The From field must name exactly one author")
    return None


def _check_date(header: Header) -> Reply | None:
    field = header.first("date")
    assert field is not None  # noqa: S101 -- counted above
    try:
        parse_date(field.value)
    except ValueError:
        return Reply(550, "5.6.0", "The Date field cannot be read as a date")
    return None
