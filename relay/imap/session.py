"""One folder of one mailbox: what is in it, what is in a mail, and when something new comes.

In charge of connecting to an address that was checked, of caps on what comes back, and of what servers do that they
should not: everything ends in a MailboxError with a plain text, or in a value. The only place that knows IMAPClient,
of which it uses what needs no connection.
"""

import base64
import hashlib
import re
import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from time import monotonic
from typing import Any

from imapclient.exceptions import IMAPClientError
from imapclient.imap_utf7 import encode
from imapclient.response_parser import parse_fetch_response

from relay.imap.dialogue import Answer, DeniedError, Dialogue, Response, word
from relay.imap.faults import Login, MailboxError, MailboxFault, Place
from relay.imap.wire import TooMuchError, Wire
from relay.mail.laid import FIELD
from relay.mail.message import HeaderError, parse_header
from relay.policy.bearer import GIVE_UP, MECHANISMS, first_response
from relay.policy.busy import read_busy
from relay.policy.company import After
from relay.policy.kind import may_be_bounce

KEYWORD = "$FastInput"
_SMALL_TEXT = 64 * 1024
# The header and two such texts, plain and HTML: a larger mail holds something else.
_MOST_TEXT = 160 * 1024
# What a server may say in one piece beside a mail: structures, lists.
_MOST_ASIDE = 4 * 1024 * 1024
_MOST_TIMES = 500
_FIELDS = b"BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT RELAY-LAID)]"
_HEAD = b"RFC822.SIZE INTERNALDATE " + _FIELDS
_EXISTS = re.compile(rb"([0-9]{1,10}) EXISTS", re.IGNORECASE)
_EXPUNGE = re.compile(rb"[0-9]{1,10} EXPUNGE", re.IGNORECASE)
_FETCH = re.compile(rb"[0-9]{1,10} FETCH ", re.IGNORECASE)
_NUMBER = re.compile(rb"\[(UIDVALIDITY|UIDNEXT) ([0-9]{1,10})\]", re.IGNORECASE)
_OFFERED = re.compile(rb"\[CAPABILITY ([^\]]*)\]", re.IGNORECASE)
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


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a mail before it is fetched.

    `key` is the same for the same mail wherever it lies in the account; `only_text` says that nothing is attached, and
    that no mail system has written it; `received` is in seconds since the epoch. `laid` is the mark on a mail that we
    laid there ourselves, "" on others.
    """

    uid: int
    key: str
    message_id: str
    size: int
    received: float
    only_text: bool
    laid: str = ""


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
        with _plainly(place.host):
            wire = await Wire.connect(place.address, place.port, most + _MOST_ASIDE)
        session = cls(wire)
        try:
            with _plainly(place.host):
                await session._greet(place, context)
            await session._log_in(place, login)
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
        with _plainly(folder, MailboxFault.FOLDER):
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
            newest = max(newest, *(_received(told.get(uid, {}).get(b"INTERNALDATE")) for uid in batch))
        return newest

    async def heads(self, uids: Sequence[int]) -> Sequence[Head]:
        """What is known of these mails; those that are gone meanwhile are left out."""
        told = await self._fetch(uids, _HEAD, "the mails") if uids else {}
        heads = [head for uid in uids if (head := _head(uid, told.get(uid))) is not None]
        # A server reads a whole mail for its structure: it is asked for where that can spare fetching it.
        doubtful = [head.uid for head in heads if head.only_text]
        told = await self._fetch(doubtful, b"BODYSTRUCTURE", "the mails") if doubtful else {}
        return [_with_structure(head, told.get(head.uid, {}).get(b"BODYSTRUCTURE")) for head in heads]

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
        with _plainly("a mail", MailboxFault.FOLDER if after is After.MOVE else MailboxFault.TROUBLE):
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
        with _plainly(folder):
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
        with _plainly("the folder"):
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
            with _plainly("the mailbox"):
                await self._dialogue.begin(b"LOGOUT")
                self._wire.close()
        except MailboxError:
            self._wire.abort()

    def cut(self) -> None:
        """End the connection at once."""
        self._wire.abort()

    async def _greet(self, place: Place, context: ssl.SSLContext) -> None:
        if place.implicit_tls:
            await self._wire.start_tls(context, place.host)
        greeting = await self._dialogue.greeting()
        if not place.implicit_tls:
            await self._dialogue.command(b"STARTTLS")
            await self._wire.start_tls(context, place.host)
            greeting = b""
        if not self._offers(greeting):
            await self._ask_capabilities()

    async def _log_in(self, place: Place, login: Login) -> None:
        try:
            with _passing(place.host):
                answer = await (self._with_token(place, login) if login.is_token else self._with_password(login))
        except DeniedError as error:
            # A busy server is not a wrong password; what it says may hold what was sent, and is not repeated.
            busy = read_busy(str(error))
            if busy is not None:
                text = "the server is too busy for a login"
                raise MailboxError(MailboxFault.BUSY, text, pause=busy.pause, crowded=busy.crowded) from None
            what = "token" if login.is_token else "password"
            raise MailboxError(MailboxFault.REFUSED, f"the server refuses the account or its {what}") from None
        with _plainly(place.host):
            if not self._offers(answer.text) and not any(self._offers(each.line) for each in answer.responses):
                await self._ask_capabilities()

    async def _with_password(self, login: Login) -> Answer:
        if b"AUTH=PLAIN" not in self._capabilities:
            return await self._dialogue.command(b"LOGIN", word(login.username), word(login.secret))
        first = base64.b64encode(f"\0{login.username}\0{login.secret}".encode())
        # A server that asks again has not heard what came with the command.
        return await self._authenticate(b"PLAIN", first, first)

    async def _with_token(self, place: Place, login: Login) -> Answer:
        offered = [name for name in MECHANISMS if b"AUTH=" + name.encode() in self._capabilities]
        if not offered:
            raise MailboxError(MailboxFault.REFUSED, "the server takes no tokens (XOAUTH2, OAUTHBEARER)")
        name = offered[0]
        first = first_response(name, login.username, place.host, place.port, login.secret)
        return await self._authenticate(name.encode(), first, GIVE_UP[name])

    async def _authenticate(self, mechanism: bytes, first: bytes, give_up: bytes) -> Answer:
        """RFC 3501 6.2.2, RFC 4959; a server that asks once more has refused, and hears so (RFC 7628 3.2.3)."""
        dialogue = self._dialogue
        if b"SASL-IR" in self._capabilities:
            await dialogue.begin(b"AUTHENTICATE", mechanism, first)
        else:
            await dialogue.begin(b"AUTHENTICATE", mechanism)
            await dialogue.continuation()
            await self._wire.send(first + b"\r\n")
        return await dialogue.finish(give_up)

    async def _ask_capabilities(self) -> None:
        answer = await self._dialogue.command(b"CAPABILITY")
        for response in answer.responses:
            if response.line.upper().startswith(b"CAPABILITY "):
                self._capabilities = frozenset(response.line.upper().split()[1:])

    def _offers(self, text: bytes) -> bool:
        found = _OFFERED.search(text)
        if found is not None:
            self._capabilities = frozenset(found[1].upper().split())
        return found is not None

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
        with _plainly(name):
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
        with _plainly("the folder"):
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


def read_fetch(response: Response) -> dict[int, Any]:
    """What a FETCH response tells, by UID; nothing when it cannot be read."""
    pieces: list[Any] = list(zip(response.pieces, response.literals, strict=False))
    pieces.append(response.pieces[-1])
    number = response.line.split(b" ", 1)[0]
    first = pieces[0]
    begin = response.line[len(number) + len(b" FETCH ") :]
    pieces[0] = (number + b" " + begin, first[1]) if isinstance(first, tuple) else number + b" " + begin
    try:
        return dict(parse_fetch_response(pieces, normalise_times=False))
    except (IMAPClientError, TypeError, ValueError, IndexError, KeyError, AttributeError, AssertionError,
            RecursionError):  # fmt: skip
        return {}


def _since(day: date) -> bytes:
    return f"SINCE {day.day}-{_MONTHS[day.month - 1]}-{day.year:04}".encode()


def _received(at: object) -> float:
    try:
        return at.timestamp() if isinstance(at, datetime) else 0.0
    except (ValueError, OverflowError, OSError):
        return 0.0


def _head(uid: int, told: Any) -> Head | None:
    """A mail as far as its structure does not matter: it is taken for only text where it could be that."""
    try:
        fields = next(value for key, value in told.items() if key.startswith(b"BODY[HEADER.FIELDS"))
        size = int(told[b"RFC822.SIZE"])
        received = _received(told[b"INTERNALDATE"])
        digest = hashlib.sha256(b"%d\n" % size + b" ".join(bytes(fields).split())).hexdigest()
        only_text = size <= _MOST_TEXT and not _may_be_bounce(fields)
        message_id, laid = _value(fields, b"message-id"), _value(fields, FIELD.lower().encode())
        return Head(uid, digest[:40], message_id, size, received, only_text, laid)
    except (StopIteration, KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return None


def _with_structure(head: Head, structure: Any) -> Head:
    """Some structures come broken; a mail without one may hold anything."""
    return replace(head, only_text=head.only_text and _only_text(structure))


def _value(fields: bytes, wanted: bytes) -> str:
    unfolded = fields.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    for line in unfolded.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == wanted:
            return "".join(each for each in value.decode("utf-8", "replace") if each.isprintable()).strip()[:300]
    return ""


def _may_be_bounce(fields: bytes) -> bool:
    try:
        return may_be_bounce(parse_header(bytes(fields)))
    except HeaderError:
        return False


def _only_text(structure: Any) -> bool:
    """Whether a mail has nothing but a short text to read; a structure that cannot be read may hold anything."""
    try:
        if isinstance(structure[0], list):
            return all(_only_text(part) for part in structure[0])
        kind = (bytes(structure[0]).lower(), bytes(structure[1]).lower())
        plain = kind in ((b"text", b"plain"), (b"text", b"html")) and int(structure[6]) <= _SMALL_TEXT
        named = any(isinstance(each, bytes) and each.lower().startswith(b"name") for each in structure[2] or ())
        attached = any(isinstance(each, tuple) and each[:1] and each[0] == b"attachment" for each in structure[8:])
    except (TypeError, ValueError, IndexError, AttributeError, RecursionError):
        return False
    return plain and not named and not attached


@contextmanager
def _passing(what: str) -> Iterator[None]:
    """The way to the server, as a MailboxError; what the server denies is for somebody else to read."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {what} is not valid: {error.verify_message}"
        raise MailboxError(MailboxFault.TLS, text) from None
    except ssl.SSLError as error:
        raise MailboxError(MailboxFault.TLS, f"TLS failed: {error.reason or 'no handshake'}") from None
    except TooMuchError as error:
        raise MailboxError(MailboxFault.CONNECT, f"the connection was given up: {error}") from None
    except OSError as error:
        kind = type(error).__name__
        raise MailboxError(MailboxFault.CONNECT, f"the connection broke, or was not made ({kind})") from None


@contextmanager
def _plainly(what: str, fault: MailboxFault = MailboxFault.TROUBLE) -> Iterator[None]:
    """Everything that a server or the way to it can cause, as a MailboxError."""
    try:
        with _passing(what):
            yield
    except DeniedError as error:
        busy = read_busy(str(error))
        if busy is not None:
            text = f"the server is too busy for {what}"
            raise MailboxError(MailboxFault.BUSY, text, pause=busy.pause, crowded=busy.crowded) from None
        raise MailboxError(fault, f"the server says no to {what}") from None
    except (TypeError, ValueError, IndexError) as error:
        text = f"the server's answer about {what} cannot be read ({type(error).__name__})"
        raise MailboxError(MailboxFault.TROUBLE, text) from None
