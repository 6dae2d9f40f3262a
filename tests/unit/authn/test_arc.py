"""Chains of seals, made by another program: which hold, how far back, and whose word is taken."""

import re
from itertools import count

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from relay.authn.arc import judge_chain, key_names, vouching_sealer
from relay.dns import Answer, Status
from relay.mail.arc_chain import ChainError, read_chain
from relay.mail.body_forms import BodyHashes
from relay.mail.dkim import BodyHash, dns_record
from relay.mail.dkim_signature import SignedText
from relay.mail.message import header_size, parse_header
from relay.policy.authentication import ArcFinding, Result

KEY = rsa.generate_private_key(65537, 1024)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
RECORD = dns_record(KEY).encode()
MAIL = b"From: jan@a.example\r\nTo: piet@b.example\r\nSubject: Invoice\r\n\r\nHello\r\n"
PASSES = b"dmarc=pass header.from=a.example"


def sealed(mail: bytes, domain: str, results: bytes = PASSES) -> bytes:
    """With one more set, made by dkimpy, and by what it says of the chain so far."""
    so_far = b"pass" if b"ARC-Seal" in mail else b"none"
    top = b"Authentication-Results: " + domain.encode() + b"; arc=" + so_far + b"; " + results + b"\r\n"
    name = domain.encode()
    fields = dkim.arc_sign(top + mail, b"s1", name, PEM, name, include_headers=[b"from", b"to", b"subject"])
    assert fields
    return b"".join(fields) + mail


def judged(mail: bytes, record: object = RECORD) -> ArcFinding:
    size = header_size(mail)
    header = parse_header(mail[:size])
    try:
        sets = read_chain(header)
    except ChainError as error:
        return ArcFinding(Result.FAIL, reason=str(error))
    bodies, ours = BodyHashes(each.message.body_form for each in sets), BodyHash()
    bodies.update(mail[size:])
    ours.update(mail[size:])
    answer = Answer(record, (), 0.0) if isinstance(record, Status) else Answer(Status.OK, (record,), 0.0)
    return judge_chain(sets, SignedText(header), bodies.seen(ours.digest()), dict.fromkeys(key_names(sets), answer))


def chain(*domains: str) -> bytes:
    mail = MAIL
    for domain in domains:
        mail = sealed(mail, domain)
    return mail


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_chains_of_another_program_hold(length):
    domains = [f"x{number}.example" for number in range(length)]
    mail = chain(*domains)
    assert judged(mail) == ArcFinding(Result.PASS, tuple(domains))
    assert dkim.arc_verify(mail, dnsfunc=lambda name, timeout=5: RECORD)[0] == dkim.CV_Pass


def test_mail_without_seals_has_no_chain():
    assert judged(MAIL) == ArcFinding()


def test_a_change_in_between_is_seen_and_the_chain_holds():
    first = sealed(MAIL, "x1.example").replace(b"Subject: Invoice", b"Subject: [list] Invoice")
    mail = sealed(sealed(first, "x2.example"), "x3.example")
    assert judged(mail) == ArcFinding(Result.PASS, ("x1.example", "x2.example", "x3.example"), oldest_pass=2)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello", b"Hallo"),
        (b"Subject: Invoice", b"Subject: Other"),
        (b"dmarc=pass", b"dmarc=fail"),
        (b"cv=none", b"cv=pass"),
        (b"ARC-Seal: i=1", b"X-Seal: i=1"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=3"),
        (b"d=x1.example", b"d=x9.example"),
    ],
)
def test_whatever_is_changed_afterwards_breaks_the_chain(old, new):
    mail = chain("x1.example", "x2.example")
    changed = mail.replace(old, new)
    assert changed != mail
    assert judged(changed).result is Result.FAIL
    # x9 publishes the same key here, so only the text of the seal tells.
    assert dkim.arc_verify(changed, dnsfunc=lambda name, timeout=5: RECORD)[0] != dkim.CV_Pass


@pytest.mark.parametrize(
    ("record", "result"),
    [
        (Status.TEMPORARY, Result.TEMPERROR),
        (Status.NXDOMAIN, Result.FAIL),
        (b"v=DKIM1; p=", Result.FAIL),
    ],
    ids=count(),
)
def test_keys_that_cannot_be_had_now_are_a_temporary_error(record, result):
    assert judged(chain("x1.example"), record).result is result


def test_a_missing_seal_key_is_told_from_a_missing_signature_key():
    mail = re.sub(rb"(ARC-Seal: [^:]*?s=)s1", rb"\1s2", chain("x1.example"))
    size = header_size(mail)
    sets = read_chain(parse_header(mail[:size]))
    ours = BodyHash()
    ours.update(mail[size:])
    bodies = BodyHashes([sets[0].message.body_form])
    bodies.update(mail[size:])
    for status, result in ((Status.TEMPORARY, Result.TEMPERROR), (Status.NXDOMAIN, Result.FAIL)):
        keys = {
            "s1._domainkey.x1.example": Answer(Status.OK, (RECORD,), 0.0),
            "s2._domainkey.x1.example": Answer(status, (), 0.0, reason="slow"),
        }
        found = judge_chain(sets, SignedText(parse_header(mail[:size])), bodies.seen(ours.digest()), keys)
        assert (found.result, found.reason[:6]) == (result, "seal 1")


@pytest.mark.parametrize(
    ("domains", "trusted", "vouching"),
    [
        (["x1.example"], {"x1.example"}, "x1.example"),
        (["x1.example"], set(), ""),
        (["x1.example", "x2.example"], {"x2.example"}, "x2.example"),
        (["x1.example", "x2.example"], {"x1.example"}, ""),
    ],
)
def test_only_a_trusted_sealer_vouches_and_only_from_the_newest_set_back(domains, trusted, vouching):
    mail = chain(*domains)
    sets = read_chain(parse_header(mail[: header_size(mail)]))
    assert vouching_sealer(sets, "a.example", trusted) == vouching
    assert vouching_sealer(sets, "b.example", trusted) == ""


def test_a_trusted_chain_is_believed_as_far_back_as_it_is_trusted():
    mail = sealed(sealed(MAIL, "x1.example"), "x2.example", b"dmarc=fail header.from=a.example")
    sets = read_chain(parse_header(mail[: header_size(mail)]))
    assert vouching_sealer(sets, "a.example", {"x1.example", "x2.example"}) == "x1.example"
    assert vouching_sealer(sets, "a.example", {"x2.example"}) == ""
