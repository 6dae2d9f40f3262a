"""Signatures of others as they are read, and the exact text they sign."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.body_forms import BodyForm
from relay.mail.dkim_signature import (
    MOST_FIELD,
    MOST_READ,
    MOST_SIGNATURES,
    Signature,
    SignatureError,
    SignedText,
    choose,
    read_signature,
    relaxed_field,
)
from relay.mail.message import Field, parse_header

GOOD = {"v": "1", "a": "rsa-sha256", "d": "a.example", "s": "s1", "h": "From:To", "bh": "YmI=", "b": "YmI="}


def field(**changes: str | None) -> Field:
    tags = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return Field(b"DKIM-Signature: " + "; ".join(f"{name}={value}" for name, value in tags.items()).encode() + b"\r\n")


def read(**changes: str | None) -> Signature:
    found = read_signature(field(**changes))
    assert isinstance(found, Signature)
    return found


def test_what_is_left_out_has_its_default():
    found = read()
    assert found.identity == "@a.example"
    assert found.header_form == "simple"
    assert found.body_form == BodyForm("simple", None)
    assert found.signed == ("from", "to")
    assert found.expires is None
    assert found.key_name == "s1._domainkey.a.example"
    assert found.mark == "YmI="


def test_what_is_said_is_read():
    found = read(
        a="ED25519-SHA256", d="A.Example", i="Jan@Sub.A.example", c="relaxed", l="17", t="10", x="20", q="dns/txt"
    )
    assert (found.algorithm, found.domain, found.identity) == ("ed25519-sha256", "a.example", "Jan@Sub.A.example")
    assert (found.header_form, found.body_form) == ("relaxed", BodyForm("simple", 17))
    assert found.expires == 20
    assert read(c="simple/relaxed").body_form == BodyForm("relaxed", None)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"v": None}, "version"),
        ({"v": "2"}, "version"),
        ({"a": "rsa-sha1"}, "rsa-sha1 does not count"),
        ({"a": "dsa-sha512"}, "algorithm"),
        ({"d": None}, "no domain"),
        ({"d": "localhost"}, "no domain"),
        ({"d": "a..example"}, "no domain"),
        ({"d": "a.example" * 40}, "no domain"),
        ({"s": "x y"}, "no selector"),
        ({"s": None}, "no selector"),
        ({"i": "jan@b.example"}, "identity"),
        ({"i": "jan@xa.example"}, "identity"),
        ({"i": "a.example"}, "identity"),
        ({"c": "nowsp"}, "canonical"),
        ({"c": "simple/nowsp"}, "canonical"),
        ({"h": "to"}, "From is not signed"),
        ({"h": None}, "h= is missing"),
        ({"b": ""}, "b= is missing"),
        ({"b": "*"}, "Base64"),
        ({"bh": None}, "bh= is missing"),
        ({"q": "http"}, "elsewhere"),
        ({"l": "-1"}, "no length"),
        ({"l": "1" * 77}, "no length"),
        ({"x": "soon"}, "no time"),
        ({"t": "20", "x": "10"}, "ends before"),
        ({"n": "x" * MOST_FIELD}, "longer than"),
        ({"n": "x;;"}, "no tag"),
    ],
)
def test_what_is_wrong_is_said(changes, complaint):
    found = read_signature(field(**changes))
    assert isinstance(found, SignatureError)
    assert complaint in str(found)


def test_two_thousand_folds_in_a_tag_are_read_like_any_other():
    folded = Field(field(b=None).raw.removesuffix(b"\r\n") + b"; b=" + b"YmI=".join([b"\r\n "] * 2000) + b"\r\n")
    found = read_signature(folded)
    assert isinstance(found, SignatureError)  # padding in the middle
    blank = Field(field(b=None).raw.removesuffix(b"\r\n") + b"; b=" + b"\r\n " * 2000 + b"YmI=\r\n")
    found = read_signature(blank)
    assert isinstance(found, Signature)
    assert SignedText(parse_header(b"From: x\r\n")).of(found).endswith(b"; b=")


def test_fields_of_one_name_are_signed_from_the_bottom_up_and_missing_ones_are_nothing():
    header = parse_header(b"To: 1\r\nFrom: x\r\nto:  2\t \r\n\ty\r\n")
    relaxed = read(c="relaxed/relaxed", h="to:to:to:from:cc", b="YmI=; z=1")
    own = b"dkim-signature:" + relaxed.field.value.replace(b"b=YmI=; z", b"b=; z")
    text = SignedText(header)
    assert text.of(relaxed) == b"to:2 y\r\nto:1\r\nfrom:x\r\n" + own
    assert text.of(relaxed) == b"to:2 y\r\nto:1\r\nfrom:x\r\n" + own
    simple = read(c="simple/simple", h="to:from", b="YmI=")
    assert text.of(simple).startswith(b"to:  2\t \r\n\ty\r\nFrom: x\r\nDKIM-Signature: ")


def test_the_relaxed_form_of_a_field():
    assert relaxed_field(b"SubJect \t:\r\n \t a\t\tb  \r\n c \r\n") == b"subject:a b c\r\n"
    assert relaxed_field(b"X:\r\n") == b"x:\r\n"


def test_of_many_signatures_those_of_the_authors_domain_are_looked_at_first():
    strangers = [bytes(field(d=f"x{number}.net").raw) for number in range(20)]
    near = [bytes(field(d=domain).raw) for domain in ("a.example", "b.a.example", "example.org", "c.a.example")]
    header = parse_header(
        b"".join([*strangers[:10], near[0], *strangers[10:], near[1], b"DKIM-Signature: junk\r\n", near[3]])
    )
    chosen = choose(header, ["b.a.example"])
    assert len(chosen) == MOST_SIGNATURES
    assert [each.domain for each in chosen[:4]] == ["a.example", "b.a.example", "c.a.example", "x0.net"]


def test_of_a_thousand_signatures_most_are_not_even_read():
    header = parse_header(field(d="x.net").raw * MOST_READ + field().raw * 950)
    assert {each.domain for each in choose(header, ["a.example"])} == {"x.net"}


tags = st.dictionaries(
    st.sampled_from([*"vadshbclitxq", "bh"]),
    st.sampled_from(["1", "rsa-sha256", "a.example", "from", "YmI=", "relaxed", "17", "dns/txt", "", "@a.example"])
    | st.text(max_size=9),
)


@given(tags)
def test_any_tags_are_a_signature_or_a_reason(changes):
    text = "; ".join(f"{name}={value}" for name, value in (GOOD | changes).items()).replace("\r", "").replace("\n", "")
    raw = b"DKIM-Signature: " + text.encode("utf-8", "surrogatepass") + b"\r\n"
    found = read_signature(Field(raw))
    assert isinstance(found, Signature | SignatureError)
    if isinstance(found, Signature):
        assert SignedText(parse_header(b"From: x\r\n")).of(found)


@pytest.mark.parametrize(
    ("signed", "fields", "covers"),
    [
        ("From", b"From: a@x\r\n", True),
        ("From:From", b"From: a@x\r\n", True),
        ("From", b"From: a@x\r\nFrom: b@x\r\n", False),
        ("From:Subject:From", b"From: a@x\r\nFrom: b@x\r\n", True),
        ("From", b"To: a@x\r\n", True),
    ],
)
def test_every_author_is_signed_or_not(signed, fields, covers):
    assert SignedText(parse_header(fields)).covers_author(read(h=signed)) is covers
