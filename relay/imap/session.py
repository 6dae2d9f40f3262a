"""One folder of one mailbox: what is in it, what is in a mail, and when something new comes.

In charge of connecting to an address that was checked, of caps on what comes back, and of what servers do that they
should not: everything ends in a MailboxError with a plain text, or in a value. With `heads` the only place that knows
IMAPClient, of which they use what needs no connection.
"""

import re
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from time import monotonic
from typing import Any

from imapclient.imap_utf7 import encode

from relay.imap.dialogue import Answer, DeniedError, Dialogue, Response, word
from relay.imap.faults import Login, MailboxError, MailboxFault, Place
from relay.imap.heads import HEAD, Head, read_fetch, read_head, received_at, with_structure
from relay.imap.login import log_in
from relay.imap.plainly import plainly
from relay.imap.wire import Wire
from relay.policy.company import After

KEYWORD = "$FastInput"
# What a server may say in one piece beside a mail: structures, lists.
_MOST_ASIDE = 4 * 1024 * 1024
# So many mails are asked for their times at once.
_MOST_TIMES = 500
_EXISTS = re.compile(rb"([0-9]{1,10}) EXISTS", re.IGNORECASE)
_EXPUNGE = re.compile(rb"[0-9]{1,10} EXPUNGE", re.IGNORECASE)
_FETCH = re.compile(rb"[0-9]{1,10} FETCH ", re.IGNORECASE)
_NUMBER = re.compile(rb"\[(UIDVALIDITY|UIDNEXT) ([0-9]{1,10})\]", re.IGNORECASE)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WHY_NOT = re.compile(r"\[(OVERQUOTA|TRYCREATE|LIMIT|TOOBIG)\b", re.IGNORECASE)
_NOT_LAID = {
    "OVERQUOTA": "the mailbox is full",
    "TRYCREATE": "there is no folder {folder}",
    "LIMIT": "the server takes no more into the mailbox",
    "TOOBIG": "the mail is too large for the mailbox",
}
# RFC 2177: a server may end a connection that is silent for half an hour; some do so after ten minutes.
IDLE_SECONDS = 540.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A folder: UIDs count only together with `validity`, and the next mail gets `next_uid` or a higher one."""

    validity: int
    next_uid: int


class ImapSession:
    """A mailbox that is open, and one folder of it. Every method raises MailboxError."""

    __slots__ = ("_capabilities", "_count", "_dialogue", "_is_open", "_seen", "_until", "_wire")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._dialogue = Dialogue(wire)
        self._capabilities: frozenset[bytes] = frozenset()
        self._count = self._seen = self._until = 0
        self._is_open = False

    @classmethod
    async def open(cls, place: Place, login: Login, context: ssl.SSLContext, most: int) -> "ImapSession":
        """Connect and log in; `most` octets is the largest mail that will be asked for."""
        with plainly(place.host):
            wire = await Wire.connect(place.address, place.port, most + _MOST_ASIDE)
        session = cls(wire)
        try:
            session._capabilities = await log_in(session._dialogue, place, login, context)
        except BaseException:
            wire.abort()
            raise
        return session

    @property
    def can_idle(self) -> bool:
        """Whether the server says by itself when something comes (RFC 2177)."""
        return b"IDLE" in self._capabilities

    async def select(self, folder: str, *, readonly: bool) -> Opened:
        """Open the folder, or look at it again."""
        name = encode(folder)
        with plainly(folder, MailboxFault.FOLDER):
            quoted = word(name.decode("ascii"))
            answer = await self._command(b"EXAMINE" if readonly else b"SELECT", quoted)
        told = {b"UIDVALIDITY": 0, b"UIDNEXT": 0}
        for response in answer.responses:
            if (number := _NUMBER.search(response.line)) is not None:
                told[number[1].upper()] = int(number[2])
        if not told[b"UIDVALIDITY"]:
            raise MailboxError(MailboxFault.FOLDER, f"{folder}: the server does not number its mails")
        # What came since the folder was searched is news, also where the number of the next mail lags behind.
        self._seen = min(self._seen, self._count) if self._is_open else self._count
        self._until, self._is_open = told[b"UIDNEXT"] - 1, True
        return Opened(told[b"UIDVALIDITY"], told[b"UIDNEXT"] or await self._after_last())

    async def newer_than(self, uid: int) -> Sequence[int]:
        """The mails with higher UIDs, in their order; the server need not be asked when it said that there are none."""
        if uid >= self._until >= 0 and not self._has_news:
            return []
        self._seen = self._count
        # "n:*" also means the last one when n is beyond it (RFC 3501 6.4.8).
        return [found for found in await self._search(b"UID %d:*" % (uid + 1)) if found > uid]

    async def since(self, day: date) -> Sequence[int]:
        """The mails that came in on that day or later."""
        self._seen = self._count
        return await self._search(_since(day))

    async def last_received(self, day: date) -> float:
        """When the newest mail came in, by the server's clock; 0 when there is none.

        It is looked for among those of that day or later and the one with the highest UID, which may have been put
        there with the time of long ago.
        """
        uids = (await self._search(b"UID *"))[-1:] + await self._search(_since(day))
        newest = 0.0
        for start in range(0, len(uids), _MOST_TIMES):
            batch = uids[start : start + _MOST_TIMES]
            told = await self._fetch(batch, b"INTERNALDATE", "the mails")
            newest = max(newest, *(received_at(told.get(uid, {}).get(b"INTERNALDATE")) for uid in batch))
        return newest

    async def heads(self, uids: Sequence[int]) -> Sequence[Head]:
        """What is known of these mails; those that are gone meanwhile are left out."""
        told = await self._fetch(uids, HEAD, "the mails") if uids else {}
        heads = [head for uid in uids if (head := read_head(uid, told.get(uid))) is not None]
        # A server reads a whole mail for its structure: it is asked for where that can spare fetching it.
        doubtful = [head.uid for head in heads if head.only_text]
        told = await self._fetch(doubtful, b"BODYSTRUCTURE", "the mails") if doubtful else {}
        return [with_structure(head, told.get(head.uid, {}).get(b"BODYSTRUCTURE")) for head in heads]

    async def body(self, uid: int) -> bytes | None:
        """A mail; None when the server does not give it, as it does with those that are gone."""
        told = await self._fetch([uid], b"BODY.PEEK[]", "a mail")
        found = told.get(uid, {}).get(b"BODY[]")
        return found if isinstance(found, bytes) and found else None

    async def is_there(self, uid: int) -> bool:
        """Whether the mail is still in the folder."""
        return uid in await self._search(b"UID %d" % uid)

    async def mark(self, uid: int, after: After, move_to: str | None) -> None:
        """Do to a mail what is to be done when its documents have been taken."""
        with plainly("a mail", MailboxFault.FOLDER if after is After.MOVE else MailboxFault.TROUBLE):
            match after:
                case After.KEEP:
                    pass
                case After.SEEN:
                    await self._store(uid, rb"\Seen")
                case After.FLAG:
                    await self._store(uid, rb"\Flagged")
                case After.KEYWORD:
                    await self._store(uid, KEYWORD.encode())
                case After.MOVE if b"MOVE" in self._capabilities:
                    await self._to_folder(b"MOVE", uid, move_to)
                case After.MOVE:
                    await self._to_folder(b"COPY", uid, move_to)
                    await self._delete(uid)
                case After.DELETE:
                    await self._delete(uid)

    async def holds(self, field: str, value: str, since: date) -> bool:
        """Whether a mail of that day or later has this in such a field."""
        return bool(await self._search(_since(since) + b" HEADER " + field.encode() + b" " + word(value)))

    async def append(self, folder: str, at: datetime, size: int, blocks: Iterable[bytes]) -> None:
        """Lay a mail of `size` octets into a folder, as if it had come in then (RFC 3501 6.3.11)."""
        date_time = f'"{at.day:2}-{_MONTHS[at.month - 1]}-{at:%Y %H:%M:%S %z}"'.encode()
        name = word(encode(folder).decode("ascii"))
        with plainly(folder):
            try:
                await self._dialogue.command_with(b"APPEND", name, date_time, size=size, blocks=blocks)
            except DeniedError as error:
                if (why := _WHY_NOT.search(str(error))) is None:
                    raise
                raise MailboxError(MailboxFault.FOLDER, _NOT_LAID[why[1].upper()].format(folder=folder)) from None

    async def wait_for_mail(self, poll: float) -> bool:
        """Wait until the folder should be looked at: something came since, or `poll` seconds went by and nobody knows.

        False when the server, which would say so by itself, was asked after IDLE_SECONDS and knows of nothing.
        """
        with plainly("the folder"):
            if not self._has_news:
                await (self._idle() if self.can_idle else self._stay(poll))
            if self.can_idle and not self._has_news:
                # Some forget to say it, and some have gone.
                await self._command(b"NOOP")
        return self._has_news or not self.can_idle

    async def _stay(self, seconds: float) -> None:
        """Keep the connection; what the server says meanwhile is noted, and so is that it has gone."""
        self._wire.begin()
        until = monotonic() + min(seconds, IDLE_SECONDS)
        with suppress(TimeoutError):
            while not self._has_news and (left := until - monotonic()) > 0:
                response = await self._dialogue.response(left)
                if self._dialogue.bye:
                    raise DeniedError(self._dialogue.bye)
                if isinstance(response, Response):
                    self._note(response)

    async def _idle(self) -> None:
        """RFC 2177."""
        until = monotonic() + IDLE_SECONDS
        await self._dialogue.begin(b"IDLE")
        with suppress(TimeoutError):
            await self._dialogue.continuation(self._note)
            while not self._has_news and (left := until - monotonic()) > 0:
                response = await self._dialogue.response(left)
                if isinstance(response, Response):
                    if self._dialogue.is_end(response):
                        raise DeniedError("the server ends IDLE by itself")
                    self._note(response)
        self._wire.begin()
        await self._wire.send(b"DONE\r\n")
        self._note_all(await self._dialogue.finish())

    @property
    def _has_news(self) -> bool:
        return self._count > self._seen

    async def close(self) -> None:
        """Say goodbye, and do not wait for an answer."""
        try:
            with plainly("the mailbox"):
                await self._dialogue.begin(b"LOGOUT")
                self._wire.close()
        except MailboxError:
            self._wire.abort()

    def cut(self) -> None:
        """End the connection at once."""
        self._wire.abort()

    async def _command(self, *words: bytes) -> Answer:
        """A command about the folder. With any of them the server may say that mail came, and says so only once."""
        answer = await self._dialogue.command(*words)
        self._note_all(answer)
        return answer

    def _note(self, response: Response) -> None:
        """Keep count of the mails in the folder."""
        if (exists := _EXISTS.fullmatch(response.line.strip())) is not None:
            self._count = int(exists[1])
        elif _EXPUNGE.fullmatch(response.line.strip()):
            self._count -= 1
            self._seen -= 1

    def _note_all(self, answer: Answer) -> None:
        for response in answer.responses:
            self._note(response)

    async def _fetch(self, uids: Sequence[int], what: bytes, name: str) -> dict[int, Any]:
        """What is told of mails; a response that cannot be read is as if it had not come."""
        with plainly(name):
            answer = await self._command(b"UID FETCH", b",".join(b"%d" % uid for uid in uids), b"(%b)" % what)
        told: dict[int, Any] = {}
        for response in answer.responses:
            if _FETCH.match(response.line):
                for uid, values in read_fetch(response).items():
                    told.setdefault(uid, {}).update(values)
        return told

    async def _store(self, uid: int, flag: bytes) -> None:
        await self._command(b"UID STORE", b"%d" % uid, b"+FLAGS.SILENT", b"(%b)" % flag)

    async def _to_folder(self, verb: bytes, uid: int, folder: str | None) -> None:
        await self._command(b"UID " + verb, b"%d" % uid, word(encode(folder or "").decode("ascii")))

    async def _delete(self, uid: int) -> None:
        """Without UIDPLUS it is only marked as deleted: others' marks would be carried out, too (RFC 4315 2.1)."""
        await self._store(uid, rb"\Deleted")
        if b"UIDPLUS" in self._capabilities:
            await self._command(b"UID EXPUNGE", b"%d" % uid)

    async def _search(self, criteria: bytes) -> list[int]:
        with plainly("the folder"):
            answer = await self._command(b"UID SEARCH", criteria)
            found: list[int] = []
            for response in answer.responses:
                if response.line.upper().split()[:1] == [b"SEARCH"]:
                    found += [int(uid) for uid in response.line.split()[1:]]
            return sorted(found)

    async def _after_last(self) -> int:
        found = await self._search(b"ALL")
        return (found[-1] if found else 0) + 1


def tls_context(ca: str | None) -> ssl.SSLContext:
    """What connections are made with; costs a while, and serves any number of them."""
    context = ssl.create_default_context(cafile=ca)
    if ca is not None:
        context.load_default_certs()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _since(day: date) -> bytes:
    return f"SINCE {day.day}-{_MONTHS[day.month - 1]}-{day.year:04}".encode()
