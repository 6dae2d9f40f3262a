"""Authentication-Results: ours says only what is safe to say, and nobody else's passes for ours."""

import authres
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.authentication_results import (
    MOST_READ,
    Stated,
    results_field,
    results_value,
    says_dmarc_passes,
    without_ours,
)
from relay.mail.message import parse_header

OURS = "mx.relay.example"


def test_a_field_is_written_and_folded():
    value = results_value(
        OURS,
        [
            Stated("spf", "pass", [("smtp.mailfrom", "a.example")]),
            Stated("dkim", "pass", [("header.d", "a.example"), ("header.s", "s1"), ("header.b", "ab+/cd=e")]),
            Stated("dmarc", "fail", [("header.from", "a.example")]),
        ],
    )
    assert value == (
        "mx.relay.example; spf=pass smtp.mailfrom=a.example; "
        'dkim=pass header.d=a.example header.s=s1 header.b="ab+/cd=e"; dmarc=fail header.from=a.example'
    )
    field = results_field(value)
    assert max(map(len, field.split(b"\r\n"))) < 79
    assert parse_header(field).fields[0].value == value.encode()


def test_no_results_are_said_to_be_none():
    assert results_value(OURS, []) == "mx.relay.example; none"


@pytest.mark.parametrize("text", ["", "a b", "a;b", "a\r\nB: c", "é", 'a"', "(a)", "-a"])
def test_names_and_results_are_plain_words(text):
    for make in (
        lambda: results_value(text, []),
        lambda: results_value(OURS, [Stated(text, "pass")]),
        lambda: results_value(OURS, [Stated("spf", text)]),
        lambda: results_value(OURS, [Stated("spf", "pass", [(text, "a.example")])]),
    ):
        with pytest.raises(ValueError, match="plain word"):
            make()


hostile = st.text(max_size=40) | st.sampled_from(
    ["x; dkim=pass header.d=bank.example; a=@evil", "a\r\nFrom: b", "a(", 'a"', "a b", "a.example;", "a\\"]
)


@given(st.lists(hostile, max_size=3))
def test_no_value_adds_a_result_or_a_field(values):
    properties = [(f"header.p{number}", value) for number, value in enumerate(values)]
    field = results_field(results_value(OURS, [Stated("spf", "none", properties), Stated("dmarc", "fail")]))
    assert len(parse_header(field).fields) == 1
    read = authres.AuthenticationResultsHeader.parse(field.replace(b"\r\n", b"").decode())
    assert read.authserv_id == OURS
    assert [(each.method, each.result) for each in read.results] == [("spf", "none"), ("dmarc", "fail")]


def test_a_value_that_is_too_long_is_left_out():
    assert results_value(OURS, [Stated("spf", "pass", [("smtp.helo", "a" * 256)])]) == f"{OURS}; spf=pass"


@pytest.mark.parametrize(
    "value",
    [
        "mx.relay.example; dkim=pass",
        "MX.Relay.EXAMPLE ; dkim=pass",
        "mx.relay.example 1; dkim=pass",
        "mx.relay.example. ; dkim=pass",
        "mx.relay.example",
        '"mx.relay.example"; dkim=pass',
        '"mx.relay\\.example"; dkim=pass',
        "(comment) mx.relay.example (another (inner)); dkim=pass",
        "mx(comment).relay.example; dkim=pass",
        "(; not the end) mx.relay.example; dkim=pass",
        "(open mx.relay.example; dkim=pass",
        "mx.relay .example; dkim=pass",
        "\r\n mx.relay.example;\r\n dkim=pass",
        "other.example mx.relay.example; dkim=pass",
        "(\\) mx.relay.example; dkim=pass",
        "((((" * 2000 + "mx.relay.example; dkim=pass",
        "x" * MOST_READ + "; mx.relay.example",
    ],
)
def test_what_claims_to_be_ours_goes_however_it_is_spelled(value):
    header = parse_header(f"AUTHENTICATION-results \t: {value}\r\nFrom: a@a.example\r\n".encode())
    assert bytes(without_ours(header, OURS)) == b"From: a@a.example\r\n"


@pytest.mark.parametrize(
    "value",
    [
        "other.example; dkim=pass",
        "xmx.relay.example; dkim=pass",
        "mx.relay.example.org; dkim=pass",
        "a.mx.relay.example; dkim=pass",
        "other.example; dkim=pass header.d=mx.relay.example",
        "other.example; dkim=pass (for mx.relay.example)",
    ],
)
def test_what_others_say_stays_as_it_is(value):
    header = parse_header(f"Authentication-Results: {value}\r\nFrom: a@a.example\r\n".encode())
    assert without_ours(header, OURS) is header


@given(st.text('"()\\; m.relayxp', max_size=60))
def test_any_spelling_that_another_reader_takes_for_ours_goes(value):
    header = parse_header(f"Authentication-Results: {value}\r\n".encode())
    try:
        read = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}")
    except Exception:  # noqa: BLE001 -- what cannot be read is nobody's
        read = None
    kept = without_ours(header, "m.relay")
    assert read is None or read.authserv_id.lower() != "m.relay" or kept.fields == ()


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ("x; spf=pass; dmarc=pass (p=REJECT; sp=none) header.from=A.example", True),
        ("x 1; dmarc = pass action=none header.from=a.example;arc=none", True),
        ("x;dmarc=pass\theader.from=a.example", True),
        ("x; dmarc=pass header.from=b.example", False),
        ("x; dmarc=pass", False),
        ("x; dmarc=fail header.from=a.example", False),
        ("x; spf=pass (; dmarc=pass header.from=a.example)", False),
        ('x; spf=pass smtp.helo="; dmarc=pass header.from=a.example"', False),
        ("x; dkim=pass dmarc=pass header.from=a.example", False),
        ("dmarc=pass header.from=a.example", False),
        ("x" * MOST_READ + "; dmarc=pass header.from=a.example", False),
        ("", False),
    ],
)
def test_whether_a_sealer_saw_dmarc_pass(value, passes):
    assert says_dmarc_passes(value.encode(), "a.example") is passes


@given(st.binary(max_size=200))
def test_any_octets_can_be_asked(value):
    assert says_dmarc_passes(value, "a.example") in (True, False)
