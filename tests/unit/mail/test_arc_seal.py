"""Chains of seals: verified by two other implementations, hop after hop, and ended where a chain does not hold."""

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.arc_seal import MOST_SETS, Sealing, seal_header
from relay.mail.dkim import BodyHash, Signer
from relay.mail.message import Header, parse_header
from tests.peers.mail_dkim import judge_chains

KEY = rsa.generate_private_key(65537, 2048)
SIGNER = Signer("relay.example", "r1", KEY)
OTHER = Signer("list.example", "l1", rsa.generate_private_key(65537, 2048))
RECORDS = {f"{each.selector}._domainkey.{each.domain}": each.record for each in (SIGNER, OTHER)}
AT = 1_790_000_000
PLAIN = b"From: Jan <jan@x.example>\r\nTo: b@relay.example\r\nSubject:  An  answer\r\nMessage-ID: <1@x>\r\n"
SIGNED = b"DKIM-Signature: v=1; d=x.example;\r\n\ts=a; b=AAAA\r\n" + PLAIN
BODY = b"Hello \t\r\nyou\r\n\r\n"
RESULTS = b"mx1.relay.example;\r\n\tspf=pass smtp.mailfrom=x.example;\r\n\tdmarc=pass header.from=x.example"


def body_hash() -> str:
    made = BodyHash()
    made.update(BODY)
    return made.digest()


def sealed(header: Header, *, signer: Signer = SIGNER, passes: bool = True) -> Header:
    return seal_header(header, body_hash(), signer, Sealing(RESULTS, passes), AT)


def octets(header: Header, body: bytes = BODY) -> bytes:
    return bytes(header) + b"\r\n" + body


def judged(message: bytes) -> str:
    """What dkimpy makes of the chain."""
    result, _, _ = dkim.arc_verify(message, dnsfunc=lambda name, **_: RECORDS[name.decode().rstrip(".")].encode())
    # Of a chain that was sealed as failed it says nothing more.
    return "fail" if result is None else result.decode()


def cv(header: Header) -> bytes:
    seal = header.first("arc-seal")
    assert seal is not None
    return seal.value.partition(b"cv=")[2].partition(b";")[0]


@pytest.mark.parametrize("fields", [PLAIN, SIGNED, SIGNED + SIGNED, b"From: \xc3\xa9 <a@x>\r\nX: \xff\r\n"])
def test_two_others_believe_a_chain_after_every_hop(tmp_path, fields):
    hops = [parse_header(fields)]
    for signer in (SIGNER, OTHER, SIGNER):
        forwarded = hops[-1].prepend(b"Received: from a by b; Mon, 23 Nov 2026 12:00:00 +0000\r\n")
        hops.append(sealed(forwarded, signer=signer))
    messages = [octets(hop) for hop in hops[1:]]
    assert [judged(message) for message in messages] == ["pass"] * 3
    assert judge_chains(messages, RECORDS, tmp_path) == ["pass"] * 3
    assert [cv(hop) for hop in hops[1:]] == [b"none", b"pass", b"pass"]


def test_what_changes_behind_a_seal_breaks_the_chain(tmp_path):
    header = sealed(parse_header(SIGNED))
    changed = [
        octets(header.replace("subject", b"Subject: Another\r\n")),
        octets(header, b"Another body\r\n"),
        octets(header.replace("arc-authentication-results", b"ARC-Authentication-Results: i=1; x; dmarc=pass\r\n")),
        octets(header.prepend(b"From: other@x.example\r\n")),
        octets(header.without("dkim-signature")),
    ]
    assert [judged(message) for message in changed] == ["fail"] * len(changed)
    assert judge_chains(changed, RECORDS, tmp_path) == ["fail"] * len(changed)


def test_a_signature_may_be_added_behind_a_seal(tmp_path):
    header = sealed(parse_header(SIGNED))
    message = octets(header.prepend(b"DKIM-Signature: v=1; d=y.example; s=b; b=BBBB\r\n"))
    assert judged(message) == "pass"
    assert judge_chains([message], RECORDS, tmp_path) == ["pass"]


def test_a_seal_over_a_thousand_signatures_can_be_read(tmp_path):
    header = sealed(parse_header(SIGNED.partition(b"From")[0] * 1000 + PLAIN))
    assert header.all("arc-message-signature")[0].value.count(b"DKIM-Signature") == 20
    assert judged(octets(header)) == "pass"
    assert judge_chains([octets(header)], RECORDS, tmp_path) == ["pass"]


def test_a_chain_that_does_not_hold_is_sealed_as_failed_once(tmp_path):
    broken = sealed(sealed(parse_header(PLAIN))).replace("subject", b"Subject: Another\r\n")
    failed = sealed(broken, passes=False)
    assert cv(failed) == b"fail"
    assert judged(octets(failed)) == "fail"
    assert judge_chains([octets(failed)], RECORDS, tmp_path) == ["fail"]
    # The seal covers our own set alone: whatever else the chain consists of, it is the same.
    other = sealed(parse_header(b"ARC-Seal: i=2; cv=none\r\n").append(bytes(broken)), passes=False)
    assert failed.first("arc-seal") == other.first("arc-seal")
    assert sealed(failed, passes=False) == failed
    assert sealed(failed.prepend(b"Received: x\r\n")).fields[0].key == "received"


def test_a_chain_ends_at_its_last_possible_set():
    full = parse_header(b"ARC-Seal: i=%d; cv=pass\r\n" % MOST_SETS + PLAIN)
    assert sealed(full) == full
    assert sealed(parse_header(b"ARC-Seal: i=999; cv=pass\r\n")).all("arc-message-signature") == ()


def test_pieces_of_a_chain_are_a_chain_that_does_not_hold():
    header = sealed(parse_header(b"ARC-Message-Signature: a=rsa-sha256\r\n" + PLAIN), passes=False)
    assert cv(header) == b"fail"
    assert b"i=1" in header.fields[0].value


@given(st.lists(st.tuples(st.sampled_from(["ARC-Seal", "ARC-Message-Signature", "X"]), st.text()), max_size=5))
def test_whatever_a_mail_claims_of_its_chain_we_add_one_set_or_none(claims):
    lines = [f"{name}: {''.join(text.split())}\r\n".encode("utf-8", "replace") for name, text in claims]
    block = b"".join(line for line in lines if b"\0" not in line)
    header = parse_header(block + PLAIN)
    result = sealed(header, passes=False)
    assert result.fields[-len(header.fields) :] == header.fields
    assert len(result.fields) - len(header.fields) in (0, 3)
