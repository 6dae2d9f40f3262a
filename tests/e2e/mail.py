"""Messages as apps and mail programs write them, octet by octet."""

from collections.abc import Sequence

_DATE = "Mon, 23 Nov 2026 07:00:00 +0000"

# Somebody outside, of whom nobody says how to tell mail in a false name.
WRITER = "Jo <jo@buur.example>"


def message(
    subject: str = "Factuur 2026-001",
    *,
    author: str = '"Bakkerij Peeters BV" <info@bakkerij-peeters.example>',
    to: str = "an@klant.example",
    message_id: str = "",
    extra: Sequence[str] = (),
    body: bytes = b"Beste klant,\r\n\r\nuw factuur.\r\n",
) -> bytes:
    """A message with CRLF line ends."""
    fields = [
        f"From: {author}",
        f"To: {to}",
        f"Subject: {subject}",
        f"Date: {_DATE}",
        f"Message-ID: {message_id or '<1@app.example>'}",
        *extra,
    ]
    return "".join(f"{field}\r\n" for field in fields).encode() + b"\r\n" + body


def with_author(content: bytes, author: str) -> bytes:
    """What the relay makes of a message's From, with nothing else changed."""
    head, _, rest = content.partition(b"\r\n")
    assert head.startswith(b"From: ")
    return f"From: {author}\r\n".encode() + rest


def field_names(octets: bytes) -> list[str]:
    """The names of the header fields in a piece of a header, in order."""
    lines = octets.decode("utf-8", "replace").split("\r\n")
    return [line.partition(":")[0] for line in lines if line and line[0] not in " \t"]
