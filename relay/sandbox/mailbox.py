"""A mailbox on loopback: one account, one folder, read over IMAP (RFC 3501) with TLS from the first octet.

In charge of: what reading a mailbox takes (LOGIN, SELECT, SEARCH, FETCH with BODYSTRUCTURE, IDLE of RFC 2177), and
noting which mails were fetched whole.
Never does: change a mail, or keep one longer than the sandbox runs.
"""

import asyncio
import email
import email.policy
import re
import ssl
import time
from dataclasses import dataclass, field
from email.message import Message

_CAPABILITIES = b"IMAP4rev1 IDLE"
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\S+)')
_ITEM = re.compile(rb"BODYSTRUCTURE|RFC822\.SIZE|INTERNALDATE|FLAGS|BODY(?:\.PEEK)?\[[^\]]*\]", re.IGNORECASE)
_RANGE = re.compile(rb"(\d+|\*)(?::(\d+|\*))?")


@dataclass(frozen=True, slots=True)
class MailboxPlan:
    """A mailbox to be."""

    name: str
    username: str
    password: str
    port: int = 0


@dataclass(slots=True)
class Kept:
    """One mail; its UID is its place in the folder, from 1."""

    octets: bytes
    at: float
    fetched: bool = False


@dataclass(slots=True)
class Mailbox:
    """One running mailbox."""

    plan: MailboxPlan
    tls: ssl.SSLContext
    mails: list[Kept] = field(default_factory=list)
    port: int = 0
    _validity: int = field(default_factory=lambda: int(time.time()))
    _server: asyncio.Server | None = None
    _sessions: set["_Session"] = field(default_factory=set)

    async def start(self, address: str, port: int) -> int:
        """Listen; returns the port. Raises OSError when it cannot be had."""
        self._server = await asyncio.start_server(self._serve, address, port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            for session in tuple(self._sessions):
                session.cut()
            await self._server.wait_closed()

    def put(self, octets: bytes) -> None:
        """Let a mail come in; whoever waits in IDLE is told."""
        self.mails.append(Kept(octets, time.time()))
        for session in self._sessions:
            session.tell(len(self.mails))

    @property
    def validity(self) -> int:
        """UIDVALIDITY: another one whenever the sandbox starts."""
        return self._validity

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(self, reader, writer)
        self._sessions.add(session)
        try:
            await session.run()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self._sessions.discard(session)
            writer.close()


class _Session:
    """One connection: a command, its answers, the next command."""

    def __init__(self, mailbox: Mailbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._mailbox = mailbox
        self._reader = reader
        self._writer = writer
        self._is_in = False
        self._idles = False

    async def run(self) -> None:
        self._say(b"* OK [CAPABILITY %b] mailbox of the sandbox" % _CAPABILITIES)
        while line := await self._reader.readline():
            tag, _, rest = line.strip().partition(b" ")
            verb, _, words = rest.partition(b" ")
            if verb.upper() == b"UID":
                verb, _, words = words.partition(b" ")
            if not await self._carry_out(tag, verb.upper(), words):
                return
            await self._writer.drain()

    def cut(self) -> None:
        self._writer.transport.abort()

    def tell(self, count: int) -> None:
        if self._idles:
            self._say(b"* %d EXISTS" % count)

    async def _carry_out(self, tag: bytes, verb: bytes, words: bytes) -> bool:
        """Whether the connection goes on."""
        match verb:
            case b"CAPABILITY":
                self._say(b"* CAPABILITY %b" % _CAPABILITIES)
            case b"LOGIN":
                self._is_in = _words(words) == [self._mailbox.plan.username, self._mailbox.plan.password]
                if not self._is_in:
                    self._say(b"%b NO [AUTHENTICATIONFAILED] not this account, or not its password" % tag)
                    return True
            case b"LOGOUT":
                self._say(b"* BYE for now")
                self._say(b"%b OK done" % tag)
                return False
            case b"NOOP" | b"STORE":
                self._say(b"* %d EXISTS" % len(self._mailbox.mails))
            case _ if self._is_in:
                await self._read_folder(tag, verb, words)
                return True
            case _:
                self._say(b"%b BAD not now" % tag)
                return True
        self._say(b"%b OK done" % tag)
        return True

    async def _read_folder(self, tag: bytes, verb: bytes, words: bytes) -> None:
        mails = self._mailbox.mails
        match verb:
            case b"SELECT" | b"EXAMINE":
                self._say(b"* %d EXISTS" % len(mails))
                self._say(b"* OK [UIDVALIDITY %d] numbered" % self._mailbox.validity)
                self._say(b"* OK [UIDNEXT %d] next" % (len(mails) + 1))
            case b"SEARCH":
                found = self._chosen(words.upper().removeprefix(b"UID ")) if b"UID" in words.upper() else self._all()
                self._say(b"* SEARCH" + b"".join(b" %d" % uid for uid in found))
            case b"FETCH":
                chosen, _, items = words.partition(b" ")
                for uid in self._chosen(chosen):
                    self._fetch(uid, items)
            case b"IDLE":
                self._idles = True
                self._say(b"+ idling")
                await self._writer.drain()
                await self._reader.readline()
                self._idles = False
            case b"CLOSE" | b"UNSELECT" | b"CHECK":
                pass
            case _:
                self._say(b"%b BAD not known here" % tag)
                return
        self._say(b"%b OK done" % tag)

    def _all(self) -> list[int]:
        return list(range(1, len(self._mailbox.mails) + 1))

    def _chosen(self, ranges: bytes) -> list[int]:
        last = len(self._mailbox.mails)
        found: set[int] = set()
        for first, end in _RANGE.findall(ranges):
            low, high = (last if each == b"*" else int(each) for each in (first, end or first))
            found.update(range(min(low, high), max(low, high) + 1))
        return sorted(found & set(self._all()))

    def _fetch(self, uid: int, items: bytes) -> None:
        kept = self._mailbox.mails[uid - 1]
        told = [b"UID %d" % uid]
        for item in _ITEM.findall(items):
            name = item.upper().replace(b".PEEK", b"")
            if name == b"BODYSTRUCTURE":
                told.append(b"BODYSTRUCTURE " + _structure(email.message_from_bytes(kept.octets)))
            elif name == b"RFC822.SIZE":
                told.append(b"RFC822.SIZE %d" % len(kept.octets))
            elif name == b"INTERNALDATE":
                at = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(kept.at))
                told.append(b'INTERNALDATE "%b"' % at.encode())
            elif name == b"FLAGS":
                told.append(b"FLAGS ()")
            else:
                kept.fetched = kept.fetched or name == b"BODY[]"
                octets = kept.octets if name == b"BODY[]" else _fields(kept.octets, name)
                told.append(b"%b {%d}\r\n%b" % (name, len(octets), octets))
        self._say(b"* %d FETCH (%b)" % (uid, b" ".join(told)))

    def _say(self, line: bytes) -> None:
        self._writer.write(line + b"\r\n")


def _words(octets: bytes) -> list[str]:
    found = (re.sub(rb"\\(.)", rb"\1", quoted) if quoted else plain for quoted, plain in _QUOTED.findall(octets))
    return [each.decode("utf-8", "replace") for each in found]


def _fields(octets: bytes, section: bytes) -> bytes:
    """The fields of the header that a section names: BODY[HEADER.FIELDS (FROM SUBJECT)]."""
    names = section.partition(b"(")[2].rstrip(b")]").decode("ascii").lower().split()
    message = email.message_from_bytes(octets, policy=email.policy.compat32)
    lines = [f"{name}: {value}\r\n" for name, value in message.raw_items() if name.lower() in names]
    return "".join(lines).encode("utf-8", "surrogateescape") + b"\r\n"


def _structure(part: Message) -> bytes:
    """BODYSTRUCTURE (RFC 3501 7.4.2): what a part is, without its octets."""
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        parts = b"".join(_structure(each) for each in part.get_payload() if isinstance(each, Message))
        return b"(%b %b NIL NIL NIL)" % (parts, _string(part.get_content_subtype()))
    names = {"CHARSET": part.get_content_charset(), "NAME": part.get_filename()}
    given = [b"%b %b" % (_string(key), _string(value)) for key, value in names.items() if value]
    kind = b"%b %b" % (_string(part.get_content_maintype()), _string(part.get_content_subtype()))
    payload = part.get_payload()
    size = len(payload) if isinstance(payload, str) else 0
    about = b"%b %b NIL NIL %b %d" % (
        kind,
        b"(%b)" % b" ".join(given) if given else b"NIL",
        _string(str(part.get("Content-Transfer-Encoding", "7bit"))),
        size,
    )
    lines = b" %d" % str(payload).count("\n") if part.get_content_maintype() == "text" else b""
    shown = part.get_content_disposition()
    disposition = b"(%b NIL)" % _string(shown) if shown else b"NIL"
    return b"(%b%b NIL %b NIL)" % (about, lines, disposition)


def _string(text: str) -> bytes:
    return b'"' + re.sub(rb'([\\"])', rb"\\\1", text.encode("ascii", "replace")) + b'"'
