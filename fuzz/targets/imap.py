"""A mailbox's server that says anything at all: everything ends in a value or in a MailboxError."""

import asyncio
import socket
from contextlib import suppress
from datetime import date
from typing import Any, cast

from relay.imap.dialogue import word
from relay.imap.faults import MailboxError
from relay.imap.session import ImapSession
from relay.imap.wire import Wire
from relay.policy.company import After

SEEDS = (
    (
        b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 4] x\r\nR1 OK done\r\n* SEARCH 1 2 3\r\nR2 OK\r\n"
        b'* 1 FETCH (UID 1 RFC822.SIZE 5 INTERNALDATE "01-Jan-2026 10:00:00 +0000" BODYSTRUCTURE ("text" "plain" NIL '
        b'NIL NIL "7bit" 5 1) BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)] {19}\r\nMessage-ID: <1@x>\r\n)\r\n'
        b"R3 OK\r\n* 1 FETCH (UID 1 BODY[] {5}\r\nhello)\r\nR4 OK\r\n"
    ),
    b"* OK [UIDVALIDITY 7] x\r\nR1 OK done\r\n* SEARCH x\r\nR2 OK\r\n",
    b"* BYE go away\r\n",
    b"+ more\r\nR1 NO [UNAVAILABLE] busy\r\n",
    b"* OK [UIDVALIDITY 7] {9999999999}\r\n",
)


class _Nowhere:
    """A transport that takes everything and keeps nothing."""

    def __init__(self) -> None:
        self.socket = socket.socket()

    def get_extra_info(self, _name: str) -> socket.socket:
        return self.socket

    def __getattr__(self, _name: str) -> Any:
        return lambda *_: None


def check(data: bytes) -> None:
    asyncio.run(_visit(data))
    text = data.decode("utf-8", "replace")
    for each in (word(text), word(text[:40])):
        assert each.startswith(b"{\0") or not set(each) & set(b"\r\n\0")


async def _visit(data: bytes) -> None:
    wire = Wire(100_000)
    nowhere = _Nowhere()
    wire.connection_made(cast(asyncio.Transport, nowhere))
    wire.data_received(data)
    wire.eof_received()
    session = ImapSession(wire)
    try:
        with suppress(MailboxError):
            opened = await session.select("INBOX", readonly=True)
            assert opened.validity
            uids = await session.newer_than(0)
            assert list(uids) == sorted(uids)
            for head in await session.heads(uids[:3]):
                assert head.uid in uids
                assert head.message_id.isprintable()
                head.message_id.encode()
            await session.body(1)
            await session.since(date(2026, 1, 1))
            await session.mark(1, After.DELETE, None)
            await session.last_received(date(2026, 1, 1))
    except MailboxError as error:
        str(error).encode()
    finally:
        nowhere.socket.close()
