"""Has mails read in other processes, and gets plain values back, whatever the mails do to them."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator

from relay.fetch.frames import MAIL, MOST_ANSWER, MOST_SECONDS, READ, READY, Contents, read_contents
from relay.policy.invoice.facts import Flaw, Kind, MailFacts, Part

_PATIENCE = MOST_SECONDS + 15.0
# One reads while another one is handed a mail, or is slow with one.
_AT_ONCE = 2
# What a mail did to its reader ends there at the latest.
_MOST_MAILS = 50
# A mail of a usual size goes in one go, without waiting for whoever reads it.
_ROOM = 1024 * 1024


class Readers:
    """Gives a reader to everybody who looks at a mailbox.

    They are forked from one program (`relay.fetch.child`), which is started when it is first needed.
    """

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(_AT_ONCE)
        self._starting = asyncio.Lock()
        self._program: asyncio.subprocess.Process | None = None
        self._orders: socket.socket | None = None

    @contextlib.contextmanager
    def new(self) -> Iterator["Reader"]:
        """A reader for the mails of one mailbox."""
        reader = Reader(self)
        try:
            yield reader
        finally:
            reader.close()

    async def fork(self) -> socket.socket:
        """A connection to a new process that reads mails. Raises OSError."""
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
        try:
            with theirs:
                async with self._starting:
                    socket.send_fds(await self._listening(), [b"+"], [theirs.fileno()])
            async with asyncio.timeout(_PATIENCE):
                await _receive(ours, len(READY))
        except EOFError:
            ours.close()
            raise OSError("no process can be started that reads mails") from None
        except BaseException:
            ours.close()
            raise
        return ours

    async def close(self) -> None:
        """End all of it at once."""
        program, self._program = self._program, None
        if self._orders is not None:
            self._orders.close()
        if program is not None and program.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            await program.wait()

    async def _listening(self) -> socket.socket:
        """What the program takes orders by, once it runs."""
        if self._orders is None or self._program is None or self._program.returncode is not None:
            if self._orders is not None:
                self._orders.close()
            self._orders, theirs = socket.socketpair()
            with theirs:
                self._program = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-m", "relay.fetch.child"),
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.DEVNULL,
                    env={},
                    start_new_session=True,
                )
        return self._orders


class Reader:
    """Reads the mails of one mailbox, one after the other, in a process that reads no other mailbox's."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._line: socket.socket | None = None
        self._count = 0

    async def read(self, mail: bytes) -> Contents:
        """The facts about a mail.

        A mail that cannot be read within the limits has one part, with a flaw that says so.

        Raises:
            OSError: no process can be started.
        """
        async with self._readers.turns:
            if self._line is None:
                self._line, self._count = await self._readers.fork(), 0
            answer = await self._ask(self._line, mail)
        try:
            return read_contents(answer)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return Contents(MailFacts("", "", (Part(0, Kind.MESSAGE, size=len(mail), flaw=Flaw.BURSTS),)))

    def close(self) -> None:
        """Let the process go; the next mail is read by another one."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    async def _ask(self, line: socket.socket, mail: bytes) -> bytes:
        """What the process answers; nothing when it does not survive, or takes too long."""
        loop, is_last = asyncio.get_running_loop(), True
        self._count += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                await loop.sock_sendall(line, MAIL.pack(len(mail)))
                await loop.sock_sendall(line, mail)
                ends, size = READ.unpack(await _receive(line, READ.size))
                if size > MOST_ANSWER:
                    return b""
                answer = bytes(await _receive(line, size))
                is_last = ends or self._count >= _MOST_MAILS
                return answer
        except (TimeoutError, EOFError, ConnectionError):
            return b""
        finally:
            if is_last:
                self.close()


@contextlib.asynccontextmanager
async def one_reader() -> AsyncIterator[Reader]:
    """A reader for whoever needs only one."""
    readers = Readers()
    try:
        with readers.new() as reader:
            yield reader
    finally:
        await readers.close()


async def _receive(line: socket.socket, size: int) -> bytearray:
    """So many octets. Raises OSError, EOFError."""
    loop, data = asyncio.get_running_loop(), bytearray(size)
    left = memoryview(data)
    while left:
        count = await loop.sock_recv_into(line, left)
        if not count:
            raise EOFError
        left = left[count:]
    return data
