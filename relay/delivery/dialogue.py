"""One mail transaction on an open session: pipelined where the peer allows it (RFC 2920), the content in blocks.

Never retries and never judges; every reply is kept with the phase it belongs to.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from relay.config.settings import DeliveryTimeouts
from relay.delivery.outgoing import Outgoing
from relay.delivery.stream import ReplyStream
from relay.delivery.trouble import AttemptError
from relay.mail.address import Address
from relay.mail.envelope import Body, Recipient, TlsWish, encode_orcpt, encode_xtext
from relay.mail.reply import Reply
from relay.policy.outcome import Fault, Phase, Trouble

# Blocks are put together up to this size: one write, one TLS record less.
_MOST_JOINED = 64 * 1024


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
            reply = await _final_reply(stream, timeouts)
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


async def _final_reply(stream: ReplyStream, timeouts: DeliveryTimeouts) -> Reply:
    try:
        return await stream.reply(Phase.FINAL, timeouts.final)
    except asyncio.CancelledError:
        # The peer may have the message: that is an outcome, and has to be written down before everything ends.
        stream.abort()
        trouble = Trouble(Fault.DISCONNECTED, "the relay was stopped while it waited for the answer")
        raise AttemptError(trouble, Phase.FINAL) from None


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
    if "requiretls" not in extensions and outgoing.message.envelope.tls is TlsWish.REQUIRED:
        return Trouble(Fault.REQUIRE_TLS, "the receiving host does not pass on that TLS is required (REQUIRETLS)")
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
    if envelope.tls is TlsWish.REQUIRED:
        words.append("REQUIRETLS")
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
