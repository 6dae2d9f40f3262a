"""Signatures: verified by two other implementations, over odd headers and bodies, with both kinds of keys."""

import re

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail.dkim import (
    MOST_REPEATED,
    SIGNED_FIELDS,
    BodyHash,
    Signer,
    dns_record,
    load_private_key,
    repeated_too_often,
)
from relay.mail.dkim_signature import Signature, read_signature
from relay.mail.message import parse_header
from tests.peers import mail_dkim

RSA_KEY = rsa.generate_private_key(65537, 2048)
ED_KEY = ed25519.Ed25519PrivateKey.generate()
RSA_SIGNER = Signer("Relay.Example", "r1", RSA_KEY)
ED_SIGNER = Signer("relay.example", "e1", ED_KEY)
RECORDS = {
    "r1._domainkey.relay.example": dns_record(RSA_KEY),
    "e1._domainkey.relay.example": dns_record(ED_KEY),
}

PLAIN = b"From: a@relay.example\r\nTo: b@x.example\r\nSubject: Invoice\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
HEADERS = {
    "plain": PLAIN,
    "folded": b"From: Someone\r\n\t<a@relay.example>\r\nSubject:\r\n a   long\r\n \t subject \r\nTo:b@x.example\r\n",
    "odd names": b"FROM: a@relay.example\r\nsUbJeCt:x\r\nMessage-Id:<1@x>\r\nMIME-VERSION:\t1.0\r\n",
    "repeated": PLAIN + b"To: c@x.example\r\nTo: d@x.example\r\nReferences: <1@x>\r\n <2@x>\r\nReferences: <3@x>\r\n",
    "empty values": PLAIN + b"Cc:\r\nReply-To: \r\nIn-Reply-To:\t\r\n",
    "eight bit": PLAIN + "Cc: Café <c@x.example>\r\n".encode() + b"X: \xff\xfe\r\n",
    "all fields": b"".join(name.encode() + b": a@relay.example\r\n" for name in SIGNED_FIELDS),
    "signed before": b"DKIM-Signature: v=1; a=rsa-sha256; d=y.example; s=x; h=from; bh=; b=\r\n" + PLAIN,
}
BODIES = {
    "empty": b"",
    "one line": b"Hello\r\n",
    "blanks at the end": b"Hello \t\r\nyou  there\t\r\n \r\n\r\n\t\r\n",
    "blank lines only": b"\r\n\r\n \r\n",
    "tabs": b"\ta\tb\t\tc\r\n",
    "no line end": b"Hello",
    "dots and octets": b".\r\n..\r\n\xe9\x80\r\n",
}


def dnsfunc(name, timeout=5):
    return RECORDS[name.decode().rstrip(".")].encode()


def signed(header_block: bytes, body: bytes, *signers: Signer) -> bytes:
    body_hash = BodyHash()
    body_hash.update(body)
    header = parse_header(header_block)
    fields = [signer.sign(header, body_hash.digest(), 1_790_000_000) for signer in signers]
    return bytes(header.prepend(b"".join(fields))) + b"\r\n" + body


def verdicts(message: bytes, count: int) -> list[bool]:
    return [dkim.DKIM(message).verify(idx=index, dnsfunc=dnsfunc) for index in range(count)]


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_dkimpy_believes_both_signatures(header, body):
    assert verdicts(signed(header, body, RSA_SIGNER, ED_SIGNER), 2) == [True, True]


def test_mail_dkim_believes_rsa_signatures(tmp_path):
    messages = [signed(header, body, RSA_SIGNER) for header in HEADERS.values() for body in BODIES.values()]
    # dkimpy cannot read blanks before the colon at all.
    messages.append(signed(b"FROM \t: a@relay.example\r\nSubject : x\r\n", b"Hello\r\n", RSA_SIGNER))
    messages.append(signed(PLAIN, b"Hello\r\n", RSA_SIGNER).replace(b"Invoice", b"Invoices"))
    messages.append(signed(PLAIN, b"Hello\r\n", RSA_SIGNER).replace(b"Hello", b"Hallo"))
    # The signature of another domain, there before ours, says nothing about ours.
    ours = [each[0] for each in mail_dkim.judge(messages, RECORDS, tmp_path)]
    assert ours[:-2] == ["rsa-sha256=pass"] * (len(messages) - 2)
    assert ours[-2:] == ["rsa-sha256=fail"] * 2


pieces = st.sampled_from([b"", b" ", b"\t", b"a", b"word", b"\xc3\xa9"])
lines = st.lists(pieces, max_size=6).map(b"".join)
values = st.lists(lines, min_size=1, max_size=3).map(b"\r\n ".join)
names = st.sampled_from((*SIGNED_FIELDS, "X"))
fields = st.builds(lambda name, value: name.encode() + b":" + value + b"\r\n", names, values)
bodies = st.lists(lines, max_size=8).map(lambda parts: b"".join(part + b"\r\n" for part in parts))


@settings(max_examples=60)
@given(st.lists(fields, max_size=10).map(b"".join), bodies)
def test_dkimpy_believes_signatures_over_anything(header, body):
    message = signed(b"From: a@relay.example\r\n" + header.replace(b"From:", b"Y:"), body, RSA_SIGNER, ED_SIGNER)
    assert verdicts(message, 2) == [True, True]


@pytest.mark.parametrize("name", [name for name in SIGNED_FIELDS if name != "From"])
def test_no_signed_field_can_be_added(name):
    message = signed(PLAIN, b"Hello\r\n", RSA_SIGNER)
    assert verdicts(message, 1) == [True]
    assert verdicts(name.encode() + b": forged\r\n" + message, 1) == [False]


def test_the_longest_signature_there_is_can_be_read(tmp_path):
    most = b"".join(name.encode() + b": a@relay.example\r\n" for name in SIGNED_FIELDS[1:]) * MOST_REPEATED
    header = parse_header(b"From: a@relay.example\r\n" + most)
    assert repeated_too_often(header) is None
    message = signed(bytes(header), b"Hello\r\n", RSA_SIGNER)
    assert isinstance(read_signature(parse_header(message.partition(b"\r\n\r\n")[0] + b"\r\n").fields[0]), Signature)
    assert verdicts(message, 1) == [True]
    assert mail_dkim.judge([message], RECORDS, tmp_path) == [["rsa-sha256=pass"]]
    assert verdicts(b"Subject: forged\r\n" + message, 1) == [False]


@pytest.mark.parametrize(("name", "told"), [("Cc", "Cc"), ("CC", "Cc"), ("X", None), ("Received", None)])
def test_what_is_there_too_often_to_be_signed_is_named(name, told):
    header = parse_header(PLAIN + (name.encode() + b": x\r\n") * (MOST_REPEATED + 1))
    assert repeated_too_often(header) == told
    assert repeated_too_often(parse_header(PLAIN)) is None


def test_the_field_is_what_it_should_be():
    message = signed(HEADERS["all fields"], b"Hello\r\n", ED_SIGNER)
    field = parse_header(message.split(b"\r\n\r\n")[0] + b"\r\n").fields[0]
    assert max(map(len, field.raw.split(b"\r\n"))) <= 78
    text = re.sub(rb"\s", b"", field.value).decode()
    tags = dict(tag.split("=", 1) for tag in text.split(";"))
    assert list(tags) == ["v", "a", "c", "d", "s", "t", "bh", "h", "b"]
    assert text.startswith("v=1;a=ed25519-sha256;c=relaxed/relaxed;d=relay.example;s=e1;t=1790000000;bh=")
    assert tags["h"].split(":") == [name for name in SIGNED_FIELDS for _ in range(2)]


def test_odd_blanks_are_not_folded_away():
    # RFC 6376 2.8: only blanks and tabs are squeezed; form feeds are not.
    first = RSA_SIGNER.sign(parse_header(b"From: a\x0cb\r\n"), "", 0)
    assert first == RSA_SIGNER.sign(parse_header(b"From:\ta\x0cb \r\n"), "", 0)
    assert first != RSA_SIGNER.sign(parse_header(b"From: a b\r\n"), "", 0)


@pytest.mark.parametrize(("domain", "selector"), [("x\r\n", "s"), ("x.example", "s;"), ("", "s"), ("x", "")])
def test_names_that_cannot_stand_in_a_signature(domain, selector):
    with pytest.raises(ValueError):
        Signer(domain, selector, ED_KEY)


def pem(key, encryption=None) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, encryption or serialization.NoEncryption())


@pytest.mark.parametrize("key", [RSA_KEY, ED_KEY])
def test_keys_are_loaded(key):
    loaded = load_private_key(pem(key))
    assert dns_record(loaded) == dns_record(key)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"junk",
        pem(rsa.generate_private_key(65537, 1024)),
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(ED_KEY, serialization.BestAvailableEncryption(b"secret")),
    ],
    ids=["empty", "junk", "short", "elliptic", "encrypted"],
)
def test_keys_that_are_refused(text):
    with pytest.raises(ValueError):
        load_private_key(text)


def test_the_record_of_the_published_key():
    # RFC 8463 A.2
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = ed25519.Ed25519PrivateKey.from_private_bytes(secret)
    assert dns_record(key) == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_one_key_signs_for_domains_that_point_to_it() -> None:
    message = signed(PLAIN, BODIES["one line"], RSA_SIGNER.for_domain("shop.example"))
    assert b"d=shop.example;" in message
    RECORDS["r1._domainkey.shop.example"] = RSA_SIGNER.record
    assert verdicts(message, 1) == [True]


def test_only_rsa_keys_may_seal():
    assert RSA_SIGNER.is_rsa
    assert not ED_SIGNER.is_rsa
