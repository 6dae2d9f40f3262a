"""Servers that do what no standard says, as users of other programs have met them."""

import asyncio
import contextlib
import itertools
import ssl

import pytest
import trustme

from relay.fetch.imap import ImapSession, MailboxError, MailboxFault, Place

HEAD = b"Message-ID: <1@x.example>\r\nSubject: x\r\n\r\n"
GREETING = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello\r\n"
FETCHED = (
    b'* 1 FETCH (UID 7 RFC822.SIZE 900 INTERNALDATE "25-Nov-2026 10:00:00 +0000" BODYSTRUCTURE %s '
    b"BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)] {%d}\r\n%s)\r\n"
)
TEXT = b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 12 1)'


class Server:
    """Says what the test has written down for each command; "{tag}" becomes the command's own."""

    def __init__(self, **answers: bytes) -> None:
        self._answers = {
            "CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n{tag} OK done\r\n",
            "AUTHENTICATE": b"{tag} OK done\r\n",
            "EXAMINE": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 3] x\r\n* OK [UIDNEXT 8] x\r\n{tag} OK done\r\n",
            "LOGOUT": b"* BYE\r\n{tag} OK done\r\n",
            **answers,
        }
        authority = trustme.CA()
        self.ca = authority.cert_pem
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self._context)

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(self._answers.get("GREETING", GREETING))
            while line := await reader.readline():
                tag, command, *rest = line.decode().split()
                name = rest[0].upper() if command.upper() == "UID" else command.upper()
                answer = self._answers.get(name)
                if answer is None:
                    break
                if name == "AUTHENTICATE":
                    writer.write(b"+ \r\n")
                    await reader.readline()
                told = answer.replace(b"{tag}", tag.encode())
                for at in range(0, len(told), 7) if len(told) < 2000 else (0,):
                    # In pieces, as networks may cut it.
                    writer.write(told[at : at + 7] if len(told) < 2000 else told)
                    await writer.drain()
                if b"{tag}" not in answer:
                    break
        writer.close()


async def on(server: Server, tmp_path, work, *, select=True):
    """What `work` does with an open session, in a thread."""
    server.ca.write_to_path(str(tmp_path / "ca.pem"))
    place = Place("localhost", "127.0.0.1", server.port, implicit_tls=True, ca=str(tmp_path / "ca.pem"))

    def run():
        session = ImapSession.open(place, "user", "secret", 10_000)
        try:
            if select:
                session.select("INBOX", readonly=True)
            return work(session)
        finally:
            session.close()

    return await asyncio.to_thread(run)


def fetched(structure: bytes = TEXT) -> bytes:
    return FETCHED % (structure, len(HEAD), HEAD) + b"{tag} OK done\r\n"


async def test_what_comes_in_pieces_is_put_together(tmp_path):
    async with Server(FETCH=fetched()) as server:
        (head,) = await on(server, tmp_path, lambda session: session.heads([7]))
    assert (head.uid, head.message_id, head.size, head.only_text) == (7, "<1@x.example>", 900, True)


@pytest.mark.parametrize("structure", [b"NIL", b"(NIL NIL)", b"((NIL) NIL)", b'("TEXT")', b"(" * 50 + b")" * 50])
async def test_a_structure_that_says_nothing_may_hold_anything(tmp_path, structure):
    async with Server(FETCH=fetched(structure)) as server:
        heads = []
        with contextlib.suppress(MailboxError):
            heads = await on(server, tmp_path, lambda session: session.heads([7]))
    assert not any(head.only_text for head in heads)


@pytest.mark.parametrize(
    "answer",
    [
        b"{tag} OK FETCH completed\r\n",
        b"* 1 FETCH (UID 7)\r\n{tag} OK done\r\n",
        b"* 1 FETCH (UID 7 BODY[] NIL)\r\n{tag} OK done\r\n",
        b'* 1 FETCH (UID 7 BODY[] "")\r\n{tag} OK done\r\n',
        b"* 1 FETCH (FLAGS (\\Seen) UID 9)\r\n* 1 EXPUNGE\r\n{tag} OK done\r\n",
    ],
)
async def test_a_mail_that_is_not_handed_out_is_none(tmp_path, answer):
    async with Server(FETCH=answer) as server:
        assert await on(server, tmp_path, lambda session: session.body(7)) is None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"{tag} NO User is authenticated but not connected.\r\n", MailboxFault.TROUBLE),
        (b"{tag} BAD what\r\n", MailboxFault.TROUBLE),
        (b"* BYE too long\r\n", MailboxFault.CONNECT),
        (b"* 1 FETCH (UID 7 BODY[] {99999999999}\r\n", MailboxFault.CONNECT),
        (b"* 1 FETCH (UID 7 BODY[] {500}\r\nshort", MailboxFault.CONNECT),
        (b"* 1 FETCH ((((((\r\n{tag} OK done\r\n", MailboxFault.TROUBLE),
        (b"* x FETCH (UID y BODY[] z)\r\n{tag} OK done\r\n", MailboxFault.TROUBLE),
        (b"\xff\xfe\x00\r\n", MailboxFault.CONNECT),
    ],
)
async def test_everything_else_is_trouble_in_plain_words(tmp_path, answer, fault):
    if not answer.endswith(b"OK done\r\n") and b"{tag}" not in answer:
        answer += b"\r\n* BYE\r\n"
    async with Server(FETCH=answer) as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, lambda session: session.body(7))
    assert caught.value.fault in (fault, MailboxFault.CONNECT)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"{tag} NO [AUTHENTICATIONFAILED] secret is wrong\r\n", MailboxFault.REFUSED),
        (b"{tag} NO Request is throttled. Suggested Backoff Time: 92000 milliseconds\r\n", MailboxFault.TROUBLE),
        (b"{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n", MailboxFault.TROUBLE),
        (b"{tag} NO [UNAVAILABLE] try again later\r\n", MailboxFault.TROUBLE),
    ],
)
async def test_a_busy_server_is_told_from_a_wrong_password(tmp_path, answer, fault):
    async with Server(AUTHENTICATE=answer) as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, lambda _: None)
    assert caught.value.fault is fault
    assert "secret" not in str(caught.value)


async def test_a_folder_without_numbers_cannot_be_read(tmp_path):
    async with Server(EXAMINE=b"* 1 EXISTS\r\n{tag} OK done\r\n") as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, lambda session: session.select("INBOX", readonly=True), select=False)
    assert caught.value.fault is MailboxFault.FOLDER


async def test_a_folder_that_does_not_tell_the_next_number_is_asked_for_the_last(tmp_path):
    answer = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 3] x\r\n{tag} OK done\r\n"
    async with Server(EXAMINE=answer, SEARCH=b"* SEARCH 5 9\r\n{tag} OK done\r\n") as server:
        opened = await on(server, tmp_path, lambda session: session.select("INBOX", readonly=True), select=False)
    assert (opened.validity, opened.next_uid) == (3, 10)


async def test_a_search_beyond_the_end_finds_nothing(tmp_path):
    async with Server(SEARCH=b"* SEARCH 7\r\n{tag} OK done\r\n") as server:
        assert await on(server, tmp_path, lambda session: session.newer_than(7)) == []


async def test_a_greeting_that_is_none_ends_it(tmp_path):
    async with Server(GREETING=b"* BYE go away\r\n") as server:
        with pytest.raises(MailboxError):
            await on(server, tmp_path, lambda _: None)


@pytest.mark.parametrize(
    "answer",
    [
        b"* 1 FETCH (UID 7 BODY[] {1000}\r\n" + b"x" * 1000 + b")\r\n",
        b"* 1 EXISTS\r\n",
        b"x",
    ],
    ids=["mails", "lines", "one line"],
)
async def test_an_answer_that_never_ends_is_given_up(tmp_path, monkeypatch, answer):
    monkeypatch.setattr("relay.fetch.imap._MOST_ASIDE", 100_000)
    # It would end some time, and well: only a client without a limit sees that.
    ends = b"" if answer.endswith(b"\r\n") else b"\r\n"
    ends += b"{tag} OK done\r\n"
    async with Server(FETCH=answer * (1_000_000 // len(answer)) + ends) as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, lambda session: session.body(7))
    assert caught.value.fault is MailboxFault.CONNECT


async def test_an_answer_that_comes_in_drops_is_given_up(tmp_path, monkeypatch):
    async with Server(SEARCH=b"* SEARCH 7" + b" 8" * 100 + b"\r\n{tag} OK done\r\n") as server:

        def search(session):
            # A minute for every few octets: each of them comes in time.
            monkeypatch.setattr("relay.fetch.imap.monotonic", itertools.count(0, 60).__next__)
            return session.newer_than(6)

        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, search)
    assert caught.value.fault is MailboxFault.CONNECT
