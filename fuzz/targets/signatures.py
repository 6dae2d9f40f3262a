"""Signatures and keys of strangers: read or refused, and nothing holds that was changed."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import ed25519

from fuzz.pieces import Pieces
from relay.authn.claimed import read_claimed
from relay.mail.body_forms import BodyHashes
from relay.mail.dkim import Signer, relaxed
from relay.mail.dkim_key import PublicKey, Unusable, read_key
from relay.mail.dkim_signature import MOST_FIELD, MOST_SIGNATURES, Signature, SignedText, choose, relaxed_field
from relay.mail.message import Header, HeaderError, parse_header
from relay.mail.tag_list import TagError, names_in, parse_tags, without_value

SEEDS = (
    (
        b"\x00v=DKIM1; k=rsa; t=s:y; g=a*; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qh"
        b"dR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3I"
        b"p3G+2kryOTIKT+l/K4w3QIDAQAB"
    ),
    b"\x00v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    (
        b"\x01DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=b.example; s=s1; i=a@b.example;\r\n\tl=5; t=1;"
        b" x=2; q=dns/txt; h=from:from:to; bh=YmI=;\r\n b=Y\r\n mI=\r\nFrom: a@b.example\r\nTo: x\r\n"
    ),
    b"\x02\x05From:  A\r\n\t<a@b.example> \r\nSubject: x\r\nSubject:\ty \r\n",
)
_AUTHORS = ("b.example",)


@cache
def _signer() -> Signer:
    return Signer("b.example", "s1", ed25519.Ed25519PrivateKey.from_private_bytes(b"a key that only tests do use, ok"))


def check(data: bytes) -> None:
    pieces = Pieces(data)
    match pieces.number(2):
        case 0:
            _key(pieces.rest())
        case 1:
            _read(pieces.rest())
        case _:
            _sign(pieces.number(255), pieces.rest())


def _key(record: bytes) -> None:
    key = read_key(record)
    assert isinstance(key, PublicKey | Unusable)
    if isinstance(key, PublicKey):
        key.has_signed(b"text", record[:256])
        key.allows("a@b.example", "b.example")
    try:
        tags = parse_tags(record)
    except TagError:
        return
    for value in tags.values():
        assert names_in(value)
    written = "; ".join(f"{name}={value}" for name, value in tags.items())
    assert parse_tags(written.encode()) == tags


def _read(block: bytes) -> None:
    try:
        header = parse_header(block)
    except HeaderError:
        return
    BodyHashes(read_claimed(header).forms)
    found = choose(header, _AUTHORS)
    assert len(found) <= MOST_SIGNATURES
    text = SignedText(header)
    for each in found:
        str(each).encode()
        if isinstance(each, Signature):
            assert each.key_name.isascii()
            assert text.of(each) == _signed(header, each)
    for field in header.fields:
        assert relaxed_field(field.raw) == relaxed([field])
        assert relaxed_field(relaxed_field(field.raw)) == relaxed_field(field.raw)


def _signed(header: Header, signature: Signature) -> bytes:
    """The text as RFC 6376 5.4.2 describes it, without regard to time."""
    left = list(header.fields)
    text = b""
    for key in signature.signed:
        for index in range(len(left) - 1, -1, -1):
            if left[index].key == key:
                field = left.pop(index)
                text += field.raw if signature.header_form == "simple" else relaxed_field(field.raw)
                break
    own = without_value(signature.field.raw, b"b")
    return text + (own if signature.header_form == "simple" else relaxed_field(own)[:-2])


def _sign(at: int, block: bytes) -> None:
    try:
        header = parse_header(block)
    except HeaderError:
        return
    signed = parse_header(_signer().sign(header, "YmI=", at)).fields[0]
    if len(signed.raw) > MOST_FIELD:
        return  # names a thousand fields
    (signature,) = choose(Header((signed,)), _AUTHORS)
    assert isinstance(signature, Signature), signature
    key = read_key(_signer().record.encode())
    assert isinstance(key, PublicKey)
    assert key.has_signed(SignedText(header).of(signature), signature.octets)
    for other in (header.prepend(b"From: x@b.example\r\n"), header.append(b"Subject: x\r\n"), header.without("from")):
        if other != header:
            assert not key.has_signed(SignedText(other).of(signature), signature.octets)
