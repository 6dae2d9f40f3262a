"""Hashes of bodies as they stream in: any cut gives the same, and the same as dkimpy's over the whole body."""

import base64
import hashlib

from dkim.canonicalization import CanonicalizationPolicy

from fuzz.pieces import Pieces, in_blocks
from relay.mail.body_forms import OURS, BodyForm, BodyHashes
from relay.mail.dkim import BodyHash

SEEDS = (
    b"\x02\x01\x03\x05Thank  you \r\n\r\n\r\n",
    b"\x01\x01\x00 \t\r\n \r\nx\t \r\n",
    b"\x00\x00",
    b"\x03\x01\x02\x03\x09\r\n\r\nx\r\n\r\n\r\n",
)


def check(data: bytes) -> None:
    pieces = Pieces(data)
    sizes = [1 + pieces.number(31) for _ in range(pieces.number(4))]
    limit = pieces.number(400)
    body = pieces.rest().replace(b"\r", b"").replace(b"\n", b"\r\n")
    forms = [BodyForm(form, most) for form in ("relaxed", "simple") for most in (None, limit)]
    ours, others = BodyHash(), BodyHashes(forms)
    for block in in_blocks(body, sizes):
        ours.update(block)
        others.update(block)
    seen = others.seen(ours.digest())
    assert set(seen) == {OURS, *forms}
    for form in forms:
        canonical = _canonical(form.form, body)
        kept = canonical if form.limit is None else canonical[: form.limit]
        assert seen[form].digest == base64.b64encode(hashlib.sha256(kept).digest()).decode()
        if form.limit is not None:
            assert seen[form].covers == (len(canonical) <= form.limit)
            assert seen[form].falls_short == (len(canonical) < form.limit)


def _canonical(form: str, body: bytes) -> bytes:
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    return bytes(CanonicalizationPolicy.from_c_value(b"simple/" + form.encode()).canonicalize_body(body))
