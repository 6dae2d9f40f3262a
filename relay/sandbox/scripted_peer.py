"""An SMTP server that does what a script says, for trying out what a sender does with peers that misbehave.

In charge of: replying, hanging, dripping, dropping or resetting at any phase and for any recipient, and keeping every
octet that came in.
Never does: understand mail. It answers verbs; whether the answers make sense is up to the script.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

LINE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Say:
    """Send this text and a CRLF. Several replies, or none that a sender could read, are as good as one."""

    text: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """Send these octets as they are."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """Send the text octet by octet with a pause after each, in seconds."""

    text: str
    pause: float


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing any more; what still comes in is dropped until the other side closes."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Say nothing and read nothing any more: what the other side sends piles up on its way."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection in good order."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Cut the connection with a TCP reset."""


Act = Say | Garbage | Drip | Hang | Stall | Drop | Reset
Acts = Act | tuple[Act, ...]


def long_reply(code: int, octets: int) -> Say:
    """A reply of one line that long."""
    return Say(f"{code} " + "x" * (octets - 4))


@dataclass(frozen=True, slots=True)
class Script:
    """What to do at each phase of one connection; as it stands, a polite server that takes everything."""

    banner: Acts = Say("220 peer.example ESMTP")
    ehlo: Acts = Say(
        "250-peer.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 50000000\r\n250-DSN\r\n250 SMTPUTF8"
    )
    helo: Acts = Say("250 peer.example")
    starttls: Acts = Say("220 2.0.0 Go ahead")
    auth: Acts = Say("235 2.7.0 Welcome")
    mail: Acts = Say("250 2.1.0 Sender accepted")
    rcpt: Acts = Say("250 2.1.5 Recipient accepted")
    recipients: Mapping[str, Acts] = field(default_factory=dict)  # by address, in place of `rcpt`
    data: Acts = Say("354 Go ahead")
    end: Acts = Say("250 2.0.0 Taken")
    rset: Acts = Say("250 2.0.0 Forgotten")
    quit: Acts = Say("221 2.0.0 Bye")
    other: Acts = Say("502 5.5.1 Not known here")


@dataclass(slots=True)
class Record:
    """What came in on one connection."""

    number: int  # from 1
    peer: str
    lines: list[str] = field(default_factory=list)  # commands, without CRLF
    messages: list[bytes] = field(default_factory=list)  # as sent: dots still stuffed, without the final dot
    tls: bool = False
    closed: bool = False


class _DoneError(Exception):
    """The script ends the connection here."""


class ScriptedPeer:
    """A server on loopback; use it as an asynchronous context.

    The n-th connection gets the n-th script, later ones get the last. With `tls`, STARTTLS is carried out after a reply
    that begins with 220; the script's EHLO decides whether it is offered.
    """

    def __init__(
        self, *scripts: Script, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.scripts: Sequence[Script] = scripts or (Script(),)
        self.host = host
        self.port = port
        self.records: list[Record] = []
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, self.port, limit=LINE_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()

    @property
    def messages(self) -> list[bytes]:
        """Every message that came in whole, over all connections."""
        return [message for record in self.records for message in record.messages]

    async def wait_for(self, wanted: Callable[[Self], bool], timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Wait until what came in so far passes a test.

        Raises:
            TimeoutError: it did not.
        """
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: wanted(self))

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        record = Record(len(self.records) + 1, writer.get_extra_info("peername")[0])
        self.records.append(record)
        script = self.scripts[min(record.number, len(self.scripts)) - 1]
        task = asyncio.create_task(self._serve(script, record, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, script: Script, record: Record, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await self._tell()
            await _perform(script.banner, reader, writer)
            while line := await reader.readline():
                record.lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
                await self._tell()
                await self._answer(script, record, reader, writer)
        except (_DoneError, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        writer.close()
        record.closed = True
        await self._tell()

    async def _answer(
        self, script: Script, record: Record, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        verb, _, rest = record.lines[-1].partition(" ")
        acts = _acts(script, verb.upper(), rest)
        await _perform(acts, reader, writer)
        match verb.upper():
            case "STARTTLS" if self._tls is not None and _begins(acts, "220"):
                await writer.start_tls(self._tls)
                record.tls = True
            case "DATA" if _begins(acts, "354"):
                record.messages.append(await _read_message(reader))
                await self._tell()
                await _perform(script.end, reader, writer)
            case "QUIT":
                raise _DoneError

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _acts(script: Script, verb: str, rest: str) -> Acts:
    if verb == "RCPT":
        address = rest.partition("<")[2].partition(">")[0]
        return script.recipients.get(address, script.rcpt)
    known = {
        "EHLO": script.ehlo,
        "HELO": script.helo,
        "STARTTLS": script.starttls,
        "AUTH": script.auth,
        "MAIL": script.mail,
        "DATA": script.data,
        "RSET": script.rset,
        "QUIT": script.quit,
    }
    return known.get(verb, script.other)


def _begins(acts: Acts, code: str) -> bool:
    first = acts[0] if isinstance(acts, tuple) else acts
    return isinstance(first, Say | Drip) and first.text.startswith(code)


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    """Everything up to the line with nothing but a dot."""
    lines: list[bytes] = []
    while (line := await reader.readuntil(b"\n")) != b".\r\n":
        lines.append(line)
    return b"".join(lines)


async def _perform(acts: Acts, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for act in acts if isinstance(acts, tuple) else (acts,):
        await _do(act, reader, writer)


async def _do(act: Act, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    match act:
        case Say(text):
            writer.write(text.encode() + b"\r\n")
            await writer.drain()
        case Garbage(octets):
            writer.write(octets)
            await writer.drain()
        case Drip(text, pause):
            for octet in text.encode() + b"\r\n":
                writer.write(bytes([octet]))
                await writer.drain()
                await asyncio.sleep(pause)
        case Hang():
            while await reader.read(LINE_LIMIT):
                pass
            raise _DoneError
        case Stall():
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.Event().wait()
        case Drop():
            raise _DoneError
        case Reset():
            linger = struct.pack("ii", 1, 0)  # RFC 9293: an abort sends RST in place of FIN
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            raise _DoneError
