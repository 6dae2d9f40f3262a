"""Everything that is looked up about one mail from outside: what comes of it, and that nobody can make it endless."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from relay.authn import arrivals
from relay.authn.arrivals import Claims
from relay.authn.claimed import MOST_AUTHORS, author_domains, read_claimed
from relay.authn.remembered import Verdicts
from relay.dns import Resolver
from relay.mail.address import parse_address
from relay.mail.body_forms import BodyHashes
from relay.mail.dkim import BodyHash, Signer
from relay.mail.dkim_signature import MOST_SIGNATURES
from relay.mail.message import Header, parse_header
from relay.policy.authentication import Authentication, Result
from relay.policy.dmarc import Policy
from relay.policy.dmarc_result import NO_AUTHOR
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import FaultKind, Zones

KEY = ed25519.Ed25519PrivateKey.generate()
SIGNER = Signer("a.example", "s1", KEY)
FROM = b"From: jan@a.example\r\nSubject: Invoice\r\n"


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with DnsServer(Zones(ttl=300)) as server:
        server.zones.publish("a.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
        server.zones.publish("mx.a.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
        server.zones.publish("_dmarc.a.example", "TXT", "v=DMARC1; p=reject; sp=quarantine")
        server.zones.publish("s1._domainkey.a.example", "TXT", SIGNER.record)
        server.zones.publish("evil.example", "TXT", "v=spf1 +all")
        yield server


@pytest.fixture
def resolver(dns) -> Resolver:
    return Resolver([f"127.0.0.1:{dns.port}"])


def signed(block: bytes = FROM, signer: Signer = SIGNER) -> bytes:
    return signer.sign(parse_header(block), BodyHash().digest(), 0) + block


def claims(
    block: bytes = FROM, *, peer="192.0.2.1", sender: str | None = "jan@a.example", helo="mx.a.example"
) -> Claims:
    header = parse_header(block)
    return Claims(
        ip_address(peer),
        helo,
        parse_address(sender) if sender else None,
        header,
        read_claimed(header),
        BodyHashes([]).seen(BodyHash().digest()),
        now=0.0,
    )


async def authenticate(what: Claims, resolver: Resolver, verdicts: Verdicts | None = None) -> Authentication:
    return await arrivals.authenticate(what, resolver, verdicts=verdicts or Verdicts())


def said(found: Authentication) -> tuple[str, str, str, str]:
    dkim = ",".join(each.result for each in found.dkim)
    return found.spf.result.value, dkim, found.dmarc.result.value, found.dmarc.aligned_by


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        (claims(signed()), ("pass", "pass", "pass", "dkim:a.example")),
        (claims(), ("pass", "", "pass", "spf:a.example")),
        (claims(peer="192.0.2.9"), ("fail", "", "fail", "")),
        (claims(signed(), peer="192.0.2.9"), ("fail", "pass", "pass", "dkim:a.example")),
        (claims(sender="x@evil.example"), ("pass", "", "fail", "")),
        (claims(sender=None), ("pass", "", "pass", "spf:mx.a.example")),
        (claims(sender=None, helo="[192.0.2.1]"), ("none", "", "fail", "")),
        (claims(sender=None, helo="localhost"), ("none", "", "fail", "")),
        (claims(sender=None, helo="192.0.2.1"), ("none", "", "fail", "")),
        (claims(b"From: x@nothing.example\r\n"), ("pass", "", "none", "")),
        (claims(b"Subject: nobody\r\n"), ("pass", "", "permerror", "")),
        (claims(b"From: a@a.example <b@b.example\r\n"), ("pass", "", "permerror", "")),
        (claims(b"From: jan@a.example, x@evil.example\r\n", sender="x@evil.example"), ("pass", "", "fail", "")),
        (claims(b"From: x@evil.example\r\nFrom: jan@a.example\r\n", sender="x@evil.example"), ("pass", "", "fail", "")),
        (claims(b"From: jan@sub.a.example\r\n"), ("pass", "", "pass", "spf:a.example")),
    ],
)
async def test_what_is_found(resolver, what, wanted):
    assert said(await authenticate(what, resolver)) == wanted


async def test_the_policy_for_names_below_is_found_too(resolver):
    found = await authenticate(claims(b"From: jan@sub.a.example\r\n", peer="192.0.2.9"), resolver)
    assert (found.dmarc.result, found.dmarc.policy, found.dmarc.found_at) == (
        Result.FAIL,
        Policy.QUARANTINE,
        "a.example",
    )


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.example", ("temperror", "", "temperror", "")),
        ("_dmarc.a.example", ("fail", "", "temperror", "")),
    ],
)
async def test_trouble_with_the_dns_is_a_temporary_error(dns, resolver, name, wanted):
    dns.zones.break_name(name, FaultKind.SERVFAIL)
    assert said(await authenticate(claims(peer="192.0.2.9"), resolver)) == wanted


async def test_a_key_that_cannot_be_had_leaves_it_open_whether_the_author_is_real(dns, resolver):
    dns.zones.break_name("s1._domainkey.a.example", FaultKind.SERVFAIL)
    found = await authenticate(claims(signed(), peer="192.0.2.9"), resolver)
    assert said(found) == ("fail", "temperror", "temperror", "")


async def test_nobody_hides_behind_slow_servers_of_his_own(dns, resolver, monkeypatch):
    monkeypatch.setattr(arrivals, "TIME_LIMIT", 0.2)
    for name in ("s1._domainkey.evil.example", "evil.example"):
        dns.zones.break_name(name, FaultKind.DROP)
    forged = signed(signer=SIGNER.for_domain("evil.example"))
    # What the real domain publishes is known by then.
    await authenticate(claims(), resolver)
    found = await authenticate(claims(forged, sender="x@evil.example"), resolver)
    assert said(found) == ("temperror", "temperror", "fail", "")


async def test_another_mail_is_judged_while_one_waits_for_the_dns(dns, resolver):
    await authenticate(claims(signed()), resolver)
    dns.zones.break_name("slow.example", FaultKind.DROP)
    stuck = asyncio.create_task(authenticate(claims(b"From: x@slow.example\r\n", sender="x@slow.example"), resolver))
    assert (await authenticate(claims(signed()), resolver)).dmarc.result is Result.PASS
    assert not stuck.done()
    stuck.cancel()


async def test_a_thousand_signatures_and_seals_cost_a_few_questions(dns, resolver):
    many = b"".join(
        b"DKIM-Signature: v=1; a=rsa-sha256; d=d%d.example; s=s%d; h=from; bh=YmI=; b=YmI=\r\n" % (number, number)
        for number in range(1000)
    )
    seals = b"".join(
        b"ARC-Seal: i=%d; a=rsa-sha256; cv=pass; d=x.example; s=s%d; b=YmI=\r\n" % (number, number)
        for number in range(1, 900)
    )
    found = await authenticate(claims(many + seals + FROM, sender=None, helo="x"), resolver)
    assert len(found.dkim) == MOST_SIGNATURES
    assert found.arc.result is Result.FAIL
    assert len([question for question in dns.questions if "_domainkey" in question.name]) == MOST_SIGNATURES
    assert len(dns.questions) <= MOST_SIGNATURES + 8


async def test_large_headers_are_worked_through_beside_the_loop(dns, resolver, monkeypatch):
    threads = []
    real = asyncio.to_thread

    async def to_thread(work, *arguments):
        threads.append(work)
        return await real(work, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    assert (await authenticate(claims(signed()), resolver)).dmarc.result is Result.PASS
    assert not threads
    large = signed(FROM + b"X: " + b"a b " * 10_000 + b"\r\n")
    assert (await authenticate(claims(large), resolver)).dmarc.result is Result.PASS
    assert len(threads) == 1


async def test_names_that_cannot_be_aligned_are_not_asked_about(dns, resolver):
    forged = signed(signer=SIGNER.for_domain("evil.example"))
    dns.zones.publish("s1._domainkey.evil.example", "TXT", SIGNER.record)
    found = await authenticate(claims(forged, sender="x@evil.example"), resolver)
    assert said(found) == ("pass", "pass", "fail", "")
    assert "_dmarc.evil.example" not in {question.name for question in dns.questions}


async def test_an_organization_that_cannot_be_looked_up_leaves_it_open(dns, resolver):
    dns.zones.publish("s1._domainkey.mail.a.example", "TXT", SIGNER.record)
    dns.zones.break_name("_dmarc.mail.a.example", FaultKind.SERVFAIL)
    block = signed(signer=SIGNER.for_domain("mail.a.example"))
    found = await authenticate(claims(block, peer="192.0.2.9"), resolver)
    assert said(found) == ("fail", "pass", "temperror", "")


def test_far_too_many_authors_are_none():
    def header(count: int) -> Header:
        return parse_header(b"From: " + b", ".join(b"a@d%d.example" % number for number in range(count)) + b"\r\n")

    assert len(author_domains(header(MOST_AUTHORS)) or ()) == MOST_AUTHORS
    assert len(author_domains(header(MOST_AUTHORS + 1)) or ()) == MOST_AUTHORS + 1
    assert author_domains(parse_header("From: jan@café.example\r\n".encode())) == ("xn--caf-dma.example",)


async def test_a_forged_author_among_many_fails_as_he_does_alone(dns, resolver):
    others = b"".join(b", x@d%d.example" % number for number in range(MOST_AUTHORS))
    found = await authenticate(claims(b"From: jan@a.example" + others + b"\r\n", peer="192.0.2.9"), resolver)
    assert (found.dmarc.result, found.dmarc.author, found.dmarc.policy) == (Result.FAIL, "a.example", Policy.REJECT)


async def test_more_authors_than_are_looked_at_pass_for_nobody(resolver):
    others = b"".join(b", x@d%d.example" % number for number in range(MOST_AUTHORS))
    found = await authenticate(claims(b"From: jan@a.example" + others + b"\r\n"), resolver)
    assert found.dmarc == NO_AUTHOR
