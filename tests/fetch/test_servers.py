"""Servers that do what no standard says, as users of other programs have met them."""

import asyncio
import contextlib
import itertools
import ssl
from datetime import UTC, datetime

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.imap.dialogue import DeniedError, Dialogue
from relay.imap.faults import Login, MailboxError, MailboxFault, Place
from relay.imap.heads import read_fetch
from relay.imap.session import ImapSession, tls_context
from relay.imap.wire import Wire
from relay.policy.company import After

HEAD = b"Message-ID: <1@x.example>\r\nSubject: x\r\n\r\n"
GREETING = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello\r\n"
WITHOUT_STRUCTURE = (
    b'* 1 FETCH (UID 7 RFC822.SIZE 900 INTERNALDATE "25-Nov-2026 10:00:00 +0000" '
    b"BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT RELAY-LAID)] {%d}\r\n%s)\r\n{tag} OK done\r\n"
    % (len(HEAD), HEAD)
)
PIECES = [b"* 1 FETCH (", b"UID 7 ", b"BODY[] {5}\r\n", b"BODY[] NIL", b")", b"\r\n", b"R1 OK x", b"R1 NO x", b"* BYE",
          b"+ ", b'"', b"{3}\r\n", b"INTERNALDATE ", b"((", b"BODYSTRUCTURE "]  # fmt: skip
FETCHED = (
    b'* 1 FETCH (UID 7 RFC822.SIZE 900 INTERNALDATE "25-Nov-2026 10:00:00 +0000" BODYSTRUCTURE %s '
    b"BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT RELAY-LAID)] {%d}\r\n%s)\r\n"
)
PASSWORD = Login("user", "secret")
TEXT = b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 12 1)'


class Unconnected:
    """A socket that takes options."""

    def setsockopt(self, *_):
        pass


class Nowhere(asyncio.Transport):
    """A transport that takes everything and brings nothing."""

    def get_extra_info(self, name, default=None):
        return Unconnected()

    def write(self, data):
        pass

    def resume_reading(self):
        pass

    def pause_reading(self):
        pass


class Server:
    """Says what the test has written down for each command; "{tag}" becomes the command's own."""

    def __init__(self, **answers: bytes) -> None:
        self._answers = {
            "CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR IDLE\r\n{tag} OK done\r\n",
            "AUTHENTICATE": b"{tag} OK done\r\n",
            "EXAMINE": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 3] x\r\n* OK [UIDNEXT 8] x\r\n{tag} OK done\r\n",
            "LOGOUT": b"* BYE\r\n{tag} OK done\r\n",
            **answers,
        }
        self._serving = []
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
        await asyncio.gather(*self._serving)

    async def _serve(self, reader, writer):
        self._serving.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            idle = ""
            writer.write(self._answers.get("GREETING", GREETING))
            while line := await reader.readline():
                tag, command, *rest = line.decode().split() if b" " in line else ("", line.decode().strip())
                name = rest[0].upper() if command.upper() == "UID" else command.upper()
                answer = self._answers.get(name)
                if callable(answer):
                    answer = answer(line.decode())
                if answer is None:
                    break
                idle = tag if name == "IDLE" else idle
                tag = tag or idle
                if name == "AUTHENTICATE":
                    writer.write(b"+ \r\n")
                    await reader.readline()
                told = answer.replace(b"{tag}", tag.encode())
                for at in range(0, len(told), 7) if len(told) < 2000 else (0,):
                    # In pieces, as networks may cut it.
                    writer.write(told[at : at + 7] if len(told) < 2000 else told)
                    await writer.drain()
                if b"{tag}" not in answer and (name != "IDLE" or "DONE" not in self._answers):
                    break
        writer.close()


async def on(server: Server, tmp_path, work, *, select=True, login=None):
    """What `work` does with an open session."""
    server.ca.write_to_path(str(tmp_path / "ca.pem"))
    place = Place("localhost", "127.0.0.1", server.port, implicit_tls=True, ca=str(tmp_path / "ca.pem"))
    session = await ImapSession.open(place, login or PASSWORD, tls_context(place.ca), 10_000)
    try:
        if select:
            await session.select("INBOX", readonly=True)
        return await work(session)
    finally:
        session.cut()


async def nothing(_):
    """Do nothing with it."""


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
        b"* 1 FETCH ((((((\r\n{tag} OK done\r\n",
        b"* x FETCH (UID y BODY[] z)\r\n{tag} OK done\r\n",
    ],
)
async def test_a_mail_that_is_not_handed_out_is_none(tmp_path, answer):
    async with Server(FETCH=answer) as server:
        assert await on(server, tmp_path, lambda session: session.body(7)) is None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"{tag} NO User is authenticated but not connected.\r\n", MailboxFault.BUSY),
        (b"{tag} BAD what\r\n", MailboxFault.TROUBLE),
        (b"* BYE too long\r\n", MailboxFault.CONNECT),
        (b"* 1 FETCH (UID 7 BODY[] {99999999999}\r\n", MailboxFault.CONNECT),
        (b"* 1 FETCH (UID 7 BODY[] {500}\r\nshort", MailboxFault.CONNECT),
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
        (b"{tag} NO Request is throttled. Suggested Backoff Time: 92000 milliseconds\r\n", MailboxFault.BUSY),
        (b"{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n", MailboxFault.BUSY),
        (b"{tag} NO [UNAVAILABLE] try again later\r\n", MailboxFault.BUSY),
    ],
)
async def test_a_busy_server_is_told_from_a_wrong_password(tmp_path, answer, fault):
    async with Server(AUTHENTICATE=answer) as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, nothing)
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
    more = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 3] x\r\n* OK [UIDNEXT 20] x\r\n{tag} OK done\r\n"
    async with Server(EXAMINE=more, SEARCH=b"* SEARCH 7\r\n{tag} OK done\r\n") as server:
        assert await on(server, tmp_path, lambda session: session.newer_than(7)) == []


async def test_a_server_that_says_that_nothing_is_new_is_not_asked_once_more(tmp_path):
    async def look(session):
        found = await session.newer_than(7)
        await session.heads([7])
        return found, await session.newer_than(7)

    async with Server(FETCH=b"* 2 EXISTS\r\n" + fetched(), SEARCH=b"* SEARCH 8\r\n{tag} OK done\r\n") as server:
        assert await on(server, tmp_path, look) == ([], [8])


async def test_new_mail_is_found_where_the_next_number_lags_behind(tmp_path):
    count = itertools.count(1)

    def examine(_):
        return b"* %d EXISTS\r\n* OK [UIDVALIDITY 3] x\r\n* OK [UIDNEXT 8] x\r\n{tag} OK done\r\n" % next(count)

    async def look(session):
        before = await session.newer_than(7)
        await session.select("INBOX", readonly=True)
        return before, await session.newer_than(7)

    async with Server(EXAMINE=examine, SEARCH=b"* SEARCH 8\r\n{tag} OK done\r\n") as server:
        assert await on(server, tmp_path, look) == ([], [8])


async def test_a_greeting_that_is_none_ends_it(tmp_path):
    async with Server(GREETING=b"* BYE go away\r\n") as server:
        with pytest.raises(MailboxError):
            await on(server, tmp_path, nothing)


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
    monkeypatch.setattr("relay.imap.session._MOST_ASIDE", 100_000)
    # It would end some time, and well: only a client without a limit sees that.
    ends = b"" if answer.endswith(b"\r\n") else b"\r\n"
    ends += b"{tag} OK done\r\n"
    async with Server(FETCH=answer * (1_000_000 // len(answer)) + ends) as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, lambda session: session.body(7))
    assert caught.value.fault is MailboxFault.CONNECT


async def test_an_answer_that_comes_in_drops_is_given_up(tmp_path, monkeypatch):
    async with Server(SEARCH=b"* SEARCH 7" + b" 8" * 100 + b"\r\n{tag} OK done\r\n") as server:

        async def search(session):
            # Time flies: whatever comes next comes too late, though soon after what came before.
            monkeypatch.setattr("relay.imap.wire.monotonic", itertools.count(0, 700).__next__)
            return await session.newer_than(6)

        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, search)
    assert caught.value.fault is MailboxFault.CONNECT


async def test_a_mail_whose_structure_cannot_be_read_may_hold_anything(tmp_path):
    def answer(line):
        return fetched(b'("TEXT" NIL)(') if "BODYSTRUCTURE" in line else WITHOUT_STRUCTURE

    async with Server(FETCH=answer) as server:
        (head,) = await on(server, tmp_path, lambda session: session.heads([7]))
    assert (head.uid, head.only_text) == (7, False)


@pytest.mark.parametrize(("size", "is_asked"), [(160 * 1024, True), (160 * 1024 + 1, False)])
async def test_the_structure_is_asked_for_only_where_a_mail_may_be_nothing_but_text(tmp_path, size, is_asked):
    asked = []

    def answer(line):
        asked.append("BODYSTRUCTURE" in line)
        return fetched().replace(b"SIZE 900", b"SIZE %d" % size)

    async with Server(FETCH=answer) as server:
        (head,) = await on(server, tmp_path, lambda session: session.heads([7]))
    assert asked == [False, True][: 1 + is_asked]
    assert head.only_text is is_asked


async def test_a_server_that_wants_peace_after_login_is_busy_and_not_without_the_folder(tmp_path):
    said = b"{tag} NO User is authenticated but not connected.\r\n"
    async with Server(EXAMINE=said) as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, nothing)
    assert (caught.value.fault, caught.value.pause) == (MailboxFault.BUSY, 60.0)


async def test_a_goodbye_says_how_long_to_wait(tmp_path):
    said = b"* BYE [LIMIT] too many connections from your address\r\n"
    async with Server(SEARCH=said) as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, lambda session: session.newer_than(1))
    assert (caught.value.fault, caught.value.pause, caught.value.crowded) == (MailboxFault.BUSY, 300.0, True)


async def wait(session):
    await session.newer_than(7)
    return await session.wait_for_mail(0.0)


SEARCHED = b"* SEARCH 7\r\n{tag} OK done\r\n"
NOTHING = b"{tag} OK done\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"+ idling\r\n* 2 EXISTS\r\n* 1 RECENT\r\n",
        b"+\r\n* OK Still here\r\n* 1 RECENT\r\n* 2 exists\r\n",
        b"* 2 EXISTS\r\n+ idling\r\n",
        b"+ idling\r\n* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] {12}\r\n* 9 EXISTS\r\n)\r\n* 2 EXISTS\r\n",
        b"+ idling\r\n* 1 EXPUNGE\r\n* 1 EXISTS\r\n",
        b"+ idling\r\n* 1 EXISTS\r\n* 3 EXISTS\r\n",
    ],
    ids=["usual", "chatty", "at once", "a literal", "one goes, one comes", "several"],
)
async def test_new_mail_is_noticed_while_waiting(tmp_path, said):
    async with Server(SEARCH=SEARCHED, IDLE=said, DONE=NOTHING) as server:
        assert await on(server, tmp_path, wait) is True


async def test_mail_that_came_while_the_folder_was_read_is_news_at_once(tmp_path):
    async def work(session):
        await session.newer_than(7)
        await session.heads([7])
        return await session.wait_for_mail(0.0)

    async with Server(SEARCH=SEARCHED, FETCH=b"* 2 EXISTS\r\n" + fetched()) as server:
        assert await on(server, tmp_path, work) is True


COMES = b"* 2 EXISTS\r\n{tag} OK done\r\n"
GOES = b"* 1 EXPUNGE\r\n{tag} OK done\r\n"
WITH_MOVE = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR IDLE MOVE UIDPLUS\r\n{tag} OK done\r\n"


@pytest.mark.parametrize(
    ("after", "answers"),
    [
        (After.SEEN, {"STORE": COMES}),
        (After.MOVE, {"COPY": COMES, "STORE": NOTHING}),
        (After.MOVE, {"CAPABILITY": WITH_MOVE, "MOVE": COMES}),
        (After.DELETE, {"CAPABILITY": WITH_MOVE, "STORE": NOTHING, "EXPUNGE": COMES}),
        # What went is not counted any more: the next one is the first one.
        (After.MOVE, {"CAPABILITY": WITH_MOVE, "MOVE": GOES, "IDLE": b"+ idling\r\n* 1 EXISTS\r\n", "DONE": NOTHING}),
    ],
)
async def test_mail_that_came_while_another_one_was_marked_is_news_at_once(tmp_path, after, answers):
    async def work(session):
        await session.newer_than(7)
        await session.mark(7, after, "Done")
        return await session.wait_for_mail(0.0)

    async with Server(SEARCH=SEARCHED, **answers) as server:
        assert await on(server, tmp_path, work) is True


async def test_a_server_that_forgets_to_say_something_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("relay.imap.session.IDLE_SECONDS", 0.0)
    answers = {"IDLE": b"+ idling\r\n", "DONE": NOTHING}
    async with Server(SEARCH=SEARCHED, NOOP=b"* 2 EXISTS\r\n{tag} OK done\r\n", **answers) as server:
        assert await on(server, tmp_path, wait) is True
    async with Server(SEARCH=SEARCHED, NOOP=b"* 1 EXPUNGE\r\n{tag} OK done\r\n", **answers) as server:
        assert await on(server, tmp_path, wait) is False


WITHOUT_IDLE = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n{tag} OK done\r\n"


async def test_a_server_that_says_nothing_by_itself_is_looked_at_again(tmp_path):
    async with Server(CAPABILITY=WITHOUT_IDLE) as server:
        assert await on(server, tmp_path, wait) is True


async def test_a_server_that_goes_while_nobody_asks_it_is_missed(tmp_path):
    async def work(session):
        await session.newer_than(7)
        await session.heads([7])
        return await session.wait_for_mail(500.0)

    async with Server(CAPABILITY=WITHOUT_IDLE, FETCH=fetched() + b"* BYE your session is over\r\n") as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, work)
    assert caught.value.fault is MailboxFault.TROUBLE


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (b"{tag} BAD what is that\r\n", MailboxFault.TROUBLE),
        (b"{tag} NO [UNAVAILABLE] not now\r\n", MailboxFault.BUSY),
        (b"+ idling\r\n* BYE your session is over\r\n", MailboxFault.TROUBLE),
        (b"+ idling\r\n* BYE Suggested Backoff Time: 5000 milliseconds\r\n", MailboxFault.BUSY),
        (b"+ idling\r\n{tag} OK IDLE terminated\r\n", MailboxFault.TROUBLE),
        (b"+ idling\r\n* 1 FETCH (X {99999999}\r\n", MailboxFault.CONNECT),
        (b"nonsense\r\n", MailboxFault.CONNECT),
    ],
)
async def test_an_end_of_waiting_is_trouble_in_plain_words(tmp_path, said, fault):
    async with Server(SEARCH=SEARCHED, IDLE=said) as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, wait)
    assert caught.value.fault is fault


async def test_a_silence_while_something_is_due_is_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr("relay.imap.session.IDLE_SECONDS", 0.0)
    monkeypatch.setattr("relay.imap.dialogue.SILENCE", 0.0)
    async with Server(SEARCH=SEARCHED, IDLE=b"+ idling\r\n", DONE=b"* OK Still here\r\n") as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, wait)
    assert caught.value.fault is MailboxFault.CONNECT


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(PIECES)), max_size=12))
@settings(max_examples=60)
def test_whatever_a_server_says_ends_in_a_value_or_in_trouble(pieces):
    async def run():
        wire = Wire(10_000)
        wire.connection_made(Nowhere())
        dialogue = Dialogue(wire)
        await dialogue.begin(b"UID FETCH", b"1:*")
        wire.data_received(b"".join(pieces) + b"\r\n")
        wire.eof_received()
        with contextlib.suppress(OSError, DeniedError):
            for response in (await dialogue.finish()).responses:
                assert isinstance(read_fetch(response), dict)

    asyncio.run(run())


AT = datetime(2026, 3, 7, 9, 5, 1, tzinfo=UTC)


async def lay(session):
    await session.append("Antwoorden & meer", AT, 7, [b"abc", b"defg"])


async def test_a_mail_is_laid_down_with_its_time(tmp_path):
    said = []

    def append(line):
        said.append(line)
        return b"+ go on\r\n"

    async with Server(APPEND=append) as server:
        with pytest.raises(MailboxError):
            await on(server, tmp_path, lay)
    assert said == ['R4 APPEND "Antwoorden &- meer" " 7-Mar-2026 09:05:01 +0000" {7}\r\n']


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"{tag} NO [OVERQUOTA] so much\r\n", "the mailbox is full"),
        (b"{tag} NO [TRYCREATE] what\r\n", "there is no folder Antwoorden & meer"),
        (b"{tag} NO [TOOBIG] oh\r\n", "the mail is too large for the mailbox"),
        (b"{tag} NO [LIMIT] x\r\n", "the server takes no more into the mailbox"),
        (b"{tag} NO secret words\r\n", "the server says no to Antwoorden & meer"),
    ],
)
async def test_why_a_mail_cannot_be_laid_down_is_said_in_plain_words(tmp_path, answer, words):
    async with Server(APPEND=answer) as server:
        with pytest.raises(MailboxError) as caught:
            await on(server, tmp_path, lay)
    assert str(caught.value) == words
