"""Parameters of MAIL and RCPT: what is taken, what is refused with which reply."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address
from relay.mail.envelope import (
    Body,
    Envelope,
    MailParameters,
    Notify,
    ParameterError,
    RcptParameters,
    Recipient,
    Ret,
    encode_orcpt,
    encode_xtext,
    parse_mail_parameters,
    parse_rcpt_parameters,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", MailParameters()),
        ("SIZE=1000", MailParameters(size=1000)),
        ("size=0  body=8bitmime", MailParameters(size=0, body=Body.EIGHT_BIT)),
        ("BODY=7BIT SMTPUTF8", MailParameters(body=Body.SEVEN_BIT, smtputf8=True)),
        ("RET=hdrs ENVID=QQ314159", MailParameters(ret=Ret.HDRS, envid="QQ314159")),
        ("RET=FULL ENVID=Mixed+2Bcase+20x", MailParameters(ret=Ret.FULL, envid="Mixed+case x")),
        ("AUTH=<>", MailParameters(auth="<>")),
        ("AUTH=e+3Dmc2@example.com", MailParameters(auth="e=mc2@example.com")),
    ],
)
def test_mail_parameters(text, wanted):
    assert parse_mail_parameters(text) == wanted


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("SIZE", "501 5.5.4 Bad value for SIZE"),
        ("SIZE=", "501 5.5.4 Malformed parameter"),
        ("SIZE=-1", "501 5.5.4 Bad value for SIZE"),
        ("SIZE=" + "1" * 21, "501 5.5.4 Bad value for SIZE"),
        ("SIZE=\u0661", "501 5.5.4 Bad value for SIZE"),
        ("SIZE=1 size=2", "501 5.5.4 Parameter given twice"),
        ("BODY=BINARYMIME", "501 5.5.4 Bad value for BODY"),
        ("BODY", "501 5.5.4 Bad value for BODY"),
        ("SMTPUTF8=1", "501 5.5.4 Bad value for SMTPUTF8"),
        ("RET=SOME", "501 5.5.4 Bad value for RET"),
        ("ENVID=a=b", "501 5.5.4 Bad value for ENVID"),
        ("ENVID=a+0D+0Ab", "501 5.5.4 Bad value for ENVID"),
        ("ENVID=a+0d", "501 5.5.4 Bad value for ENVID"),
        ("ENVID=a+FF", "501 5.5.4 Bad value for ENVID"),
        ("ENVID=" + "a" * 101, "501 5.5.4 Bad value for ENVID"),
        ("AUTH=a+", "501 5.5.4 Bad value for AUTH"),
        ("AUTH", "501 5.5.4 Bad value for AUTH"),
        ("FOO", "555 5.5.4 Unknown parameter"),
        ("FOO-BAR=1", "555 5.5.4 Unknown parameter"),
        ("NOTIFY=NEVER", "555 5.5.4 Unknown parameter"),
        ("=1", "501 5.5.4 Malformed parameter"),
        ("-X=1", "501 5.5.4 Malformed parameter"),
        ("<a@b>", "501 5.5.4 Malformed parameter"),
    ],
)
def test_mail_parameters_that_are_refused(text, reply):
    with pytest.raises(ParameterError) as caught:
        parse_mail_parameters(text)
    assert str(caught.value.reply) == reply
    assert str(caught.value) == reply


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", RcptParameters()),
        ("NOTIFY=never", RcptParameters(frozenset({Notify.NEVER}))),
        ("NOTIFY=SUCCESS,FAILURE,DELAY", RcptParameters(frozenset({Notify.SUCCESS, Notify.FAILURE, Notify.DELAY}))),
        ("ORCPT=rfc822;Bob+2Btag@x.example", RcptParameters(orcpt="rfc822;Bob+tag@x.example")),
        ("ORCPT=utf-8;jos\u00e9@x.example", RcptParameters(orcpt="utf-8;jos\u00e9@x.example")),
        ("ORCPT=utf-8;jos\\x{E9}@x.example", RcptParameters(orcpt="utf-8;jos\u00e9@x.example")),
        ("ORCPT=UTF-8;a+2Bb@x.example", RcptParameters(orcpt="UTF-8;a+b@x.example")),
    ],
)
def test_rcpt_parameters(text, wanted):
    assert parse_rcpt_parameters(text) == wanted


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("NOTIFY=NEVER,SUCCESS", "501 5.5.4 Bad value for NOTIFY"),
        ("NOTIFY=SOMETIMES", "501 5.5.4 Bad value for NOTIFY"),
        ("NOTIFY", "501 5.5.4 Bad value for NOTIFY"),
        ("NOTIFY=SUCCESS NOTIFY=DELAY", "501 5.5.4 Parameter given twice"),
        ("ORCPT=bob@x.example", "501 5.5.4 Bad value for ORCPT"),
        ("ORCPT=;bob@x.example", "501 5.5.4 Bad value for ORCPT"),
        ("ORCPT=rfc822;", "501 5.5.4 Bad value for ORCPT"),
        ("ORCPT=rfc822;a+0D+0AStatus:x", "501 5.5.4 Bad value for ORCPT"),
        ("ORCPT=rfc822;jos\u00e9@x.example", "501 5.5.4 Bad value for ORCPT"),
        ("ORCPT=utf-8;a\\x{0A}b", "501 5.5.4 Bad value for ORCPT"),
        ("ORCPT=utf-8;a\\x{D800}b", "501 5.5.4 Bad value for ORCPT"),
        ("ORCPT=utf-8;a\\x{FFFFFF}b", "501 5.5.4 Bad value for ORCPT"),
        ("ORCPT=rfc822;" + "a" * 500, "501 5.5.4 Bad value for ORCPT"),
        ("SIZE=1", "555 5.5.4 Unknown parameter"),
    ],
)
def test_rcpt_parameters_that_are_refused(text, reply):
    with pytest.raises(ParameterError) as caught:
        parse_rcpt_parameters(text)
    assert str(caught.value.reply) == reply


@pytest.mark.parametrize(
    ("orcpt", "encoded"),
    [
        ("rfc822;a+b=c d@x.example", "rfc822;a+2Bb+3Dc+20d@x.example"),
        ("utf-8;jos\u00e9+b@x.example", "utf-8;jos\\x{E9}\\x{2B}b@x.example"),
    ],
)
def test_an_original_recipient_is_sent_in_ascii(orcpt, encoded):
    assert encode_orcpt(orcpt) == encoded


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=30))
def test_an_envelope_id_survives_the_wire(envid):
    encoded = encode_xtext(envid)
    assert encoded.isascii()
    assert " " not in encoded
    assert parse_mail_parameters(f"ENVID={encoded}").envid == envid


@given(
    st.sampled_from(["rfc822", "utf-8"]),
    st.text(st.characters(min_codepoint=0x20, exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=30),
)
def test_an_original_recipient_survives_the_wire(kind, address):
    orcpt = f"{kind};{address if kind == 'utf-8' else address.encode('ascii', 'replace').decode()}"
    encoded = encode_orcpt(orcpt)
    assert encoded.isascii()
    assert " " not in encoded
    assert parse_rcpt_parameters(f"ORCPT={encoded}").orcpt == orcpt


@given(st.text(max_size=60), st.sampled_from(["ENVID=", "AUTH=", "ORCPT=utf-8;", "ORCPT=rfc822;", "NOTIFY="]))
def test_no_parameter_breaks_a_line(text, keyword):
    for parse in (parse_mail_parameters, parse_rcpt_parameters):
        try:
            parameters = parse(keyword + text)
        except ParameterError:
            continue
        kept = [getattr(parameters, name, None) or "" for name in ("envid", "auth", "orcpt")]
        assert not re.search("[\x00-\x1f\x7f\u2028]", "".join(kept))


def test_an_envelope_is_a_value():
    recipient = Recipient(Address("a", "x.example"))
    assert Envelope(None, (recipient,)) == Envelope(None, (Recipient(Address("a", "x.example")),))
    assert hash(recipient) == hash(Recipient(Address("a", "x.example"), frozenset()))


def test_required_tls_is_a_flag() -> None:
    assert parse_mail_parameters("requiretls").require_tls
    assert not parse_mail_parameters("").require_tls
    with pytest.raises(ParameterError):
        parse_mail_parameters("REQUIRETLS=1")
