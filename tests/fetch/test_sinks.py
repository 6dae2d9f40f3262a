"""Every sink takes a document once, however often it is offered, and whatever its sender has called it."""

import asyncio
import email
import email.policy
import json
from types import SimpleNamespace

import pytest

from relay.config.keyring import Active, Keyring
from relay.config.settings import FastInputWebhook, Settings
from relay.config.snapshot import Snapshot
from relay.dns import Resolver
from relay.events import EventType
from relay.fetch.outbox import Outbox
from relay.fetch.sinks.folder import FolderSink
from relay.fetch.sinks.mail import MailSink
from relay.fetch.sinks.offer import Offer, file_of
from relay.fetch.sinks.webhook import WebhookSink
from relay.http import HttpClient
from relay.mail.address import Address
from relay.policy.company import Company, FastInput, SecretKind, SecretRef
from relay.policy.invoice.facts import Kind
from relay.policy.signature import sign
from relay.policy.upload import Verdict
from relay.store.spool import Origin, SpoolFull
from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import Sink

from .house import MovingClock


@pytest.mark.parametrize("letter", ["a", "é", "請", "𠀀"])
async def test_a_long_name_in_any_script_keeps_no_document_out(tmp_path, letter):
    main = file_of(letter * 200 + ".pdf", Kind.PDF, b"%PDF-1.7")
    beside = file_of(letter * 200, Kind.XML, b"<Invoice/>")
    sink = FolderSink(tmp_path)
    offer = Offer("own", FastInput(), "0" * 64, main, beside)
    verdicts = [(await sink.take(offer)).verdict for _ in range(2)]
    assert verdicts == [Verdict.TAKEN, Verdict.KNOWN]
    names = {path.name for path in (tmp_path / "own").iterdir()}
    assert names == {f"{'0' * 16}-{file.name}" for file in (main, beside)}
    assert all(letter in name for name in names)


SECRET = "p7xq-secret@fast-input.example"
XML = file_of("factuur één.xml", Kind.XML, b"<Invoice/>")
PDF = file_of("factuur.pdf", Kind.PDF, b"%PDF-1.7")


@pytest.fixture
async def post(tmp_path):
    clock = MovingClock(SimpleNamespace(now=lambda: 1_800_000_000.0))
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=clock)
    await spool.start()
    settings = Settings.model_validate(
        {
            "hostname": "mx1.my.relay.example",
            "domain": "my.relay.example",
            "postmaster": "postmaster@operator.example",
            "sending_addresses": ["192.0.2.1"],
            "secrets": {"signing": [{"file": "never-read"}]},
        }
    )
    active = Active(Snapshot.of(settings), Keyring((b"secret",), {}))
    yield Outbox(lambda: active, spool, clock, Sink())
    await spool.stop()


def by_mail(tmp_path, post, text=SECRET):
    (tmp_path / "address").write_text(text)
    about = FastInput(address=SecretRef(SecretKind.FILE, str(tmp_path / "address")))
    company = Company("own", "Own", Address("info", "own.example"), "own", fast_input=about)
    return MailSink(company, post), Offer("own", about, "a" * 64, XML, PDF)


async def stored(post, queue_id):
    (entry,) = await post.spool.find(queue_id)
    content = entry.message.content
    octets = post.spool.read(content, 0, content.size)
    return entry, octets, email.message_from_bytes(octets, policy=email.policy.default)


async def test_a_document_goes_by_mail_once_and_the_address_is_nowhere(tmp_path, post):
    sink, offer = by_mail(tmp_path, post)
    answers = [await sink.take(offer) for _ in range(2)]
    assert [answer.verdict for answer in answers] == [Verdict.TAKEN, Verdict.KNOWN]
    assert answers[0].queue_id == answers[1].queue_id
    entry, octets, mail = await stored(post, answers[0].queue_id)
    assert entry.message.origin is Origin.DOCUMENT
    assert [(delivery.company, str(delivery.recipient.address)) for delivery in entry.deliveries] == [
        ("own", "fast-input@my.relay.example")
    ]
    assert [(part.get_filename(), part.get_content_type()) for part in mail.iter_attachments()] == [
        ("factuur één.xml", "application/xml"),
        ("factuur.pdf", "application/pdf"),
    ]
    assert mail["Subject"] == "factuur één.xml"
    assert mail["Auto-Submitted"] == "auto-generated"
    (received,) = post.events.events
    assert received.type is EventType.RECEIVED
    assert b"p7xq" not in octets
    assert "p7xq" not in repr(received)


async def test_the_pdf_within_an_invoice_is_not_sent_beside_it(tmp_path, post):
    sink, offer = by_mail(tmp_path, post)
    offer = Offer(offer.slug, offer.fast_input, offer.key, XML, PDF, "Factuur\r\nBcc: x@y.example", within=True)
    _, _, mail = await stored(post, (await sink.take(offer)).queue_id)
    assert [part.get_filename() for part in mail.iter_attachments()] == ["factuur één.xml"]
    assert mail["Subject"] == "Factuur Bcc: x@y.example"
    assert mail["Bcc"] is None


async def test_two_workers_send_one_mail(tmp_path, post):
    other = SqliteSpool(tmp_path / "relay.db", worker="test.2.1", pid=2, clock=post.clock)
    await other.start()
    sink, offer = by_mail(tmp_path, post)
    second, _ = by_mail(tmp_path, Outbox(post.active, other, post.clock, post.events))
    answers = await asyncio.gather(*(each.take(offer) for each in (sink, second, sink, second)))
    assert len({answer.queue_id for answer in answers}) == 1
    assert sorted(answer.verdict for answer in answers) == [*[Verdict.KNOWN] * 3, Verdict.TAKEN]
    await other.stop()


@pytest.mark.parametrize(("text", "said"), [("not an address", "is not a mail address"), ("", "is empty")])
async def test_an_address_that_is_none_is_said_and_not_shown(tmp_path, post, text, said):
    sink, offer = by_mail(tmp_path, post, text)
    answer = await sink.take(offer)
    assert answer.verdict is Verdict.ACCESS
    assert said in answer.text
    assert not text or text not in answer.text


async def test_a_store_that_is_full_takes_it_later(tmp_path, post, monkeypatch):
    async def full(*_):
        raise SpoolFull("no room")

    sink, offer = by_mail(tmp_path, post)
    with monkeypatch.context() as patch:
        patch.setattr(post.spool, "commit", full, raising=False)
        assert (await sink.take(offer)).verdict is Verdict.LATER
    assert (await sink.take(offer)).verdict is Verdict.TAKEN


class Endpoint:
    """Answers POST with what was ordered, and keeps what it got."""

    def __init__(self, *answers):
        self.answers, self.got = list(answers), []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/invoices"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.lower().split(": ", 1) for line in head.strip().split("\r\n")[1:])
        self.got.append((fields, await reader.readexactly(int(fields["content-length"]))))
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % self.answers.pop(0))
        await writer.drain()
        writer.close()


def hook(tmp_path, url):
    (tmp_path / "secret").write_text("the secret of the endpoint")
    secret = {"file": str(tmp_path / "secret")}
    return FastInputWebhook.model_validate({"url": url, "secret": secret, "timeout": "5s", "allow_private": True})


async def test_an_endpoint_gets_documents_signed_and_under_one_key(tmp_path):
    client = HttpClient(Resolver(["127.0.0.1:9"], 0.1))
    async with Endpoint(202, 409, 503, 404, 422) as endpoint:
        sink = WebhookSink(
            hook(tmp_path, endpoint.url), Keyring((b"x",), {}), client, SimpleNamespace(now=lambda: 1_800_000_000.0)
        )
        offer = Offer("own", FastInput(split=True), "a" * 64, XML, PDF, "Factuur één")
        verdicts = [(await sink.take(offer)).verdict for _ in range(5)]
    assert verdicts == [Verdict.TAKEN, Verdict.KNOWN, Verdict.LATER, Verdict.ACCESS, Verdict.REFUSED]
    for fields, body in endpoint.got:
        assert fields["idempotency-key"] == "a" * 64
        assert fields["relay-signature"] == sign("the secret of the endpoint", body, at=1_800_000_000)
    told = json.loads(endpoint.got[0][1])
    assert told == {
        "company": "own",
        "key": "a" * 64,
        "split": True,
        "description": "Factuur één",
        "file": {"name": "factuur één.xml", "type": "application/xml", "content": "PEludm9pY2UvPg=="},
        "companion": {"name": "factuur.pdf", "type": "application/pdf", "content": "JVBERi0xLjc="},
    }


async def test_an_endpoint_whose_secret_is_gone_gets_nothing(tmp_path):
    config = hook(tmp_path, "http://127.0.0.1:9/")
    (tmp_path / "secret").unlink()
    client = HttpClient(Resolver(["127.0.0.1:9"], 0.1))
    sink = WebhookSink(config, Keyring((b"x",), {}), client, SimpleNamespace(now=lambda: 0.0))
    answer = await sink.take(Offer("own", FastInput(), "a" * 64, XML))
    assert answer.verdict is Verdict.ACCESS
