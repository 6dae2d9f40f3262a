"""The text of a mail is found in whatever it is wrapped, and nothing makes that fail or take long."""

import base64
import html
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.text import MOST_READ, readable_text, unescaped


def made(text: str, *, cte: str | None = None, charset: str = "utf-8", subtype: str = "plain") -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message.set_content(text, cte=cte, charset=charset, subtype=subtype)
    return message


@pytest.mark.parametrize("cte", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
def test_text_in_every_encoding(cte, charset):
    assert readable_text(made("caf\u00e9 BE71", cte=cte, charset=charset).as_bytes()).strip() == "caf\u00e9 BE71"


def test_a_mail_without_a_type_is_text():
    assert readable_text(b"Subject: x\r\n\r\nhello\r\n") == "hello\r\n"
    assert readable_text(b"Content-Type: text/plain; charset=rot13\r\n\r\nhello") == "hello"


def test_html_is_read_without_its_tags():
    page = "<html><p class='a'>BE71&nbsp;0961<br>x</p><!-- no --></html>"
    assert readable_text(made(page, subtype="html").as_bytes()).split() == ["BE71", "0961", "x"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("&#66;&#x45;71", "BE71"),
        ("&#0;&#00000066;E", "\ufffdBE"),
        ("a&#" + "9" * 5000 + ";b", "a\ufffdb"),
        ("&#" + "0" * 5000 + "66;E", "BE"),
        ("&#" + "0" * 5000 + ";", "\ufffd"),
        ("&#;&#x;&eacute;", "&#;&#x;\u00e9"),
    ],
)
def test_characters_by_their_number_however_long_it_is(written, shown):
    assert readable_text(made(written, subtype="html").as_bytes()).strip() == shown


def test_all_texts_of_nested_parts_and_nothing_attached():
    message = made("plain")
    message.add_alternative("<b>rich</b>", subtype="html")
    message.add_attachment(b"%PDF BE71", maintype="application", subtype="pdf", filename="x.pdf")
    message.add_attachment("attached", filename="x.txt")
    text = readable_text(message.as_bytes())
    assert "plain" in text
    assert "rich" in text
    assert "attached" not in text
    assert "PDF" not in text


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\r\n",
        b"Content-Type: multipart/mixed\r\n\r\nx",
        b"Content-Type: image/png\r\n\r\nx",
        b"Content-Type: nonsense\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n",
        b"No body",
        b"Content-Transfer-Encoding: base64\r\n\r\nA",
    ],
)
def test_what_has_no_text(octets):
    assert readable_text(octets).strip() in ("", "x" if b"mixed\r\n" in octets else "")


def test_what_is_cut_off_is_read_as_far_as_it_goes():
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello " + b"x" * MOST_READ
    assert readable_text(octets).startswith("hello x")
    coded = b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"hello")[:7]
    assert readable_text(coded) == "hello"


def nested(depth: int) -> bytes:
    octets = b"\r\nend"
    for level in range(depth):
        octets = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) + octets
    return octets


def test_nesting_has_an_end():
    assert readable_text(nested(6)) == "end"
    assert readable_text(nested(7)) == ""
    assert readable_text(nested(5000)) == ""


def test_parts_have_an_end():
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5000
    assert readable_text(octets).count("x") == 59


@given(st.binary(max_size=2000))
def test_nothing_fails(octets):
    readable_text(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + octets)
    readable_text(octets)


@pytest.mark.parametrize(
    "piece", [b"<", b"<style>", b"<a", b"&", b"--b\r\n", b"=\r\n", b"<!--", b"</style", b"A: b\r\n "]
)
def test_repetitions_cost_little(piece):
    for kind in (b"text/html", b"multipart/mixed; boundary=b"):
        readable_text(b"Content-Type: " + kind + b"\r\n\r\n" + piece * (MOST_READ // len(piece)))


# What references are made of, and what may stand around them.
_PIECES = (
    "&",
    "#",
    "x",
    "X",
    ";",
    "0",
    "65",
    "233",
    "128",
    "d800",
    "f",
    "z",
    " ",
    "amp",
    "not",
    "notin",
    "eacute",
    "Amp",
)


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=2)).map("".join))
def test_references_are_read_as_html_defines_them(text):
    assert unescaped(text) == html.unescape(text)
