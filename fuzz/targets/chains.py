"""ARC: chains are read or refused, and a set of ours on top of whatever was there is a set that can be read again."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from fuzz.pieces import Pieces
from relay.authn.arc import vouching_sealer
from relay.authn.claimed import read_claimed
from relay.mail.arc_chain import MOST_SETS, ChainError, read_chain, results_payload, seal_text
from relay.mail.arc_seal import Sealing, seal_header
from relay.mail.body_forms import BodyHashes
from relay.mail.dkim import Signer
from relay.mail.dkim_signature import MOST_FIELD
from relay.mail.message import HeaderError, parse_header

_SET = (
    b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=x.example; s=s; b=YmI=\r\n"
    b"ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=x.example; s=s; h=from; bh=YmI=; b=YmI=\r\n"
    b"ARC-Authentication-Results: i=1; x.example; dmarc=pass header.from=b.example\r\n"
)
SEEDS = (
    b"\x00" + _SET + b"From: a@b.example\r\n",
    b"\x01" + _SET.replace(b"i=1", b"i=2").replace(b"none", b"pass") + _SET,
    b"\x01From: a@b.example\r\n",
    b"\x00" + _SET.replace(b"i=1;", b"i = 01 ;").replace(b"cv=none", b"cv=fail"),
)


@cache
def _signer() -> Signer:
    # Half a second once; the signatures are not looked at here.
    return Signer("my.relay.example", "s1", rsa.generate_private_key(65537, 2048))


def check(data: bytes) -> None:
    pieces = Pieces(data)
    passes = bool(pieces.number(1))
    try:
        header = parse_header(pieces.rest())
    except HeaderError:
        return
    BodyHashes(read_claimed(header).forms)
    try:
        sets = read_chain(header)
    except ChainError as error:
        str(error).encode()
        sets = None
    if sets:
        assert len(sets) <= MOST_SETS
        assert b"\n" not in seal_text(sets).rsplit(b"\r\n", 1)[1]
        vouching_sealer(sets, "b.example", {"x.example"})
    sealed = seal_header(header, "YmI=", _signer(), Sealing(b"mx.my.relay.example; dmarc=none", passes=passes), 1)
    assert parse_header(bytes(sealed)) == sealed
    assert sealed.fields[-len(header.fields) :] == header.fields or not header.fields
    if any(len(each.raw) > MOST_FIELD for each in sealed.fields):
        return  # ours names a thousand fields
    if sets is not None and (passes or not sets) and len(sets) < MOST_SETS and sealed != header:
        again = read_chain(sealed)
        assert len(again) == len(sets) + 1
        assert again[:-1] == sets
        assert results_payload(again[-1].results).strip() == b"mx.my.relay.example; dmarc=none"
