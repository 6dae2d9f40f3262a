"""Message octets out of blocks: the end of DATA, the extent of a BDAT chunk, and what may not be inside.

In charge of RFC 5321 4.5.2 (transparency), RFC 3030 (chunks) and of refusing what smuggling is made of: a CR or
LF alone, and NUL. Pure and incremental: any split of the same octets gives the same result. Every octet is looked
at by few passes in C, none in Python. Never keeps more than four octets back.
"""

from io import IncrementalNewlineDecoder
from typing import Protocol

from relay.intake.gate import Content
from relay.mail.reply import Reply

TOO_LARGE = Reply(552, "5.3.4", "Message too large")
BARE_LINE_END = Reply(550, "5.6.0", "Message contains a CR or LF that is not part of CRLF")
NUL_OCTET = Reply(550, "5.6.0", "Message contains a NUL octet")

_END = b"\r\n.\r\n"
_STUFFED = b"\r\n."
_CLEAN = (None, "\r\n")


class Receiver(Protocol):
    """Takes octets until it has what it came for."""

    def feed(self, block: bytes) -> bytes | None:
        """Take the next octets; what follows the last one wanted, or None while more is wanted."""
        ...


class ContentWriter:
    """Passes a message's octets on to its Content, and refuses it at the first octet that may not be there."""

    __slots__ = ("_limit", "_newlines", "_tail", "content", "failure", "size")

    def __init__(self, content: Content, limit: int) -> None:
        self.content = content
        self._limit = limit
        # The one scanner of the standard library that tells CR, LF and CRLF apart in a single pass. A CR at the
        # end of a block stays open until the next one.
        self._newlines = IncrementalNewlineDecoder(None, translate=False)
        self._tail = b""
        self.size = 0
        self.failure: Exception | None = None

    def write(self, block: bytes) -> None:
        """Take the next octets. An exception of the content ends up in `failure`, and nothing more is written."""
        if self.failure is not None or not block:
            return
        try:
            self._write(block)
        except Exception as error:  # noqa: BLE001 - the octets must be drained whatever the content does
            self.failure = error

    def announce(self, size: int) -> None:
        """Refuse at once what will be too large with `size` more octets."""
        if self.size + size > self._limit:
            self._refuse(TOO_LARGE)

    def finish(self) -> None:
        """The message is complete: look at its end, and give the last line of a chunked message its CRLF."""
        self._newlines.decode("", final=True)
        if self._newlines.newlines not in _CLEAN:
            self._refuse(BARE_LINE_END)
        elif self.size and self._tail != b"\r\n":
            self.write(b"\r\n")

    @property
    def refused(self) -> bool:
        """Whether nothing that follows can matter any more."""
        if self.failure is not None:
            return True
        try:
            return self.content.refusal is not None
        except Exception as error:  # noqa: BLE001 - as in write
            self.failure = error
            return True

    def _write(self, block: bytes) -> None:
        content = self.content
        if content.refusal is not None:
            return
        self.size += len(block)
        if self.size > self._limit:
            content.refuse(TOO_LARGE)
            return
        if b"\0" in block:
            content.refuse(NUL_OCTET)
            return
        self._newlines.decode(str(block, "latin-1"))
        if self._newlines.newlines not in _CLEAN:
            content.refuse(BARE_LINE_END)
            return
        self._tail = block[-2:] if len(block) > 1 else (self._tail + block)[-2:]
        content.write(block)

    def _refuse(self, reply: Reply) -> None:
        try:
            self.content.refuse(reply)
        except Exception as error:  # noqa: BLE001 - as in write
            self.failure = error


class DotReceiver:
    """The content of DATA: ends at CRLF.CRLF and nowhere else; the dot in front of a line's dot is taken off."""

    __slots__ = ("_first", "_held", "_writer")

    def __init__(self, writer: ContentWriter) -> None:
        self._writer = writer
        # As if the CRLF of the DATA command were the first of the message: its first line may be the dot.
        self._held = b"\r\n"
        self._first = True

    def feed(self, block: bytes) -> bytes | None:
        """See Receiver."""
        if self._held:
            block = self._held + block
            self._held = b""
        stuffed = _first_stuffed(block)
        end = block.find(_END, stuffed) if stuffed >= 0 else -1
        if end >= 0:
            self._emit(block[: end + 2], stuffed=stuffed < end)
            return block[end + len(_END) :]
        undecided = _undecided(block)
        if undecided:
            self._held = block[-undecided:]
            block = block[:-undecided]
        self._emit(block, stuffed=stuffed >= 0)
        return None

    def _emit(self, block: bytes, *, stuffed: bool) -> None:
        if not block:
            return
        if stuffed:
            block = block.replace(_STUFFED, b"\r\n")
        if self._first:
            self._first = False
            block = block[2:]
        self._writer.write(block)


def _first_stuffed(block: bytes) -> int:
    # One octet is searched for many times faster than three, and most blocks of encoded content have no dot.
    first = block.find(b".")
    if first < 0:
        return -1
    return block.find(_STUFFED, max(first - 2, 0), block.rfind(b".") + 1)


def _undecided(block: bytes) -> int:
    """How many octets at the end may be the beginning of the end."""
    if block[-1:] not in (b"\r", b"\n", b"."):
        return 0
    return next((size for size in (4, 3, 2, 1) if block.endswith(_END[:size])), 0)


class ChunkReceiver:
    """The content of one BDAT: so many octets, whatever they are. Without a writer they are only drained."""

    __slots__ = ("_missing", "_writer")

    def __init__(self, writer: ContentWriter | None, size: int) -> None:
        self._writer = writer
        self._missing = size

    def feed(self, block: bytes) -> bytes | None:
        """See Receiver."""
        chunk = block[: self._missing]
        self._missing -= len(chunk)
        if self._writer is not None:
            self._writer.write(chunk)
        return None if self._missing else block[len(chunk) :]
