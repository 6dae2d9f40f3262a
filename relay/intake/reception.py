"""Takes one message's octets on their way into the spool: finds the header, hashes the body, minds the limits."""

from dataclasses import dataclass
from typing import Protocol

from relay.intake.limits import Receiving
from relay.mail.body_forms import BodyHashes
from relay.mail.dkim import BodyHash
from relay.mail.message import Header, HeaderError, header_size, parse_header
from relay.mail.reply import Reply
from relay.store.spool import Content, ContentWriter, SpoolError, SpoolFull

MOST_HEADER = 256 * 1024
FULL = Reply(452, "4.3.1", "No room for this message now")
FAULT = Reply(451, "4.3.0", "The message cannot be stored now")
TOO_LARGE = Reply(552, "5.3.4", "The message is larger than we take")
NO_HEADER = Reply(550, "5.6.0", "The header of the message cannot be read")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Sizes in octets: of this message, and of all that are being received at once."""

    message: int
    receiving: int


class HeaderJudge(Protocol):
    """Whoever says what is to be done about a header."""

    def check(self, header: Header) -> Reply | None:
        """Why the message is refused, if it is."""
        ...

    def bodies(self, header: Header) -> BodyHashes:
        """What is to be computed of the body beside our own hash, as it streams in."""
        ...


class Reception:
    """One message on its way in; keeps `gate.Content`.

    `trace` goes on top of what is received. `judge` is asked as soon as the header is complete.
    """

    def __init__(
        self,
        writer: ContentWriter,
        receiving: Receiving,
        bounds: Bounds,
        *,
        trace: bytes,
        judge: HeaderJudge,
    ) -> None:
        self._writer = writer
        self._receiving = receiving
        self._bounds = bounds
        self._trace = trace
        self._judge = judge
        self.bodies = BodyHashes(())
        self._start: bytearray | None = bytearray()
        self._hash = BodyHash()
        self._size = 0
        self._counted = 0
        self.is_eight_bit = False
        self.header = Header(())
        self.header_size = 0
        self.refusal: Reply | None = None

    def write(self, block: bytes | bytearray | memoryview) -> None:
        """See gate.Content.write."""
        if self.refusal is not None:
            return
        self._size += len(block)
        if self._size > self._bounds.message:
            self.refuse(TOO_LARGE)
        elif not self._receiving.take(len(block), most=self._bounds.receiving):
            self.refuse(FULL)
        else:
            self._counted += len(block)
            self._take(bytes(block))

    def refuse(self, reply: Reply) -> None:
        """See gate.Content.refuse."""
        if self.refusal is None:
            self.refusal = reply
            self._start = None
            # At once: what is refused may go on arriving for a long time.
            self.abort()

    def read(self, start: int, length: int) -> bytes:
        """See ContentWriter.read."""
        return self._writer.read(start, length)

    def abort(self) -> None:
        """See gate.Content.abort."""
        self._receiving.give_back(self._counted)
        self._counted = 0
        self._writer.abort()

    def finish(self) -> Content | Reply:
        """End the message: where it is, or why it is refused. A content that is returned must be committed."""
        try:
            if self._start is not None and self.refusal is None:
                # No empty line: a header alone is a whole message (RFC 5322 3.5).
                self._begin_body(len(self._start))
            if self.refusal is None:
                return self._writer.finish(header_size=self.header_size, body_hash=self._hash.digest())
        except SpoolError as error:
            self.refuse(FULL if isinstance(error, SpoolFull) else FAULT)
        assert self.refusal is not None  # noqa: S101 -- set on every other way here
        return self.refusal

    def _take(self, block: bytes) -> None:
        self.is_eight_bit = self.is_eight_bit or not block.isascii()
        try:
            if self._start is None:
                self._hash.update(block)
                self.bodies.update(block)
                self._writer.write(block)
            else:
                self._look_for_body(block)
        except SpoolError as error:
            self.refuse(FULL if isinstance(error, SpoolFull) else FAULT)

    def _look_for_body(self, block: bytes) -> None:
        start = self._start
        assert start is not None  # noqa: S101 -- asked only then
        start += block
        size = header_size(start)
        if size is not None and size <= MOST_HEADER:
            self._begin_body(size)
        elif len(start) > MOST_HEADER:
            self.refuse(TOO_LARGE)

    def _begin_body(self, size: int) -> None:
        start = bytes(self._start or b"")
        self._start = None
        try:
            self.header = parse_header(start[:size])
        except HeaderError:
            self.refuse(NO_HEADER)
            return
        refusal = self._judge.check(self.header)
        if refusal is not None:
            self.refuse(refusal)
            return
        self.header_size = len(self._trace) + size
        self.bodies = self._judge.bodies(self.header)
        self._writer.write(self._trace + start)
        if len(start) > size:
            self._hash.update(start[size:])
            self.bodies.update(start[size:])
