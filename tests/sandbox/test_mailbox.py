"""The sandbox's mailbox and Fast input: what a client of IMAP and one of HTTP get from them."""

import asyncio
import http.client
import imaplib
import json

import pytest

from relay.sandbox.certificates import Authority
from relay.sandbox.fast_input import FastInput, FastInputPlan
from relay.sandbox.mailbox import Mailbox, MailboxPlan

MAIL = (
    b"From: a@b.example\r\nSubject: =?utf-8?q?Factuur?=\r\nMessage-ID: <1@b.example>\r\n"
    b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
    b'--x\r\nContent-Type: text/plain; charset="utf-8"\r\n\r\nHello\r\n'
    b'--x\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="a \\"b\\".pdf"\r\n\r\n'
    b"%PDF\r\n--x--\r\n"
)


@pytest.fixture
async def mailbox():
    authority = Authority()
    box = Mailbox(MailboxPlan("localhost", "anna@x.example", 'pass "word"'), authority.server_context("localhost"))
    await box.start("127.0.0.1", 0)
    yield box, authority.client_context()
    await box.stop()


async def test_a_mailbox_is_read_by_a_client_of_python(mailbox):
    box, context = mailbox

    def read():
        with imaplib.IMAP4_SSL("localhost", box.port, ssl_context=context) as client:
            with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
                client.login("anna@x.example", "wrong")
            with pytest.raises(imaplib.IMAP4.error):
                client.uid("SEARCH", "ALL")
            client.login("anna@x.example", 'pass "word"')
            client.select("INBOX", readonly=True)
            assert client.uid("SEARCH", "UID 1:*") == ("OK", [b""])
            box.put(MAIL)
            assert client.uid("SEARCH", "ALL") == ("OK", [b"1"])
            head = client.uid("FETCH", "1", "(BODYSTRUCTURE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
            assert not box.mails[0].fetched
            whole = client.uid("FETCH", "1", "(BODY.PEEK[])")
            return head[1], whole[1]

    head, whole = await asyncio.to_thread(read)
    assert head[0][1] == b"Message-ID: <1@b.example>\r\n\r\n"
    assert b'("application" "pdf" ("NAME" "a \\"b\\".pdf") NIL NIL "7bit" ' in head[0][0]
    assert b"RFC822.SIZE %d" % len(MAIL) in head[0][0]
    assert whole[0][1] == MAIL
    assert box.mails[0].fetched


async def test_whoever_waits_is_told_of_new_mail(mailbox):
    box, context = mailbox
    reader, writer = await asyncio.open_connection("127.0.0.1", box.port, ssl=context, server_hostname="localhost")
    await reader.readline()
    for line in (b'a LOGIN anna@x.example "pass \\"word\\""', b"b SELECT INBOX", b"c IDLE"):
        writer.write(line + b"\r\n")
    while not (await reader.readline()).startswith(b"+ "):
        pass
    box.put(MAIL)
    assert await reader.readline() == b"* 1 EXISTS\r\n"
    writer.write(b"DONE\r\nd LOGOUT\r\n")
    assert (await reader.read()).endswith(b"c OK done\r\n* BYE for now\r\nd OK done\r\n")
    writer.close()


async def test_fast_input_takes_each_key_once():
    fast_input = FastInput(FastInputPlan("localhost", "the key"))
    await fast_input.start("127.0.0.1", 0)

    def post(path, key, document):
        client = http.client.HTTPConnection("127.0.0.1", fast_input.port)
        client.request("POST", path, json.dumps(document), {"ApiKey": key, "Idempotency-Key": "one"})
        answer = client.getresponse()
        return answer.status, answer.read()

    assert await asyncio.to_thread(post, "/v1/toProcess", "another", {}) == (401, b"")
    assert await asyncio.to_thread(post, "/v1/other", "the key", {}) == (404, b"")
    assert await asyncio.to_thread(post, "/v1/toProcess", "the key", {"File": 1}) == (200, b"4712")
    assert await asyncio.to_thread(post, "/v1/toProcess", "the key", {"File": 2}) == (409, b"")
    assert await fast_input.wait_for(1, 1.0) == [{"File": 1}]
    assert fast_input.repeated == 1
    await fast_input.stop()
