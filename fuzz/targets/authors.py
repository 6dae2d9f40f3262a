"""From fields and the names in them: whoever is read is read again from what we write, and names can mislead nobody."""

from contextlib import suppress

from relay.mail.author import AuthorError, parse_authors, render_from
from relay.mail.encoded import MOST_READ, decoded, in_charset
from relay.mail.message import parse_header
from relay.mail.phrase import MOST_NAME, plain_name, read_phrase, write_phrase
from relay.policy.away import says_away

SEEDS = (
    b"A B <a@b.example>",
    b'"A \\"B\\"" <"a b"@b.example>, c@d.example (C)',
    b"=?utf-8?b?w6k=?= =?iso-8859-1?q?=E9?= <a@b.example>",
    b"group: a@b.example, <c@d.example>;",
    b"x@y <a@b.example>",
    b"=?utf-7?q?+2AA-?= <a@b.example>",
)


def check(data: bytes) -> None:
    value = data.replace(b"\r", b"").replace(b"\n", b"")
    with suppress(AuthorError):
        for author in parse_authors(value):
            field = render_from(author.display, author.address)
            (read,) = parse_authors(parse_header(field).fields[0].value)
            assert read.address == author.address
            if read.display:
                assert read.display == author.display
    text = decoded(value)
    text.encode()
    assert len(text) <= MOST_READ
    says_away(text)
    in_charset(value, value[:20].decode("latin-1")).encode()
    name = plain_name(read_phrase(value))
    assert len(name) <= MOST_NAME
    assert plain_name(name) == name
    assert name.isprintable()
    assert not set(name) & set('"\\<>()[]:;,@\r\n')
    if name:
        written = write_phrase(name)
        assert written.isascii()
        assert read_phrase(written) == name
