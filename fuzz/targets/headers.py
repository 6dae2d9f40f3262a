"""Headers that are read, edited and written: other fields keep their octets, and no edit adds a field of its own."""

import re
from contextlib import suppress

from fuzz.pieces import Pieces
from relay.mail.address import Address
from relay.mail.author import AuthorError, parse_authors
from relay.mail.date import format_date, parse_date
from relay.mail.message import MAX_LINE, HeaderError, fold, header_size, parse_header
from relay.mail.munge import speak_for_writer
from relay.mail.rewrite import ask_answers_at, drop_bcc, ensure_message_id, rewrite_author

SEEDS = (
    b"\x01From: A <a@b.example>\r\nTo: b@c.example\r\nBcc: secret@d.example\r\n\r\nbody",
    b'\x01From:\r\n "A, B" <a@b.example>,\r\n\tc@d.example\r\nFrom : x@y.example\r\nReply-To: <z@y.example>\r\n',
    b"\x01From: =?utf-8?q?Caf=C3=A9?= (comment) <a@b.example>\r\nDate: Thu, 1 Jan 2026 10:00:00 +0100 (CET)\r\n",
    b"\x01Subject: " + b"x" * 200 + b" " + b"y " * 60 + b"\r\n\r\n",
    b"\x01From: undisclosed: a@b.example, <c@d.example>;\r\n",
)
_FOLDABLE = re.compile(rb"(?<=[^ \t])(?=[ \t])")
_OURS = Address("bakery+x", "my.relay.example")


def check(data: bytes) -> None:
    pieces = Pieces(data)
    via = pieces.text(40)
    block = pieces.rest()
    _fold(block)
    size = header_size(block)
    assert size is None or block[:size].endswith(b"\r\n")
    try:
        header = parse_header(block[:size])
    except HeaderError:
        return
    written = bytes(header)
    assert written == (block[:size].removesuffix(b"\r\n") if size is not None else block)
    assert parse_header(written) == header
    assert parse_header(written + b"\r\n") == header
    for field in header.fields:
        assert field.raw.startswith(field.name)
        assert not {b"\r"[0], b"\n"[0]} & set(field.value)
        if field.key == "date":
            with suppress(ValueError):
                assert parse_date(format_date(parse_date(field.value)).encode()) == parse_date(field.value)
    assert header.prepend(b"X: y\r\n").without("x") == header.without("x")
    _edits(block[:size], via)


def _edits(block: bytes, via: str) -> None:
    header = parse_header(block)
    assert not drop_bcc(header).all("bcc")
    assert ensure_message_id(header, "id@x").first("message-id")
    writer = Address("writer", "outside.example")
    spoken = speak_for_writer(header, _OURS, via=via, writer=writer)
    kept = [field for field in header.fields if field.key not in ("from", "reply-to", "original-from")]
    assert [each for each in spoken.fields if each.key not in ("from", "reply-to", "original-from")] == kept
    (author,) = spoken.all("from")
    (read,) = parse_authors(author.value)
    assert read.address == _OURS
    assert all(len(line) <= MAX_LINE for line in author.raw.split(b"\r\n"))
    assert parse_header(bytes(spoken)) == spoken
    assert spoken.all("reply-to")
    with suppress(AuthorError):
        rewritten = rewrite_author(header, _OURS)
        assert parse_authors(_value(rewritten)) == rewrite_again(_value(rewritten))
        assert [each.address for each in parse_authors(_value(rewritten))] == [_OURS]
        assert len(rewritten.fields) == len(header.fields)
        assert parse_header(bytes(rewritten)) == rewritten
        assert parse_header(bytes(ask_answers_at(header, _OURS))).first("reply-to")


def rewrite_again(value: bytes) -> tuple[object, ...]:
    """The authors of a field that already names us: it stays as it is."""
    header = parse_header(b"From: " + value + b"\r\n")
    assert rewrite_author(header, _OURS) is header
    return parse_authors(value)


def _value(header: object) -> bytes:
    return header.first("from").value  # type: ignore[attr-defined]


def _fold(block: bytes) -> None:
    line = b"X: " + block.replace(b"\r", b"").replace(b"\n", b"")
    try:
        folded = fold(line)
    except HeaderError:
        # What has no blank behind a letter in it, or only far from the next one, cannot be folded.
        assert max(map(len, _FOLDABLE.split(line))) > MAX_LINE - 10
        return
    assert folded[:-2].replace(b"\r\n", b"") == line
    (field,) = parse_header(folded).fields
    assert field.value == line[2:].strip(b" \t")
