"""Body hashes for signatures of others: what dkimpy computes, however the body is cut into blocks."""

import base64
import hashlib

import pytest
from dkim.canonicalization import CanonicalizationPolicy
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.body_forms import MOST_HASHES, OURS, BodyForm, BodyHashes, BodySeen


def of(text: bytes) -> str:
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


def canonical(form: str, body: bytes) -> bytes:
    return CanonicalizationPolicy.from_c_value(f"{form}/{form}".encode()).canonicalize_body(body)


def seen(form: BodyForm, *blocks: bytes) -> BodySeen:
    hashes = BodyHashes([form])
    for block in blocks:
        hashes.update(block)
    return hashes.seen("ours")[form]


@pytest.mark.parametrize(
    ("body", "simple"),
    [
        (b"", b"\r\n"),
        (b"\r\n\r\n", b"\r\n"),
        (b"a", b"a\r\n"),
        (b"a \r\n\r\n\r\n", b"a \r\n"),
        (b"\r\n\r\na\r\n \r\n\r\n", b"\r\n\r\na\r\n \r\n"),
        (b"a\r\n\r", b"a\r\n\r\r\n"),
        (b"a\n\r\n", b"a\n\r\n"),
        (b"a\r\r\n\r\n", b"a\r\r\n"),
        (b"\n", b"\n\r\n"),
        (b"\r\n" * 9000 + b"a\r\n", b"\r\n" * 9000 + b"a\r\n"),
    ],
)
def test_the_simple_form(body, simple):
    assert seen(BodyForm("simple"), body).digest == of(simple)
    assert seen(BodyForm("simple"), *(body[at : at + 1] for at in range(len(body)))).digest == of(simple)
    assert canonical("simple", body) == simple


pieces = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\r\n\r\n", b"word", b"\xe9"]), max_size=15)


@given(pieces, st.data())
def test_any_body_hashes_as_dkimpy_hashes_it(parts, data):
    body = b"".join(parts) + b"\r\n"
    form = data.draw(st.sampled_from(("simple", "relaxed")))
    wanted = canonical(form, body)
    limit = data.draw(st.none() | st.integers(0, len(wanted) + 2))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=4)))
    blocks = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    if form == "relaxed" and limit is None:
        return  # that is our own
    found = seen(BodyForm(form, limit), *blocks)
    assert found.digest == of(wanted[:limit])
    assert found.covers == (limit is None or len(wanted) <= limit)
    assert found.falls_short == (limit is not None and len(wanted) < limit)


def test_a_bare_return_at_the_end_is_text():
    hashes = BodyHashes([BodyForm("simple")])
    hashes.update(b"a\r\n\r\n\r")
    assert hashes.seen("")[BodyForm("simple")].digest == of(b"a\r\n\r\n\r\r\n")


def test_what_comes_behind_a_limit_is_not_looked_at():
    form = BodyForm("relaxed", 3)
    hashes = BodyHashes([form])
    hashes.update(b"abcdef")
    size = hashes._bodies[form]._sink.size
    hashes.update(b"x" * 100)
    assert hashes._bodies[form]._sink.size == size
    assert hashes.seen("")[form] == BodySeen(of(b"abc"), covers=False)


def test_our_own_hash_is_not_computed_again_and_there_are_only_a_few():
    forms = [OURS, BodyForm("simple"), BodyForm("simple"), *(BodyForm("relaxed", size) for size in range(100))]
    hashes = BodyHashes(forms)
    assert len(hashes._bodies) == MOST_HASHES - 1
    assert OURS not in hashes._bodies
    assert hashes.seen("bh")[OURS] == BodySeen("bh")
