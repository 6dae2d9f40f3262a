"""What leaves: derived from what was given, byte for byte where there is no reason to touch it."""

from dataclasses import replace

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.delivery.dialogue import _stuffed
from relay.delivery.outgoing import Outgoing
from relay.mail.address import Address
from relay.mail.dkim import Signer
from relay.mail.envelope import Body, Notify, Recipient, Ret
from relay.mail.loop import forwarded_field
from relay.mail.message import parse_header
from relay.mail.srs import srs_reverse
from relay.mail.thread import SENT, message_id_for, parse_tag, queue_id_in, split_tag
from relay.mail.verp import parse_bounce
from relay.policy.authentication import ArcFinding, Authentication, DmarcFinding, Result, unknown
from relay.policy.company import Mailbox
from relay.policy.decision import Decision, Name, ReversePath
from relay.policy.forward import Writer, forward_to_company, send_report
from relay.sandbox.scripted_peer import Say, Script, ScriptedPeer
from relay.smtpd.data import DotReceiver
from relay.store.spool import Content, Origin

from .house import ANNA, BAKERY, DAY, DOMAIN, MAIL, NOW, RECEIVED, SECRET
from .sink import Sink

INFO = Address("info", "bakery.example")
AS_ALIAS = Decision(Name.ALIAS, Address("bakery", DOMAIN), ReversePath.BOUNCE, sign_for=(DOMAIN,))


async def whole(house, decision, **fields) -> tuple[bytes, Outgoing]:
    outgoing = house.outgoing(await house.batch(decision=decision, **fields))
    octets = outgoing.header + b"".join(outgoing.body())
    assert outgoing.size == len(octets)
    return octets, outgoing


async def test_in_the_name_of_an_alias(house):
    house.signers = {DOMAIN: tuple(Signer(DOMAIN, name, ed25519.Ed25519PrivateKey.generate()) for name in ("a", "b"))}
    house.configure()
    octets, outgoing = await whole(house, AS_ALIAS)
    signatures, _, rest = octets.partition(RECEIVED)
    assert signatures.count(b"DKIM-Signature:") == 2
    signatures, _, answers = signatures.rpartition(b"Reply-To: ")
    assert RECEIVED + rest == MAIL.replace(b"Bcc: secret@customer.example\r\n", b"").replace(
        b'From: "Web" <web@app.example>', b'From: "Web" <bakery@my.relay.example>'
    )
    assert answers.startswith(b'"Web" <bakery+')
    assert answers.endswith(b"@my.relay.example>\r\n")
    tag = split_tag(answers.partition(b"<")[2].partition(b"@")[0].decode())[1]
    assert parse_tag(tag, secrets=(SECRET,)) == outgoing.message.queue_id
    assert outgoing.reverse_path is not None
    assert parse_bounce(outgoing.reverse_path.local, secrets=(SECRET,)) == (outgoing.message.queue_id, 0)


async def test_a_message_id_is_given_where_there_is_none(house):
    octets, outgoing = await whole(house, AS_ALIAS, octets=MAIL.replace(b"Message-ID: <1@app.example>\r\n", b""))
    ours = message_id_for(outgoing.message.queue_id, domain=DOMAIN, secrets=(SECRET,))
    assert f"Message-ID: <{ours}>".encode() in octets


async def test_answers_go_where_the_app_says(house):
    octets, _ = await whole(house, AS_ALIAS, octets=b"Reply-To: sales@bakery.example\r\n" + MAIL)
    assert octets.count(b"Reply-To:") == 1


async def test_an_alias_that_is_too_long_for_a_tag_stays_without(house):
    octets, _ = await whole(house, replace(AS_ALIAS, author=Address("b" * 60, DOMAIN)))
    assert b"Reply-To:" not in octets


@pytest.mark.parametrize(
    ("name", "server"), [(Name.OWN_DOMAIN, None), (Name.OWN_SERVER, None)], ids=["own domain", "own server"]
)
async def test_in_its_own_name_the_author_is_the_envelope_too(house, name, server):
    octets, outgoing = await whole(house, Decision(name, INFO, ReversePath.AUTHOR, server=server))
    assert outgoing.reverse_path == INFO
    assert b'From: "Web" <info@bakery.example>\r\n' in octets
    assert b"Reply-To" not in octets
    assert b"Bcc" not in octets


async def test_mail_whose_bounces_go_to_the_company_is_marked_as_ours(house):
    octets, outgoing = await whole(house, Decision(Name.OWN_SERVER, INFO, ReversePath.AUTHOR))
    mark = parse_header(octets.partition(b"\r\n\r\n")[0] + b"\r\n").first(SENT).value.decode()
    assert queue_id_in(mark, domain=DOMAIN, secrets=(SECRET,)) == outgoing.message.queue_id
    assert b"Relay-Sent" not in (await whole(house, AS_ALIAS))[0]


OPEN = Authentication(dmarc=DmarcFinding(author="customer.example"))
FORWARD = forward_to_company(BAKERY, Writer(null=False, evidence=OPEN), domain=DOMAIN)
NOT_KNOWN = unknown("no name server")
MUNGED = forward_to_company(BAKERY, Writer(null=False, evidence=NOT_KNOWN), domain=DOMAIN)


@pytest.mark.parametrize(
    "octets",
    [
        MAIL,
        RECEIVED + b"\r\n",
        RECEIVED + b"DKIM-Signature: v=1;\r\n\tfolded  oddly \r\nBcc: kept@x\r\nFROM : x <x@y>\r\n\r\n\xff\r\n..\r\n",
        RECEIVED + b"Subject: one line\r\n\r\n" + b"x" * 5000 + b"\r\n",
    ],
)
async def test_forwarded_mail_is_the_same_to_the_last_octet(house, octets):
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        house.host("bakery.example", "127.0.0.1")
        fields = {"origin": Origin.MX, "octets": octets, "findings": {"evidence": OPEN.to_json()}}
        await house.deliver(f"bakery@{DOMAIN}", sender="anna@customer.example", **fields)
        stuffed = peer.messages[0]
    unstuffed = stuffed.replace(b"\r\n.", b"\r\n")
    mark = forwarded_field("bakery", domain=DOMAIN, secrets=(SECRET,))
    assert unstuffed.startswith(b"Authentication-Results: mx1.my.relay.example; spf=none;")
    assert unstuffed.endswith(b"\r\n" + mark + octets)


async def test_warnings_go_on_top_of_forwarded_mail(house):
    findings = {"warnings": [{"code": "look-alike", "text": "k1ant.example looks like klant.example and is not"}]}
    octets, _ = await whole(house, FORWARD, sender="anna@customer.example", findings=findings)
    assert octets.startswith(
        b"Relay-Warning: look-alike; k1ant.example looks like klant.example and is not\r\nRelay-Forwarded: "
    )
    assert octets.endswith(MAIL)


async def test_forwarded_mail_that_would_not_be_believed_goes_out_in_our_name(house):
    house.signers = {DOMAIN: (Signer(DOMAIN, "a", ed25519.Ed25519PrivateKey.generate()),)}
    house.configure()
    octets, outgoing = await whole(house, MUNGED, sender="anna@customer.example")
    signature, _, rest = octets.partition(RECEIVED)
    assert signature.count(b"DKIM-Signature:") == 1
    changed = MAIL.replace(b'From: "Web" <web@app.example>', b'From: "Web via Bakery" <bakery@my.relay.example>')
    kept = b'Reply-To: "Web" <web@app.example>\r\nOriginal-From: "Web" <web@app.example>\r\n\r\n'
    assert RECEIVED + rest == changed.replace(b"\r\n\r\n", b"\r\n" + kept, 1)
    assert outgoing.reverse_path is not None
    assert outgoing.reverse_path.local.startswith("SRS0=")


@pytest.mark.parametrize(("chain", "sealed"), [(Result.NONE, True), (Result.FAIL, True), (Result.TEMPERROR, False)])
@pytest.mark.parametrize("decision", [FORWARD, MUNGED], ids=["unchanged", "munged"])
async def test_what_we_found_out_is_sealed_for_the_next_host(house, decision, chain, sealed):
    keys = (ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048))
    signers = tuple(Signer(DOMAIN, name, key) for name, key in zip(("e", "r"), keys, strict=True))
    house.signers = {DOMAIN: signers}
    house.configure()
    evidence = Authentication(arc=ArcFinding(chain), dmarc=OPEN.dmarc)
    octets, _ = await whole(house, decision, findings={"evidence": evidence.to_json()})
    assert (b"ARC-Seal:" in octets) is sealed
    if sealed:
        records = {f"{signer.selector}._domainkey.{DOMAIN}": signer.record.encode() for signer in signers}
        verdict, _, _ = dkim.arc_verify(octets, dnsfunc=lambda name, **_: records[name.decode().rstrip(".")])
        assert verdict == b"pass"
        assert b"\r\n\tdmarc=none header.from=customer.example;\r\n" in octets


async def test_nothing_is_sealed_without_a_key_or_without_evidence(house):
    findings = {"evidence": OPEN.to_json()}
    octets, _ = await whole(house, FORWARD, findings=findings)
    assert octets.endswith(MAIL)
    assert b"ARC-" not in octets
    house.signers = {DOMAIN: (Signer(DOMAIN, "r", rsa.generate_private_key(65537, 2048)),)}
    house.configure()
    octets, _ = await whole(house, FORWARD)
    assert octets.endswith(MAIL)
    assert b"ARC-" not in octets


async def test_what_is_laid_into_a_mailbox_has_no_next_host_to_seal_it_for(house):
    house.signers = {DOMAIN: (Signer(DOMAIN, "r", rsa.generate_private_key(65537, 2048)),)}
    house.configure()
    company = replace(BAKERY, into_mailbox=True, mailbox=Mailbox("imap.bakery.example", 993, "implicit", "info", None))
    decision = forward_to_company(company, Writer(null=False, evidence=OPEN), domain=DOMAIN)
    octets, _ = await whole(house, decision, findings={"evidence": OPEN.to_json()})
    assert octets.startswith(b"Authentication-Results: mx1.my.relay.example;")
    assert b"ARC-" not in octets


async def test_forwarded_mail_comes_from_a_signed_address_of_ours(house):
    _, outgoing = await whole(house, FORWARD, sender="anna@customer.example")
    assert outgoing.reverse_path is not None
    assert outgoing.reverse_path.domain == DOMAIN
    back = srs_reverse(outgoing.reverse_path.local, secrets=(SECRET,), day=int(NOW) // DAY)
    assert str(back) == "anna@customer.example"
    assert [str(recipient.address) for recipient in outgoing.recipients] == ["info@bakery.example"]


async def test_a_writer_whose_address_is_too_long_for_that_is_known_by_the_store(house):
    sender = "a-rather-long-local-part@a-rather-long-domain-name.customer.example"
    _, outgoing = await whole(house, FORWARD, sender=sender)
    assert outgoing.reverse_path is not None
    assert parse_bounce(outgoing.reverse_path.local, secrets=(SECRET,)) == (outgoing.message.queue_id, 0)


async def test_a_null_path_stays_null(house):
    null = forward_to_company(BAKERY, Writer(null=True), domain=DOMAIN)
    for decision in (null, FORWARD, MUNGED, send_report(INFO, domain=DOMAIN)):
        _, outgoing = await whole(house, decision, sender="")
        assert outgoing.reverse_path is None


@pytest.mark.parametrize(
    ("given_to", "asked", "orcpt"),
    [
        (f"bakery@{DOMAIN}", None, f"rfc822;bakery@{DOMAIN}"),
        (f"bakery@{DOMAIN}", "rfc822;first@x.example", "rfc822;first@x.example"),
        (f"b\u00e4ckerei@{DOMAIN}", None, f"utf-8;b\u00e4ckerei@{DOMAIN}"),
    ],
)
async def test_a_forwarder_says_whom_it_was_for(house, given_to, asked, orcpt):
    local, _, domain = given_to.partition("@")
    recipient = Recipient(Address(local, domain), frozenset({Notify.NEVER}), asked)
    outgoing = house.outgoing(await house.batch(recipient, decision=FORWARD))
    assert outgoing.recipients == (Recipient(INFO, frozenset({Notify.NEVER}), orcpt),)


# The commands


async def commands(house, ehlo: str, *recipients: str | Recipient, **fields) -> list[str]:
    """MAIL and RCPT as a peer with these extensions sees them."""
    lines = "\r\n".join(f"250-{word}" for word in ehlo.split(",") if word)
    reply = f"250-peer.example\r\n{lines}\r\n250 HELP" if ehlo else "250 peer.example"
    async with ScriptedPeer(Script(ehlo=Say(reply))) as peer:
        house.configure(delivery={"port": peer.port})
        await house.attempt(*recipients, **fields)
        await peer.wait_for(lambda peer: peer.records[0].closed)
        return [line for line in peer.records[0].lines if line[:4] in ("MAIL", "RCPT")]


ASKED = Recipient(Address("anna", "customer.example"), frozenset({Notify.FAILURE, Notify.DELAY}), "rfc822;a+b@x")
ENVELOPE = {"body": Body.EIGHT_BIT, "ret": Ret.HDRS, "envid": "invoice 7+1"}


@pytest.mark.parametrize(
    ("ehlo", "mail", "rcpt"),
    [
        ("", "MAIL FROM:<>", "RCPT TO:<anna@customer.example>"),
        ("SIZE,8BITMIME", "MAIL FROM:<> SIZE={size} BODY=8BITMIME", "RCPT TO:<anna@customer.example>"),
        (
            "dsn,pipelining",
            "MAIL FROM:<> RET=HDRS ENVID=invoice+207+2B1",
            "RCPT TO:<anna@customer.example> NOTIFY=DELAY,FAILURE ORCPT=rfc822;a+2Bb@x",
        ),
        ("SMTPUTF8,8BITMIME", "MAIL FROM:<> BODY=8BITMIME", "RCPT TO:<anna@customer.example>"),
    ],
)
async def test_parameters_are_sent_where_they_are_offered(house, ehlo, mail, rcpt):
    batch_size = len(MAIL) - len(b"Bcc: secret@customer.example\r\n")
    said = await commands(house, ehlo, ASKED, envelope=ENVELOPE)
    assert said == [mail.format(size=batch_size), rcpt]


WIDE = "\u00e4nna@m\u00fcnchen.example"


async def test_an_international_local_part_needs_a_host_that_takes_it(house):
    house.host("xn--mnchen-3ya.example", "127.0.0.1")
    said = await commands(house, "SMTPUTF8,8BITMIME", WIDE, envelope={"smtputf8": True})
    assert said == ["MAIL FROM:<> SMTPUTF8", f"RCPT TO:<{WIDE}>"]
    async with ScriptedPeer(Script(ehlo=Say("250 peer.example"))) as peer:
        house.configure(delivery={"port": peer.port})
        (outcome,) = (await house.attempt(WIDE, envelope={"smtputf8": True})).outcomes
        assert (outcome.action, outcome.status) == ("fail", "5.6.7")


@pytest.mark.parametrize("ehlo", ["SMTPUTF8,8BITMIME", "PIPELINING"])
async def test_an_international_domain_alone_has_another_form(house, ehlo):
    """SMTPUTF8 is not announced for it, so it must not be used for it."""
    house.host("xn--mnchen-3ya.example", "127.0.0.1")
    said = await commands(house, ehlo, "anna@m\u00fcnchen.example")
    assert said == ["MAIL FROM:<>", "RCPT TO:<anna@xn--mnchen-3ya.example>"]


@pytest.mark.parametrize(
    ("limit", "delivered"),
    [("", True), ("0", True), ("10", False), ("1000000", True), ("\u00b2", True), ("9" * 5000, True), ("x", True)],
)
async def test_a_size_limit_is_minded_when_it_is_one(house, limit, delivered):
    said = await commands(house, f"SIZE {limit}".strip())
    assert bool(said) is delivered


async def test_eight_bit_content_needs_a_host_that_takes_it(house):
    octets = MAIL + b"caf\xe9\r\n"
    assert await commands(house, "PIPELINING", octets=octets) == []
    assert await commands(house, "8BITMIME", octets=octets) == ["MAIL FROM:<>", f"RCPT TO:<{ANNA}>"]
    assert await commands(house, "PIPELINING", octets=octets, envelope={"body": Body.SEVEN_BIT})
    assert await commands(house, "PIPELINING", octets=MAIL)


# Dots


class Store:
    """A spool that holds one message, in blocks as long as the test wants."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def read(self, content: Content, start: int, length: int) -> bytes:
        return self._octets[start : start + length]


class Taken:
    def __init__(self) -> None:
        self.octets = b""

    def write(self, block: bytes) -> None:
        self.octets += block


lines = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x", b"x.", b"." * 9, b"x" * 30]), max_size=40)


@given(header=lines, body=lines, block=st.integers(1, 20), step=st.integers(1, 50))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_dots_survive_the_way_wherever_the_blocks_end(monkeypatch, header, body, block, step):
    """Stuffed by us in small blocks, and taken off again by the receiving edge's own reader."""
    head = b"".join(b"X: " + line + b"\r\n" for line in header) + b"\r\n"
    octets = head + b"".join(line + b"\r\n" for line in body)
    monkeypatch.setattr("relay.delivery.outgoing._BLOCK", block)
    monkeypatch.setattr("relay.delivery.dialogue._MOST_JOINED", block)
    content = Content("s", ((0, len(octets)),), len(octets), len(head), "")
    message = type("Message", (), {"content": content})()
    outgoing = Outgoing(None, (), head, message, Store(octets))  # type: ignore[arg-type]
    wire = b"".join(_stuffed(outgoing))
    taken = Taken()
    receiver = DotReceiver(taken)  # type: ignore[arg-type]
    rest = None
    for start in range(0, len(wire), step):
        assert rest is None
        rest = receiver.feed(wire[start : start + step])
    assert rest == b""
    assert taken.octets == octets


async def test_dots_survive_a_real_server(house):
    octets = b"From: a@b.example\r\n\r\n" + (b".\r\n..\r\n.x\r\n\r\n" + b"." * 900 + b"\r\n") * 700
    async with Sink() as sink:
        house.configure(delivery={"port": sink.port})
        assert (await house.attempt(octets=octets)).outcomes[0].action == "delivered"
    (received,) = sink.messages
    assert received.partition(b"\r\n\r\n")[2] == octets.partition(b"\r\n\r\n")[2]


def test_a_size_counts_what_leaves():
    content = Content("s", ((0, 10),), 10, 4, "")
    message = type("Message", (), {"content": content})()
    outgoing = Outgoing(None, (), b"ab\r\n\r\n", message, Store(b""))  # type: ignore[arg-type]
    assert outgoing.size == 12
    assert replace(outgoing, header=b"\r\n").size == 8
