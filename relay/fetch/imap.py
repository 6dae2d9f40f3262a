"""One connection to one mailbox, over TLS, by way of IMAPClient: the only owner of it and of imaplib.

Blocking, for use in a thread. In charge of connecting to an address that was checked, of caps on what comes back, and
of what servers do that they should not: everything ends in a MailboxError with a plain text, or in a value.
"""

import hashlib
import imaplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from io import BufferedReader
from time import monotonic
from typing import Any

from imapclient import SEEN, IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from relay.policy.company import After

KEYWORD = "$FastInput"
_TIMEOUT = 60.0
_CONNECT = 15.0
_SMALL_TEXT = 64 * 1024
# What a server may say in one piece beside a mail: structures, lists.
_MOST_ASIDE = 4 * 1024 * 1024
_MOST_LINE = 1024 * 1024
_BLOCK = 64 * 1024
# How long a server may take to answer one command, however steadily it sends.
_MOST_SECONDS = 600.0
_FIELDS = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)]"
_BUSY = ("try again", "unavailable", "backoff", "too many", "throttl", "not connected", "limit", "inuse", "[alert]")


class MailboxFault(StrEnum):
    """Why a mailbox cannot be read."""

    CONNECT = "connect"
    TLS = "tls"
    REFUSED = "refused"  # the account
    FOLDER = "folder"
    TROUBLE = "trouble"  # everything else: it may go by


class MailboxError(Exception):
    """The mailbox cannot be read now. The text is plain and holds no secret."""

    def __init__(self, fault: MailboxFault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect: `host` is the name its certificate has to be for, `address` that of the host."""

    host: str
    address: str
    port: int
    implicit_tls: bool
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A folder: UIDs count only together with `validity`, and the next mail gets `next_uid` or a higher one."""

    validity: int
    next_uid: int


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a mail before it is fetched.

    `key` is the same for the same mail wherever it lies in the account; `only_text` says that nothing is attached;
    `received` is in seconds since the epoch.
    """

    uid: int
    key: str
    message_id: str
    size: int
    received: float
    only_text: bool


class _Wire(imaplib.IMAP4):
    """A connection to an address, with a name to prove, and an end to how much and how long one answer comes."""

    file: BufferedReader

    def __init__(self, place: Place, context: ssl.SSLContext, most: int) -> None:
        self._place = place
        self._context = context
        self._most = most
        self._begin()
        super().__init__(place.host, place.port, timeout=_CONNECT)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        sock = socket.create_connection((self._place.address, self._place.port), timeout)
        sock.settimeout(_TIMEOUT)
        if not self._place.implicit_tls:
            return sock
        try:
            return self._context.wrap_socket(sock, server_hostname=self._place.host)
        except BaseException:
            sock.close()
            raise

    def read(self, size: int) -> bytes:
        """As in IMAP4, up to so many octets."""
        if size > self._left:
            raise self.abort(f"the server wants to send {size} octets more")
        data = bytearray()
        while len(data) < size and (block := self.file.read1(min(size - len(data), _BLOCK))):
            data += self._counted(block)
        return bytes(data)

    def readline(self) -> bytes:
        """As in IMAP4."""
        line = bytearray()
        while not line.endswith(b"\n") and (ahead := self.file.peek(1)):
            line += self._counted(self.file.read1(ahead.find(b"\n") + 1 or len(ahead)))
            if len(line) > _MOST_LINE:
                raise self.abort("the server sends a line without end")
        return bytes(line)

    def _command(self, name: str, *args: Any) -> Any:
        self._begin()
        return super()._command(name, *args)  # type: ignore[misc]  # every command passes here

    def _begin(self) -> None:
        self._left = self._most
        self._until = monotonic() + _MOST_SECONDS

    def _counted(self, block: bytes) -> bytes:
        self._left -= len(block)
        if self._left < 0:
            raise self.abort(f"the server answers with more than {self._most} octets")
        if monotonic() > self._until:
            raise self.abort(f"the server has not answered completely within {_MOST_SECONDS:g} seconds")
        return block


class _Client(IMAPClient):  # type: ignore[misc]  # the library has no types
    """IMAPClient over such a connection."""

    def __init__(self, place: Place, context: ssl.SSLContext, most: int) -> None:
        self._wire = (place, context, most)
        super().__init__(place.host, place.port, ssl=place.implicit_tls, ssl_context=context, timeout=_TIMEOUT)

    def _create_IMAP4(self) -> imaplib.IMAP4:  # noqa: N802 -- IMAPClient calls it so
        return _Wire(*self._wire)


class ImapSession:
    """A folder of a mailbox that is open. Every method raises MailboxError."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    @classmethod
    def open(cls, place: Place, username: str, password: str, most: int) -> "ImapSession":
        """Connect and log in; `most` octets is the largest mail that will be asked for."""
        with _plainly(place.host):
            context = ssl.create_default_context(cafile=place.ca)
            if place.ca is not None:
                context.load_default_certs()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            client = _Client(place, context, most + _MOST_ASIDE)
        session = cls(client)
        try:
            with _plainly(place.host):
                if not place.implicit_tls:
                    client.starttls(context)
                _log_in(client, username, password)
        except BaseException:
            session.close()
            raise
        return session

    def select(self, folder: str, *, readonly: bool) -> Opened:
        """Open a folder."""
        with _plainly(folder, MailboxFault.FOLDER):
            told = self._client.select_folder(folder, readonly=readonly)
        try:
            return Opened(int(told[b"UIDVALIDITY"]), int(told.get(b"UIDNEXT") or 0) or self._after_last())
        except (KeyError, TypeError, ValueError):
            raise MailboxError(MailboxFault.FOLDER, f"{folder}: the server does not number its mails") from None

    def newer_than(self, uid: int) -> Sequence[int]:
        """The mails with higher UIDs, in their order."""
        # "n:*" also means the last one when n is beyond it (RFC 3501 6.4.8).
        return [found for found in self._search(["UID", f"{uid + 1}:*"]) if found > uid]

    def since(self, day: date) -> Sequence[int]:
        """The mails that came in on that day or later."""
        return self._search(["SINCE", day])

    def last_received(self) -> float:
        """When the last mail of the folder came in, by the server's clock; 0 when there is none."""
        heads = self.heads(self._search(["UID", "*"])[-1:])
        return heads[0].received if heads else 0.0

    def heads(self, uids: Sequence[int]) -> Sequence[Head]:
        """What is known of these mails; those that are gone meanwhile are left out."""
        if not uids:
            return []
        with _plainly("the mails"):
            told = self._client.fetch(list(uids), ["RFC822.SIZE", "INTERNALDATE", "BODYSTRUCTURE", _FIELDS])
        return [head for uid in uids if (head := _head(uid, told.get(uid))) is not None]

    def body(self, uid: int) -> bytes | None:
        """A mail; None when the server does not give it, as it does with those that are gone."""
        with _plainly("a mail"):
            told = self._client.fetch([uid], ["BODY.PEEK[]"])
        found = told.get(uid, {}).get(b"BODY[]")
        return found if isinstance(found, bytes) and found else None

    def is_there(self, uid: int) -> bool:
        """Whether the mail is still in the folder."""
        return uid in self._search(["UID", str(uid)])

    def mark(self, uid: int, after: After, move_to: str | None) -> None:
        """Do to a mail what is to be done when its documents have been taken."""
        client = self._client
        with _plainly("a mail", MailboxFault.FOLDER if after is After.MOVE else MailboxFault.TROUBLE):
            match after:
                case After.KEEP:
                    pass
                case After.SEEN:
                    client.add_flags([uid], [SEEN], silent=True)
                case After.FLAG:
                    client.add_flags([uid], [rb"\Flagged"], silent=True)
                case After.KEYWORD:
                    client.add_flags([uid], [KEYWORD], silent=True)
                case After.MOVE if client.has_capability("MOVE"):
                    client.move([uid], move_to)
                case After.MOVE:
                    client.copy([uid], move_to)
                    self._delete(uid)
                case After.DELETE:
                    self._delete(uid)

    def close(self) -> None:
        """Say goodbye, or just go."""
        try:
            self._client.logout()
        except (IMAPClientError, OSError, ValueError, imaplib.IMAP4.error):
            with _quietly():
                self._client.shutdown()

    def cut(self) -> None:
        """End the connection under whoever waits for it in another thread."""
        with _quietly():
            self._client.socket().shutdown(socket.SHUT_RDWR)

    def _delete(self, uid: int) -> None:
        """Without UIDPLUS it is only marked as deleted: others' marks would be carried out, too (RFC 4315 2.1)."""
        self._client.add_flags([uid], [rb"\Deleted"], silent=True)
        if self._client.has_capability("UIDPLUS"):
            self._client.uid_expunge([uid])

    def _search(self, criteria: list[object]) -> list[int]:
        with _plainly("the folder"):
            return sorted(int(uid) for uid in self._client.search(criteria))

    def _after_last(self) -> int:
        found = self._search(["ALL"])
        return (found[-1] if found else 0) + 1


def _log_in(client: _Client, username: str, password: str) -> None:
    try:
        if client.has_capability("AUTH=PLAIN"):
            client.plain_login(username, password)
        else:
            client.login(username, password)
    except LoginError as error:
        # A busy server is not a wrong password; what it says may hold what was sent, and is not repeated.
        busy = any(word in str(error).lower() for word in _BUSY)
        fault = MailboxFault.TROUBLE if busy else MailboxFault.REFUSED
        text = "the server is too busy for a login" if busy else "the server refuses the account or its password"
        raise MailboxError(fault, text) from None


def _head(uid: int, told: Any) -> Head | None:
    try:
        fields = next(value for key, value in told.items() if key.startswith(b"BODY[HEADER.FIELDS"))
        size = int(told[b"RFC822.SIZE"])
        received = told[b"INTERNALDATE"]
        digest = hashlib.sha256(b"%d\n" % size + b" ".join(bytes(fields).split())).hexdigest()
        at = received.timestamp() if isinstance(received, datetime) else 0.0
        return Head(uid, digest[:40], _message_id(fields), size, at, _only_text(told.get(b"BODYSTRUCTURE")))
    except (StopIteration, KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return None


def _message_id(fields: bytes) -> str:
    unfolded = fields.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    for line in unfolded.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"message-id":
            return "".join(each for each in value.decode("utf-8", "replace") if each.isprintable()).strip()[:300]
    return ""


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
def _plainly(what: str, fault: MailboxFault = MailboxFault.TROUBLE) -> Iterator[None]:
    """Everything that a server or the way to it can cause, as a MailboxError."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {what} is not valid: {error.verify_message}"
        raise MailboxError(MailboxFault.TLS, text) from None
    except ssl.SSLError as error:
        raise MailboxError(MailboxFault.TLS, f"TLS failed: {error.reason or 'no handshake'}") from None
    except (imaplib.IMAP4.abort, EOFError, ConnectionError, TimeoutError, OSError) as error:
        kind = type(error).__name__
        raise MailboxError(MailboxFault.CONNECT, f"the connection broke, or was not made ({kind})") from None
    except (IMAPClientError, imaplib.IMAP4.error):
        raise MailboxError(fault, f"the server says no to {what}") from None
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, AssertionError, RecursionError) as error:
        text = f"the server's answer about {what} cannot be read ({type(error).__name__})"
        raise MailboxError(MailboxFault.TROUBLE, text) from None


@contextmanager
def _quietly() -> Iterator[None]:
    with suppress(IMAPClientError, OSError, ValueError, imaplib.IMAP4.error):
        yield
