"""SASL mechanisms: from the octets of an AUTH exchange to a user name and a password.

In charge of PLAIN (RFC 4616) and LOGIN (as clients speak it). Pure: a mechanism is a generator that yields
challenges, is sent responses and returns credentials. Never judges them, never sees a socket.
"""

from base64 import b64decode
from collections.abc import Generator
from dataclasses import dataclass, field

from relay.mail.reply import Reply
from relay.smtpd.replies import Refused

BAD_BASE64 = Reply(501, "5.5.2", "Not base64")
BAD_CREDENTIALS = Reply(501, "5.5.2", "Malformed credentials")
CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
NO_OTHER_IDENTITY = Reply(535, "5.7.8", "Cannot act as somebody else")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client says it is and how it proves it."""

    username: str
    password: str = field(repr=False)


def plain(initial: bytes | None) -> Generator[bytes, bytes, Credentials]:
    """PLAIN, with or without an initial response. Raises Refused."""
    message = (yield b"") if initial is None else initial
    parts = message.split(b"\0")
    if len(parts) != 3:
        raise Refused(BAD_CREDENTIALS)
    identity, username, password = (_text(part) for part in parts)
    # RFC 4616 2: an authorization identity may be asked for; here everybody is only themselves.
    if identity not in ("", username):
        raise Refused(NO_OTHER_IDENTITY)
    return Credentials(username, password)


def login(initial: bytes | None) -> Generator[bytes, bytes, Credentials]:
    """LOGIN: the user name may be the initial response. Raises Refused."""
    username = (yield b"Username:") if initial is None else initial
    password = yield b"Password:"
    return Credentials(_text(username), _text(password))


MECHANISMS = {"PLAIN": plain, "LOGIN": login}


def decode_initial(response: str) -> bytes:
    """The initial response of an AUTH command; `=` stands for an empty one (RFC 4954 4). Raises Refused."""
    return b"" if response == "=" else decode_response(response.encode())


def decode_response(line: bytes) -> bytes:
    """A line of the client's in the middle of an exchange. Raises Refused, also when it cancels."""
    if line == b"*":
        raise Refused(CANCELLED)
    try:
        return b64decode(line, validate=True)
    except ValueError as error:
        raise Refused(BAD_BASE64) from error


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise Refused(BAD_CREDENTIALS) from error
