"""The commands that move mail: MAIL, RCPT, DATA and BDAT.

In charge of RFC 5321 3.3, RFC 1870 (SIZE), RFC 3030 (BDAT), RFC 8689 (REQUIRETLS) and of the one promise that matters:
the reply to the end of a message is the gate's answer to `accept`, which runs to its end whatever becomes of the
client.
"""

# ruff: noqa: N802 - commands are found by the name of their method

import asyncio
import re
from dataclasses import dataclass

from relay.intake.gate import Content, SessionLimits
from relay.mail.address import Address, AddressError, parse_path
from relay.mail.envelope import ParameterError, Recipient, parse_mail_parameters, parse_rcpt_parameters
from relay.mail.reply import Reply
from relay.smtpd import replies
from relay.smtpd.data import TOO_LARGE, ChunkReceiver, ContentWriter, DotReceiver
from relay.smtpd.replies import Refused
from relay.smtpd.session import SessionCommands
from relay.smtpd.wire import Gone

_BDAT = re.compile(r"([0-9]{1,20})(?: +(LAST))?", re.IGNORECASE)
_INVITATION = "354 End data with <CR><LF>.<CR><LF>"
# Recipients beyond the limit are politely put off; a multiple of it is no list of recipients any more.
_PATIENCE_WITH_RECIPIENTS = 10


@dataclass(slots=True)
class Transaction:
    """One message on its way in, from MAIL to the reply to its end."""

    limits: SessionLimits
    smtputf8: bool
    recipients: int = 0
    put_off: int = 0
    writer: ContentWriter | None = None


class Session(SessionCommands):
    """A whole SMTP session."""

    commands = (*SessionCommands.commands, "smtp_BDAT", "smtp_DATA", "smtp_MAIL", "smtp_RCPT")

    _transaction: Transaction | None = None

    @property
    def _in_transaction(self) -> bool:
        return self._transaction is not None

    def _forget_transaction(self) -> None:
        self._abandon()
        self._gate.reset()

    def _abandon(self) -> None:
        transaction, self._transaction = self._transaction, None
        self._set_deadline(None)
        if transaction is not None and transaction.writer is not None:
            transaction.writer.content.abort()

    def _recover(self, verb: str) -> None:
        if verb == "RCPT":
            return
        try:
            self._forget_transaction()
        except Exception as error:
            self._surroundings.report("reset", self._peer, error)
            self._hang_up(replies.INTERNAL_CLOSE)
            raise Gone from error

    # RFC 5321 4.1.1.2

    async def smtp_MAIL(self, argument: str | None) -> None:
        """Open a transaction."""
        self._count_idle_command()
        if self._hello is None:
            raise Refused(replies.HELLO_FIRST)
        if self._transaction is not None:
            raise Refused(replies.NESTED_MAIL)
        if argument is None or argument[:5].upper() != "FROM:":
            raise Refused(replies.MAIL_SYNTAX)
        try:
            path, rest = parse_path(argument[5:].lstrip(" "), null_allowed=True)
            parameters = parse_mail_parameters(rest)
        except AddressError as error:
            raise Refused(Reply(553, "5.1.7", f"Bad sender: {error}")) from error
        except ParameterError as error:
            raise Refused(error.reply) from error
        if parameters.require_tls and self._tls is None:
            raise Refused(replies.TLS_NEEDED)
        limits = self._limits = self._gate.limits
        if parameters.size is not None and parameters.size > limits.message_size:
            raise Refused(TOO_LARGE)
        if not _may_be_used(path, smtputf8=parameters.smtputf8):
            raise Refused(replies.NON_ASCII_ADDRESS)
        reply = self._gate.mail(path, parameters)
        if reply.is_positive:
            self._transaction = Transaction(limits, parameters.smtputf8)
        self._say(reply)

    # RFC 5321 4.1.1.3

    async def smtp_RCPT(self, argument: str | None) -> None:
        """Add a recipient."""
        transaction = self._transaction
        if transaction is None:
            raise Refused(replies.MAIL_FIRST if self._hello else replies.HELLO_FIRST)
        if transaction.writer is not None:
            raise Refused(replies.CHUNKS_BEGUN)
        if argument is None or argument[:3].upper() != "TO:":
            raise Refused(replies.RCPT_SYNTAX)
        try:
            path, rest = parse_path(argument[3:].lstrip(" "), null_allowed=False)
            parameters = parse_rcpt_parameters(rest)
        except AddressError as error:
            raise Refused(Reply(553, "5.1.3", f"Bad recipient: {error}")) from error
        except ParameterError as error:
            raise Refused(error.reply) from error
        if path is None or not _may_be_used(path, smtputf8=transaction.smtputf8):
            raise Refused(replies.NON_ASCII_ADDRESS)
        # RFC 5321 4.5.3.1.10: the others are wanted in another transaction, so this is no 5xx.
        if transaction.recipients >= transaction.limits.recipients:
            self._put_off(transaction)
        reply = await self._gate.rcpt(Recipient(path, parameters.notify, parameters.orcpt))
        if reply.is_positive:
            transaction.recipients += 1
        self._say(reply)

    def _put_off(self, transaction: Transaction) -> None:
        transaction.put_off += 1
        if transaction.put_off > _PATIENCE_WITH_RECIPIENTS * transaction.limits.recipients:
            self._errors += 1
        raise Refused(replies.TOO_MANY_RECIPIENTS)

    # RFC 5321 4.1.1.4

    async def smtp_DATA(self, argument: str | None) -> None:
        """Take a message up to its dot."""
        self._demand_patience("DATA")
        transaction = self._ready_for_content()
        if transaction.writer is not None:
            raise Refused(replies.CHUNKS_BEGUN)
        if argument:
            raise Refused(replies.NO_ARGUMENT)
        opened = self._open(transaction)
        if isinstance(opened, Reply):
            self._say(opened)
            return
        self._out.append(_INVITATION)
        await self._receive(DotReceiver(opened))
        await self._settle(opened)

    def _ready_for_content(self) -> Transaction:
        transaction = self._transaction
        if transaction is None:
            raise Refused(replies.MAIL_FIRST if self._hello else replies.HELLO_FIRST)
        if not transaction.recipients:
            raise Refused(replies.NO_RECIPIENTS)
        return transaction

    # RFC 3030 2

    async def smtp_BDAT(self, argument: str | None) -> None:
        """Take a chunk; with LAST, the message."""
        command = _BDAT.fullmatch(argument or "")
        if command is None:
            # How much follows is unknown; what is content must not be read as commands.
            self._refuse("BDAT", replies.BDAT_SYNTAX)
            self._hang_up()
            raise Gone
        size, last = int(command[1]), command[2] is not None
        try:
            opened = self._open_chunks()
        except Exception:
            await self._drain_chunk(size)
            raise
        if isinstance(opened, Reply):
            await self._drain_chunk(size)
            self._out.append(str(opened))
            return
        opened.announce(size)
        await self._receive(ChunkReceiver(None if opened.refused else opened, size))
        if last or opened.refused:
            await self._settle(opened)
        else:
            self._say(Reply(250, "2.0.0", f"{size} octets received"))

    def _open_chunks(self) -> ContentWriter | Reply:
        try:
            transaction = self._ready_for_content()
        except Refused as refused:
            self._gate.refused("BDAT", refused.reply)
            return refused.reply
        return transaction.writer or self._open(transaction)

    async def _drain_chunk(self, size: int) -> None:
        # What is content must not be read as commands, refused or not. A client that pipelines goes on with its
        # chunks after one was refused: they count as idle commands, not as errors.
        self._count_idle_command()
        self._set_deadline(self._limits.data_timeout)
        await self._receive(ChunkReceiver(None, size))
        self._set_deadline(None)

    # The end of a message, however it came.

    def _open(self, transaction: Transaction) -> ContentWriter | Reply:
        content = self._gate.content()
        if isinstance(content, Reply):
            return content
        transaction.writer = ContentWriter(content, transaction.limits.message_size)
        self._set_deadline(transaction.limits.data_timeout)
        return transaction.writer

    async def _settle(self, writer: ContentWriter) -> None:
        """Ask the gate to accept the message that is complete now, and pass its answer on."""
        writer.finish()
        self._set_deadline(None)
        if writer.failure is not None:
            raise writer.failure
        self._transaction = None
        self._flush()
        self._busy = True
        self._settling = self.loop.create_task(self._accept(writer.content))
        try:
            reply = await asyncio.shield(self._settling)
        finally:
            self._busy = False
            self._last = self._clock()
        if reply.is_positive:
            self._errors = self._idle_commands = 0
        self._say(reply)

    async def _accept(self, content: Content) -> Reply:
        try:
            return await self._gate.accept(content)
        except Exception as error:  # noqa: BLE001 - reported here because the session may be gone
            self._surroundings.report("accept", self._peer, error)
            self._recover("accept")
            return replies.INTERNAL_TROUBLE


def _may_be_used(path: Address | None, *, smtputf8: bool) -> bool:
    # RFC 6531 3.4: such an address needs the parameter.
    return path is None or smtputf8 or path.is_ascii
