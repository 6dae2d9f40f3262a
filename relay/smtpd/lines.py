"""Command lines out of blocks of octets.

In charge of finding the lines of RFC 5321 2.3.8 in whatever pieces they arrive, with bounded memory.
Never knows a verb: what a line says is read elsewhere.
"""

from enum import Enum, auto

# RFC 4954 4.3 wants 12288 octets for a line of an AUTH exchange; no other command is allowed this much.
MAX_LINE = 12288


class Flaw(Enum):
    """Why a line is no command; the next line is read as usual."""

    TOO_LONG = auto()
    BARE_LF = auto()


class CommandLines:
    """The octets of a session that are not message content, cut into lines on request."""

    __slots__ = ("_buffer", "_overlong", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._overlong = False

    def __len__(self) -> int:
        """Octets waiting."""
        return len(self._buffer)

    def feed(self, block: bytes) -> None:
        """Take the next octets."""
        self._buffer += block

    def next(self) -> bytes | Flaw | None:
        """The next line without its CRLF, a flaw in its place, or None when it is not complete yet."""
        buffer = self._buffer
        end = buffer.find(b"\n", self._searched)
        if end < 0:
            self._forget_overlong()
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        self._searched = 0
        if self._overlong or end > MAX_LINE:
            self._overlong = False
            return Flaw.TOO_LONG
        if not line.endswith(b"\r"):
            return Flaw.BARE_LF
        return line[:-1]

    def take(self) -> bytes:
        """All waiting octets; they are no longer waiting."""
        octets = bytes(self._buffer)
        self._buffer.clear()
        self._searched = 0
        return octets

    def _forget_overlong(self) -> None:
        if self._overlong or len(self._buffer) > MAX_LINE:
            self._overlong = True
            self._buffer.clear()
        self._searched = len(self._buffer)
