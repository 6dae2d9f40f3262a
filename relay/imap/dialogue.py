"""Commands and responses of one connection (RFC 3501): tags, literals, continuations; what they mean is not known here.

Forgiving about what servers say beside the point, strict about how much of it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from relay.imap.wire import SILENCE, Wire

_LITERAL = re.compile(rb"\{([0-9]{1,12})\+?\}\r?\n?\Z")
_QUOTABLE = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{0,500}", re.ASCII)


class DeniedError(Exception):
    """The server says NO or BAD to a command, or BYE; the text is its own and may hold what was sent."""


@dataclass(frozen=True, slots=True)
class Response:
    """An untagged response: its words, and the literals that stand behind each piece but the last."""

    pieces: tuple[bytes, ...]
    literals: tuple[bytes, ...] = ()

    @property
    def line(self) -> bytes:
        """The words up to the first literal."""
        return self.pieces[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command brought: untagged responses without their star, and the text behind OK."""

    responses: Sequence[Response]
    text: bytes


class Dialogue:
    """The commands of one connection, one after the other."""

    __slots__ = ("_count", "_tag", "bye", "wire")

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._count = 0
        self._tag = b""
        self.bye = ""

    async def greeting(self) -> bytes:
        """The server's first line, without its star."""
        response = await self.response()
        if not isinstance(response, Response) or not response.line.upper().startswith((b"OK", b"PREAUTH")):
            said = response.line if isinstance(response, Response) else b""
            raise DeniedError(said.decode("utf-8", "replace"))
        return response.line

    async def command(self, *words: bytes) -> Answer:
        """Say a command and wait for its end; its words are as `word` and `literal` make them. Raises as `finish`."""
        await self.begin(*words)
        return await self.finish()

    async def begin(self, *words: bytes) -> None:
        """Say a command, and do not wait."""
        self._count += 1
        self._tag = b"R%d" % self._count
        self.wire.begin()
        line = self._tag
        for word in words:
            if word.startswith(b"{\0"):
                await self.wire.send(line + b" {%d}\r\n" % (len(word) - 2))
                await self.continuation()
                line = word[2:]
            else:
                line += b" " + word
        await self.wire.send(line + b"\r\n")

    async def command_with(self, *words: bytes, size: int, blocks: Iterable[bytes]) -> Answer:
        """As `command`, with a literal of `size` octets behind the words, that is sent block by block."""
        await self.begin(*words, b"{%d}" % size)
        await self.continuation()
        for block in blocks:
            await self.wire.send(block)
        await self.wire.send(b"\r\n")
        return await self.finish()

    async def continuation(self, note: Callable[[Response], None] = lambda _: None) -> bytes:
        """Wait until the server wants to hear more; what it says with that. `note` hears of untagged responses."""
        while True:
            response = await self.response()
            if isinstance(response, bytes):
                return response
            if self.is_end(response):
                raise DeniedError(_text(response))
            note(response)

    async def finish(self, give_up: bytes | None = None) -> Answer:
        """Wait for the end of a command; who asks for more hears `give_up`. Raises OSError or DeniedError."""
        responses: list[Response] = []
        while True:
            response = await self.response()
            if isinstance(response, bytes):
                if give_up is not None:
                    await self.wire.send(give_up + b"\r\n")
                continue  # otherwise nothing is to be said any more: some servers ask all the same
            if not self.is_end(response):
                responses.append(response)
                continue
            status, _, text = response.line[len(self._tag) + 1 :].partition(b" ")
            if status.upper() != b"OK":
                raise DeniedError(_text(response))
            return Answer(responses, text)

    async def response(self, patience: float = SILENCE) -> Response | bytes:
        """The next response: untagged, or the end of the command with its tag; octets are a continuation."""
        try:
            line = await self.wire.line(patience)
            pieces, literals = [], []
            while (literal := _LITERAL.search(line)) is not None:
                pieces.append(line.rstrip(b"\r\n"))
                literals.append(await self.wire.octets(int(literal[1])))
                line = await self.wire.line()
        except OSError:
            if self.bye:
                raise DeniedError(self.bye) from None
            raise
        pieces.append(line.rstrip(b"\r\n"))
        first = pieces[0]
        if first.startswith(b"+"):
            return first[1:].strip()
        if first.startswith(b"* "):
            pieces[0] = first[2:].lstrip()
            if pieces[0][:3].upper() == b"BYE":
                self.bye = pieces[0][3:].decode("utf-8", "replace").strip() or "the server says goodbye"
        elif not self._tag or not first.startswith(self._tag + b" "):
            raise ConnectionAbortedError("the server does not speak IMAP")
        return Response(tuple(pieces), tuple(literals))

    def is_end(self, response: Response) -> bool:
        """Whether this ends the command that was begun."""
        return bool(self._tag) and response.line.startswith(self._tag + b" ")


def word(text: str) -> bytes:
    """A text as an argument: quoted, or as a literal where quotes do not hold it."""
    if _QUOTABLE.fullmatch(text):
        return b'"' + text.encode() + b'"'
    if text.isascii() and text.isprintable() and len(text) < 500:
        return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
    return literal(text.encode())


def literal(data: bytes) -> bytes:
    """Octets as an argument of a command."""
    return b"{\0" + data


def _text(response: Response) -> str:
    return response.line.decode("utf-8", "replace")
