"""Lays mail into a company's own mailbox by IMAP, instead of sending it to the company's address.

In charge of laying it there once: an attempt whose end nobody knows is followed by one that looks first. All trouble is
temporary; what lasts is held in the end like other mail from outside.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from relay.clock import Clock
from relay.config.keyring import Keyring
from relay.delivery.outgoing import Outgoing
from relay.facts.door import Door
from relay.facts.laid import rest_account, was_taken, why_resting
from relay.imap.faults import MailboxError, MailboxFault
from relay.mail.laid import FIELD, laid_mark, laid_name
from relay.mail.reply import Reply
from relay.policy.company import Mailbox
from relay.policy.outcome import Fault, Trouble
from relay.store.facts import FactStore
from relay.store.spool import Delivery

# A refused account is left alone for so long: repeated failures lock accounts.
_REFUSED = 900.0
_DAY = timedelta(days=1)


class Laying:
    """Lays mail for one worker."""

    def __init__(self, door: Door, facts: Callable[[], FactStore], clock: Clock) -> None:
        self._door = door
        self._facts = facts
        self._clock = clock

    async def lay(self, mailbox: Mailbox, delivery: Delivery, outgoing: Outgoing, keyring: Keyring) -> Reply | Trouble:
        """Lay one mail into the folder that is read, unless it lies there, or did; what came of it.

        Raises SpoolError.
        """
        key = self._door.key_of(mailbox)
        if (why := await why_resting(self._facts(), key, now=self._clock.now())) is not None:
            return Trouble(Fault.MAILBOX, why)
        named = outgoing.message.queue_id, delivery.number
        try:
            # The secret may have changed since the try before.
            marks = [laid_mark(*named, secret=each) for each in keyring.signing]
            await self._lay(mailbox, laid_name(*named), marks, outgoing)
        except MailboxError as error:
            pause = max(error.pause, _REFUSED if error.fault is MailboxFault.REFUSED else 0.0)
            if pause:
                await rest_account(self._facts(), key, until=self._clock.now() + pause, why=str(error))
            return Trouble(Fault.MAILBOX, str(error))
        return Reply(250, "2.0.0", f"laid into {mailbox.folder} of the company's mailbox")

    async def _lay(self, mailbox: Mailbox, name: str, marks: Sequence[str], outgoing: Outgoing) -> None:
        at = datetime.fromtimestamp(outgoing.message.received_at, UTC)
        session = await self._door.open(mailbox)
        try:
            await session.select(mailbox.folder, readonly=True)
            # The server's days may be others than ours.
            lies_there = any([await session.holds(FIELD, mark, at.date() - _DAY) for mark in marks])
            # Asked after that: what takes a mail away says so before.
            if not lies_there and not await was_taken(self._facts(), name):
                # RFC 5321 4.4: it goes no further from here.
                path = outgoing.message.envelope.reverse_path or ""
                top = f"Return-Path: <{path}>\r\n{FIELD}: {marks[0]}\r\n".encode()
                await session.append(mailbox.folder, at, len(top) + outgoing.size, _blocks(top, outgoing))
        except BaseException:
            # Amid the octets of a mail, a goodbye would be taken for some of them.
            session.cut()
            raise
        await session.close()


def _blocks(top: bytes, outgoing: Outgoing) -> Iterator[bytes]:
    yield top + outgoing.header
    yield from outgoing.body()
