"""One mail transaction on an open session: pipelined where the peer allows it (RFC 2920), the content in blocks.

Never retries and never judges; every reply is kept with the phase it belongs to.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from relay.config.settings import DeliveryTimeouts
from relay.delivery.outgoing import Outgoing
from relay.delivery.trouble import AttemptError
from relay.mail.address import Address
from relay.mail.envelope import Body, Recipient, encode_orcpt, encode_xtext
from relay.mail.reply import Reply, parse_reply
from relay.policy.outcome import Fault, Phase, Trouble

_MOST_REPLY = 32 * 1024
# Blocks are put together up to this size: one write, one TLS record less.
_MOST_JOINED = 64 * 1024


class ReplyStream(asyncio.Protocol):
    """Sends octets and reads replies in order; a surplus or malformed reply makes the stream unusable."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._buffer = b""
        self._replies: deque[Reply] = deque()
        self._expected = 0
        self._trouble: Trouble | None = None
        self._reply_waiter: asyncio.Future[None] | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        self._paused = False

    @property
    def is_usable(self) -> bool:
        """Whether nothing has gone wrong and no reply is outstanding."""
        return self._trouble is None and self._expected == 0 and not self._transport.is_closing()

    def send(self, data: bytes, *, replies: int) -> None:
        """Write commands that will be answered by so many replies; if nobody takes them, `reply` will say so."""
        self._expected += replies
        if self._trouble is None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the peer has taken most of what was written."""
        if self._paused and self._trouble is None:
            self._drain_waiter = asyncio.get_running_loop().create_future()
            await self._drain_waiter

    async def reply(self, phase: Phase, timeout: float) -> Reply:  # noqa: ASYNC109 -- a setting, passed down
        """The next reply; raises AttemptError when there will be none."""
        if not self._replies:
            await self._wait(phase, timeout)
        if not self._replies:
            raise AttemptError(self._trouble or Trouble(Fault.DISCONNECTED, "the connection was lost"), phase)
        self._expected -= 1
        return self._replies.popleft()

    def quit(self) -> None:
        """End the session; the answer to QUIT interests nobody."""
        if not self.is_usable:
            self.abort()
            return
        self._trouble = Trouble(Fault.DISCONNECTED, "closed by us")
        self._transport.write(b"QUIT\r\n")
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._trouble = self._trouble or Trouble(Fault.DISCONNECTED, "closed by us")
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take replies apart as they come."""
        buffer = self._buffer + data if self._buffer else data
        try:
            for reply, rest in _complete_replies(buffer):
                buffer = rest
                self._replies.append(reply)
        except ValueError:
            self._fail(Trouble(Fault.PROTOCOL, "the peer's answer is not SMTP"))
            return
        self._buffer = buffer
        if len(buffer) > _MOST_REPLY:
            self._fail(Trouble(Fault.PROTOCOL, "the peer's answer has no end"))
        elif len(self._replies) > self._expected:
            # It would be taken for the answer to the next command.
            self._fail(Trouble(Fault.PROTOCOL, "the peer answered more than it was asked"))
        self._wake()

    def eof_received(self) -> None:
        """The peer says no more."""
        self._fail(Trouble(Fault.DISCONNECTED, "the peer closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._fail(Trouble(Fault.DISCONNECTED, f"the connection was lost: {exc}" if exc else "the connection was lost"))

    def pause_writing(self) -> None:
        """The peer reads slower than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._paused = False
        self._release_drain()

    async def _wait(self, phase: Phase, timeout: float) -> None:  # noqa: ASYNC109 -- as above
        if self._trouble is not None:
            return
        loop = asyncio.get_running_loop()
        waiter = self._reply_waiter = loop.create_future()
        timer = loop.call_later(timeout, self._time_out, phase)
        try:
            await waiter
        finally:
            timer.cancel()
            self._reply_waiter = None

    def _time_out(self, phase: Phase) -> None:
        self._fail(Trouble(Fault.TIMEOUT, f"no answer to {phase} in time"))

    def _fail(self, trouble: Trouble) -> None:
        if self._trouble is None:
            self._trouble = trouble
            # Not close(): that waits for a peer that may never read what is still to be written.
            self._transport.abort()
        self._wake()
        self._release_drain()

    def _wake(self) -> None:
        waiter = self._reply_waiter
        if waiter is not None and not waiter.done() and (self._replies or self._trouble):
            waiter.set_result(None)

    def _release_drain(self) -> None:
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)


@dataclass(slots=True)
class Answers:
    """What was said about each recipient, by its place: the reply or trouble that decided, and its phase."""

    of: dict[int, tuple[Reply | Trouble, Phase]] = field(default_factory=dict)

    def all_open(self, count: int, trouble: Reply | Trouble, phase: Phase) -> "Answers":
        """Give everyone without an answer this one."""
        for index in range(count):
            self.of.setdefault(index, (trouble, phase))
        return self


@dataclass(frozen=True, slots=True)
class _Talk:
    stream: ReplyStream
    outgoing: Outgoing
    extensions: dict[str, str]
    timeouts: DeliveryTimeouts

    async def ask(self, command: bytes, phase: Phase) -> Reply:
        """Send a command, unless it went ahead already, and read its reply; raises AttemptError, also for 421."""
        if command:
            self.stream.send(command, replies=1)
        reply = await self.stream.reply(phase, self.timeouts.command)
        if reply.code == 421:
            # The peer closes the channel (RFC 5321 3.8): what it still says, or does not, answers nothing.
            self.stream.quit()
            raise AttemptError(reply, phase)
        return reply


async def transact(
    stream: ReplyStream, outgoing: Outgoing, extensions: dict[str, str], timeouts: DeliveryTimeouts
) -> Answers:
    """Send one message; every recipient gets an answer, whatever the peer does. Raises what reading the mail raises."""
    answers, count = Answers(), len(outgoing.recipients)
    trouble = _check(outgoing, extensions)
    if trouble is not None:
        return answers.all_open(count, trouble, Phase.CHECK)
    talk = _Talk(stream, outgoing, extensions, timeouts)
    try:
        await _offer(talk, answers)
        if len(answers.of) < count:
            await _send_content(stream, outgoing, timeouts)
            reply = await stream.reply(Phase.FINAL, timeouts.final)
            answers.all_open(count, reply, Phase.FINAL)
            if reply.code == 421:
                stream.quit()
        else:
            await _forget(talk)
    except AttemptError as error:
        answers.all_open(count, error.trouble, error.phase)
    except BaseException:
        # In the middle of a message, QUIT would be content.
        stream.abort()
        raise
    return answers


async def _offer(talk: _Talk, answers: Answers) -> None:
    """MAIL, RCPT and DATA: afterwards the content may follow for those without an answer, if there are any."""
    utf8 = "smtputf8" in talk.extensions and talk.outgoing.needs_smtputf8()
    commands = [_mail(talk.outgoing, talk.extensions, utf8=utf8)]
    commands += [_rcpt(recipient, talk.extensions, utf8=utf8) for recipient in talk.outgoing.recipients]
    ahead = "pipelining" in talk.extensions
    if ahead:
        talk.stream.send(b"".join((*commands, b"DATA\r\n")), replies=len(commands) + 1)
    reply, count = await talk.ask(b"" if ahead else commands[0], Phase.MAIL), len(commands) - 1
    if not _agrees(reply):
        # Written down at once: it stands, whatever happens to the answers that follow it.
        answers.all_open(count, reply, Phase.MAIL)
        if not ahead:
            return
    for index, command in enumerate(commands[1:]):
        reply = await talk.ask(b"" if ahead else command, Phase.RCPT)
        if not _agrees(reply):
            answers.of.setdefault(index, (reply, Phase.RCPT))
    nobody_left = len(answers.of) == count
    if nobody_left and not ahead:
        return
    reply = await talk.ask(b"" if ahead else b"DATA\r\n", Phase.DATA)
    if reply.code != 354:
        answers.all_open(count, reply, Phase.DATA)
    elif nobody_left:
        # It asks for a message that no recipient is left for: better no session than an empty mail.
        talk.stream.abort()


def _agrees(reply: Reply) -> bool:
    return 200 <= reply.code < 300


async def _forget(talk: _Talk) -> None:
    """Make the peer forget a transaction that came to nothing, so that the session can be used again."""
    if not talk.stream.is_usable:
        return
    with contextlib.suppress(AttemptError):
        if _agrees(await talk.ask(b"RSET\r\n", Phase.MAIL)):
            return
    talk.stream.quit()


async def _send_content(stream: ReplyStream, outgoing: Outgoing, timeouts: DeliveryTimeouts) -> None:
    blocks = _stuffed(outgoing)
    block = next(blocks)
    for following in blocks:
        stream.send(block, replies=0)
        try:
            async with asyncio.timeout(timeouts.data):
                await stream.drain()
        except TimeoutError:
            stream.abort()
            raise AttemptError(Trouble(Fault.TIMEOUT, "the peer stopped reading"), Phase.CONTENT) from None
        if not stream.is_usable:
            break
        block = following
    if not stream.is_usable:
        # An answer or an end in the middle of the content: read it where the final one would be.
        raise AttemptError(await _early_answer(stream), Phase.CONTENT)
    stream.send(block, replies=1)


async def _early_answer(stream: ReplyStream) -> Trouble | Reply:
    with contextlib.suppress(AttemptError):
        return await stream.reply(Phase.CONTENT, 0.0)
    return Trouble(Fault.DISCONNECTED, "the connection was lost while the message was being sent")


def _stuffed(outgoing: Outgoing) -> Iterator[bytes]:
    """The content as it goes over the wire (RFC 5321 4.5.2), the final dot in the last block."""
    pending, line_start = outgoing.header, True
    for block in outgoing.body():
        if len(pending) + len(block) > _MOST_JOINED:
            if pending:
                yield _stuff(pending, line_start=line_start)
                line_start = pending.endswith(b"\n")
            pending = block
        else:
            pending += block
    ending = b".\r\n" if pending.endswith(b"\n") else b"\r\n.\r\n"
    yield _stuff(pending, line_start=line_start) + ending


def _stuff(block: bytes, *, line_start: bool) -> bytes:
    if b"\n." in block:
        block = block.replace(b"\n.", b"\n..")
    return b"." + block if line_start and block.startswith(b".") else block


def _check(outgoing: Outgoing, extensions: dict[str, str]) -> Trouble | None:
    """Whether the peer can take this message at all, before bothering it."""
    limit = extensions.get("size", "").strip()
    # RFC 1870 4: zero, or nothing, says that there is no fixed limit.
    if limit.isdecimal() and len(limit) <= 20 and 0 < int(limit) < outgoing.size:
        return Trouble(Fault.TOO_LARGE, f"the message has {outgoing.size} octets, the receiving host takes {limit}")
    if "smtputf8" not in extensions and outgoing.needs_smtputf8():
        return Trouble(Fault.NO_SMTPUTF8, "the receiving host takes no international addresses (SMTPUTF8)")
    if "8bitmime" not in extensions and outgoing.is_eight_bit():
        return Trouble(Fault.NO_EIGHT_BIT, "the receiving host takes no 8-bit content (8BITMIME)")
    return None


def _mail(outgoing: Outgoing, extensions: dict[str, str], *, utf8: bool) -> bytes:
    envelope = outgoing.message.envelope
    path = "" if outgoing.reverse_path is None else _path(outgoing.reverse_path, utf8=utf8)
    words = [f"MAIL FROM:<{path}>"]
    if "size" in extensions:
        words.append(f"SIZE={outgoing.size}")
    if "8bitmime" in extensions and envelope.body is Body.EIGHT_BIT:
        words.append("BODY=8BITMIME")
    if utf8:
        words.append("SMTPUTF8")
    if "dsn" in extensions:
        if envelope.ret is not None:
            words.append(f"RET={envelope.ret}")
        if envelope.envid is not None:
            words.append(f"ENVID={encode_xtext(envelope.envid)}")
    return _line(words)


def _rcpt(recipient: Recipient, extensions: dict[str, str], *, utf8: bool) -> bytes:
    words = [f"RCPT TO:<{_path(recipient.address, utf8=utf8)}>"]
    if "dsn" in extensions:
        if recipient.notify:
            words.append(f"NOTIFY={','.join(sorted(recipient.notify))}")
        if recipient.orcpt is not None:
            words.append(f"ORCPT={encode_orcpt(recipient.orcpt)}")
    return _line(words)


def _path(address: Address, *, utf8: bool) -> str:
    return str(address) if utf8 or address.is_ascii else str(Address(address.local, address.ascii_domain))


def _line(words: Iterable[str]) -> bytes:
    return " ".join(words).encode() + b"\r\n"


def _complete_replies(buffer: bytes) -> Iterator[tuple[Reply, bytes]]:
    """The complete replies at the start of `buffer`, each with what follows it; raises ValueError for non-SMTP."""
    lines: list[str] = []
    start = begin = 0
    while (end := buffer.find(b"\n", start)) >= 0:
        line = buffer[start:end].rstrip(b"\r")
        start = end + 1
        code, separator = line[:3], line[3:4]
        if not code.isdigit() or separator not in (b"", b" ", b"-") or start - begin > _MOST_REPLY:
            raise ValueError("not a reply")
        lines.append(line[4:].decode("utf-8", "replace"))
        if separator != b"-":
            yield parse_reply(int(code), "\n".join(lines)), buffer[start:]
            lines, begin = [], start
