"""Body hashes as signatures of others ask for them, computed while the body streams in.

A signature names a canonical form and perhaps how many of its octets it covers (RFC 6376 3.4). A few such hashes run
beside our own, which most signatures ask for anyway; there is never a second pass over the body.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from relay.mail.dkim import BodyHash

Form = Literal["simple", "relaxed"]

# Whole bodies in both forms are one beside ours; a few more for signatures that cover a part.
MOST_HASHES = 4

_LINE_ENDS = b"\r\n" * 4096


class BodyForm(NamedTuple):
    """A canonical form, and how many octets of it are covered; None: all there are."""

    form: Form
    limit: int | None = None


OURS = BodyForm("relaxed")


@dataclass(frozen=True, slots=True)
class BodySeen:
    """The hash in base64. `covers`: all of the body was hashed; `falls_short`: there is less than was to be covered."""

    digest: str
    covers: bool = True
    falls_short: bool = False


class Measured:
    """SHA-256 of the first `limit` octets, and the count of all; stands in for a hash of hashlib."""

    __slots__ = ("_hash", "limit", "size")

    def __init__(self, limit: int | None) -> None:
        self._hash = hashlib.sha256()
        self.limit = limit
        self.size = 0

    def update(self, data: bytes | memoryview) -> None:
        """Take more octets."""
        if self.limit is None:
            self._hash.update(data)
        elif self.size < self.limit:
            self._hash.update(data[: self.limit - self.size])
        self.size += len(data)

    def copy(self) -> "Measured":
        """The same, to go on from here."""
        other = Measured(self.limit)
        other._hash = self._hash.copy()
        other.size = self.size
        return other

    def digest(self) -> bytes:
        """The hash of what counts."""
        return self._hash.digest()

    @property
    def is_full(self) -> bool:
        """Whether nothing that comes can change anything."""
        return self.limit is not None and self.size > self.limit


class SimpleBody:
    """The simple form (RFC 6376 3.4.3): line ends at the end become one."""

    __slots__ = ("_line_ends", "_rest", "_sink")

    def __init__(self, sink: Measured) -> None:
        self._sink = sink
        self._line_ends = 0
        self._rest = b""

    def update(self, block: bytes) -> None:
        """Take the next block of the body."""
        data = self._rest + block if self._rest else block
        end = _end_of_lines(data)
        if end:
            _emit_line_ends(self._sink, self._line_ends)
            self._line_ends = 0
            self._sink.update(memoryview(data)[:end])
        self._line_ends += (len(data) - end) // 2
        self._rest = b"\r" if (len(data) - end) % 2 else b""

    def finished(self) -> Measured:
        """The sink as it is when the body ends here."""
        sink = self._sink.copy()
        if self._rest:
            _emit_line_ends(sink, self._line_ends)
            sink.update(self._rest)
        sink.update(b"\r\n")
        return sink


class RelaxedBody:
    """The relaxed form, cut off somewhere."""

    __slots__ = ("_body", "_sink")

    def __init__(self, sink: Measured) -> None:
        self._sink = sink
        self._body = BodyHash(sink)

    def update(self, block: bytes) -> None:
        """Take the next block of the body."""
        self._body.update(block)

    def finished(self) -> Measured:
        """The sink as it is when the body ends here."""
        ended = self._body.ended()
        assert isinstance(ended, Measured)  # noqa: S101 -- it was given one
        return ended


class BodyHashes:
    """The hashes of one body beside our own."""

    __slots__ = ("_bodies",)

    def __init__(self, forms: Iterable[BodyForm]) -> None:
        """Of many forms, the first few are computed; signatures that ask for others cannot be judged."""
        wanted = [form for form in dict.fromkeys(forms) if form != OURS][: MOST_HASHES - 1]
        self._bodies = {
            form: (SimpleBody if form.form == "simple" else RelaxedBody)(Measured(form.limit)) for form in wanted
        }

    def update(self, block: bytes) -> None:
        """Take the next block of the body."""
        for body in self._bodies.values():
            if not body._sink.is_full:  # noqa: SLF001 -- one module
                body.update(block)

    def seen(self, ours: str) -> Mapping[BodyForm, BodySeen]:
        """All hashes; `ours` is that of the whole body in relaxed form."""
        return {OURS: BodySeen(ours)} | {form: _seen(body.finished()) for form, body in self._bodies.items()}


def _seen(sink: Measured) -> BodySeen:
    digest = base64.b64encode(sink.digest()).decode("ascii")
    limit = sink.limit
    if limit is None:
        return BodySeen(digest)
    return BodySeen(digest, covers=sink.size <= limit, falls_short=sink.size < limit)


def _end_of_lines(data: bytes) -> int:
    """Where the line ends at the end of `data` begin; half a one at the very end belongs to them."""
    text = len(data.rstrip(b"\r\n"))
    tail = data[text:]
    # Behind the last two of the same kind, CR and LF alternate.
    start = max(tail.rfind(b"\r\r"), tail.rfind(b"\n\n")) + 1
    return text + start + (tail[start : start + 1] == b"\n")


def _emit_line_ends(sink: Measured, count: int) -> None:
    while count > 0:
        some = min(count, len(_LINE_ENDS) // 2)
        sink.update(_LINE_ENDS[: 2 * some])
        count -= some
