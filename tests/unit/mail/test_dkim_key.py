"""Key records of strangers: what makes a key, what makes none, and that size is looked at first."""

import base64
import hashlib
from itertools import count

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.dkim import dns_record
from relay.mail.dkim_key import MOST_RECORD, PublicKey, Unusable, read_key

RSA_KEY = rsa.generate_private_key(65537, 1024)
ED_KEY = ed25519.Ed25519PrivateKey.generate()
RSA_RECORD = dns_record(RSA_KEY).encode()
ED_RECORD = dns_record(ED_KEY).encode()
P = RSA_RECORD.rpartition(b"p=")[2]


def der(key) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def p_of(octets: bytes) -> bytes:
    return base64.b64encode(octets)


def refusal(record: bytes) -> str:
    found = read_key(record)
    assert isinstance(found, Unusable)
    return found.reason


def key(record: bytes) -> PublicKey:
    found = read_key(record)
    assert isinstance(found, PublicKey)
    return found


@pytest.mark.parametrize(
    "record",
    [
        RSA_RECORD,
        b"p=" + P,
        b" v = DKIM1 ; p=" + P[:40] + b" \t" + P[40:] + b" ; n=note; unknown=1",
        b"k=RSA; h=sha1:sha256; s=email:other; t=y:s; g=*; p=" + P,
        ED_RECORD,
    ],
    ids=count(),
)
def test_these_are_keys(record):
    assert isinstance(read_key(record), PublicKey)


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        (b"", "no key"),
        (b"v=DKIM2; p=" + P, "version"),
        (b"p=" + P + b"; v=DKIM1", "version"),
        (b"v=DKIM1; p=", "revoked"),
        (b"v=DKIM1; h=sha1; p=" + P, "SHA-256"),
        (b"v=DKIM1; s=tlsrpt; p=" + P, "not for mail"),
        (b"v=DKIM1; k=dsa; p=" + P, "unknown kind"),
        (b"v=DKIM1; p=!!!", "Base64"),
        (b"v=DKIM1; p=" + P[:40], "no RSA key"),
        (b"v=DKIM1; k=ed25519; p=" + P, "no Ed25519 key"),
        (b"v=DKIM1; p=" + p_of(der(ec.generate_private_key(ec.SECP256R1()).public_key())), "no RSA key"),
        (b"\xff\xfe", "cannot be read"),
    ],
    ids=count(),
)
def test_these_are_none(record, complaint):
    assert complaint in refusal(record)


def test_a_key_that_is_too_short_is_known_as_weak():
    # A modulus of 768 bits; nobody has its factors, and nobody needs them here.
    weak = rsa.RSAPublicNumbers(65537, (1 << 767) + 12345).public_key()
    found = read_key(b"p=" + p_of(der(weak)))
    assert found == Unusable("the key has only 768 bits", weak=True)


@pytest.mark.parametrize(
    "numbers",
    [
        rsa.RSAPublicNumbers(65537, (1 << 4099) + 1),
        rsa.RSAPublicNumbers(65537, (1 << 16000) + 1),
        rsa.RSAPublicNumbers((1 << 40) + 1, (1 << 2047) + 1),
        rsa.RSAPublicNumbers((1 << 1999) + 1, (1 << 2047) + 1),
    ],
)
def test_keys_made_to_be_slow_are_refused_before_anything_is_computed(numbers):
    assert "more than 4096 bits" in refusal(b"p=" + p_of(der(numbers.public_key())))


def test_a_record_that_is_too_long_is_not_read_at_all():
    assert "longer than" in refusal(b"v=DKIM1; p=" + P + b"; n=" + b"x" * MOST_RECORD)


def test_a_key_of_4096_bits_is_still_one():
    assert isinstance(read_key(b"p=" + p_of(der(rsa.RSAPublicNumbers(65537, (1 << 4095) + 1).public_key()))), PublicKey)


def test_a_key_knows_its_own_signatures():
    signature = RSA_KEY.sign(b"text", padding.PKCS1v15(), hashes.SHA256())
    assert key(RSA_RECORD).has_signed(b"text", signature)
    assert not key(RSA_RECORD).has_signed(b"other", signature)
    assert key(ED_RECORD).has_signed(b"text", ED_KEY.sign(hashlib.sha256(b"text").digest()))
    assert not key(ED_RECORD).has_signed(b"text", signature)
    assert key(RSA_RECORD).fits("rsa-sha256")
    assert not key(RSA_RECORD).fits("ed25519-sha256")
    assert key(ED_RECORD).fits("ed25519-sha256")


@pytest.mark.parametrize(
    ("record", "identity", "allowed"),
    [
        (b"", "jan@sub.a.example", True),
        (b"t=s; ", "jan@sub.a.example", False),
        (b"t=y:s; ", "jan@A.example", True),
        (b"g=jan; ", "jan@a.example", True),
        (b"g=jan; ", "piet@a.example", False),
        (b"g=j*n; ", "johan@a.example", True),
        (b"g=j*n; ", "j@a.example", False),
        (b"g=*; ", "@a.example", True),
        (b"g=; ", "piet@a.example", True),
    ],
)
def test_a_record_may_narrow_who_signs(record, identity, allowed):
    assert key(record + b"p=" + P).allows(identity, "a.example") is allowed


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda octets: b"v=DKIM1; p=" + base64.b64encode(octets)))
def test_any_record_is_a_key_or_a_reason(record):
    assert isinstance(read_key(record), PublicKey | Unusable)
