"""Mail from outside is looked at while it comes in: what it proves stays with it, and a false name has consequences."""

import base64
import hashlib
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ed25519

from relay.incoming.evidence import wish_of
from relay.mail.address import Address
from relay.mail.body_forms import BodyForm, BodySeen
from relay.mail.dkim import BodyHash, Signer
from relay.mail.message import parse_header
from relay.mail.verp import bounce_address
from relay.policy.authentication import Result, from_json
from relay.policy.spoof import Spoofed, is_spoofed

from .front import SECRET, begin, send

BAKERY_ALIAS = "<bakery@my.relay.example>"

SIGNER = Signer("writer.example", "s1", ed25519.Ed25519PrivateKey.generate())
HEADER = b"From: jan@writer.example\r\nSubject: Invoice 17\r\n"
BODY = b"Thank  you \r\n\r\n\r\n"


def of(text: bytes) -> str:
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


def signed() -> bytes:
    hashed = BodyHash()
    hashed.update(BODY)
    return SIGNER.sign(parse_header(HEADER), hashed.digest(), 0) + HEADER + b"\r\n" + BODY


def publish(front, policy: str = "reject") -> None:
    front.names.texts |= {
        "s1._domainkey.writer.example": SIGNER.record,
        "_dmarc.writer.example": f"v=DMARC1; p={policy}",
    }


async def taken(front, octets: bytes, *, sender: str = "<jan@writer.example>"):
    reply = await send(front.mx(), sender, BAKERY_ALIAS, octets)
    assert reply.code == 250
    return from_json((await front.message(reply.text)).findings["evidence"])


async def test_a_signed_mail_is_proved_and_the_proof_stays_with_it(front):
    publish(front)
    found = await taken(front, signed())
    assert (found.dmarc.result, found.dmarc.aligned_by) == (Result.PASS, "dkim:writer.example")
    assert found.passes_by_dkim


async def test_every_form_of_body_hash_is_computed_while_the_mail_streams_in(front):
    publish(front)
    field = b"DKIM-Signature: v=1; a=ed25519-sha256; c=simple/%s; d=writer.example; s=s; h=from;%s bh=YmI=; b=YmI=\r\n"
    block = b"".join(field % pair for pair in ((b"simple", b""), (b"relaxed", b" l=3;")))
    session = front.mx()
    content = await begin(session, "<jan@writer.example>", BAKERY_ALIAS)
    for octet in block + HEADER + b"\r\n" + BODY:
        content.write(bytes([octet]))
    seen = content.bodies.seen("ours")
    assert set(seen) == {BodyForm("relaxed"), BodyForm("simple"), BodyForm("relaxed", 3)}
    assert seen[BodyForm("simple")].digest == of(b"Thank  you \r\n")
    assert seen[BodyForm("relaxed", 3)] == BodySeen(of(b"Tha"), covers=False)
    assert (await session.accept(content)).code == 250


async def test_a_false_name_is_refused_where_everybody_wants_that(front):
    publish(front)
    front.configure(authentication={"spoofed": "refuse"})
    reply = await send(front.mx(), "<jan@writer.example>", BAKERY_ALIAS, HEADER + b"\r\n" + BODY)
    assert str(reply).startswith("550 5.7.1 ")
    assert "writer.example" in reply.text
    assert (await send(front.mx(), "<jan@writer.example>", BAKERY_ALIAS, signed())).code == 250


async def test_a_company_may_wish_otherwise(front):
    publish(front)
    front.configure(authentication={"spoofed": "refuse"})
    snapshot = front.active.snapshot
    company = snapshot.by_alias("bakery")
    alias = Address("bakery", "my.relay.example")
    assert wish_of(snapshot, company, alias) is Spoofed.REFUSE
    assert wish_of(snapshot, replace(company, spoofed=Spoofed.MARK), alias) is Spoofed.MARK
    assert wish_of(snapshot, None, alias) is Spoofed.REFUSE


async def test_a_bounce_that_carries_our_seal_is_taken_whoever_it_says_it_is_from(front):
    publish(front)
    front.configure(authentication={"spoofed": "refuse"})
    ours = bounce_address("1m83n6z0e39ye9", 0, domain="my.relay.example", secrets=(SECRET,))
    content = b"From: MAILER-DAEMON@writer.example\r\nSubject: Undelivered\r\n\r\n"
    assert (await send(front.mx(), "<>", f"<{ours}>", content)).code == 250
    assert wish_of(front.active.snapshot, None, ours) is Spoofed.MARK


async def test_a_false_name_is_taken_otherwise_and_known(front):
    publish(front)
    found = await taken(front, HEADER + b"\r\n" + BODY)
    assert is_spoofed(found)
