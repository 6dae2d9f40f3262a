"""A mail is the same to the parser whether or not what is long is kept away from it."""

import base64
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

from hypothesis import example, given
from hypothesis import strategies as st

from relay.fetch import lumps

from .mails import mail, pdf

RUN = base64.encodebytes(bytes(range(256)) * 8)
MULTIPART = b"Content-Type: multipart/mixed; boundary=b\n\n"
LINES = (b"A" * 76 + b"\n") * 40


def seen(message: Message) -> object:
    """All that a parser finds out."""
    payload = message.get_payload()
    inner = [seen(part) for part in payload] if isinstance(payload, list) else payload
    return (message.items(), message.preamble, message.epilogue, inner, message.get_payload(decode=True))


def alone(data: bytes) -> object:
    return seen(BytesParser(policy=compat32).parsebytes(data))


pieces = st.sampled_from(
    [
        *(RUN, LINES, RUN.replace(b"\n", b"\r\n"), LINES[:-1], b"A" * 80, b"=", b"====\n", b"\n", b"\r\n", b"\r"),
        *(b"--b\n", b"--b--\n", b"--c\n", b"Content-Type: multipart/mixed; boundary=b\n", b"MIME-Version: 1.0\n"),
        *(b"Content-Type: message/rfc822\n\n", b"Content-Transfer-Encoding: base64\n\n", b"Subject: x\n", b" folded\n"),
        *(
            b"Content-Type: message/delivery-status\n\n",
            b"Action: failed\n",
            b"=3D, (x) \xff\n",
            LINES + b"x y\n" + LINES,
        ),
        *(b"Content-Type: multipart/mixed; boundary=AAAA\n\n", b"SetAside0.\n", b"\xff", b"text\n", b"From x\n"),
    ]
)


@given(st.lists(pieces, max_size=30).map(b"".join))
@example(b"Content-Type: message/delivery-status\n\n" + RUN + b"\n" + RUN)
@example(b"Content-Type: message/delivery-status\n\n" + MULTIPART + RUN + b"\n" + RUN + b"--b\n\ntext\n--b--\n")
@example(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + RUN + b"--b\n\n" + LINES + b"--b--\n" + RUN)
def test_a_mail_is_read_as_the_parser_alone_reads_it(data):
    assert seen(lumps.parse(data, compat32)) == alone(data)


def test_octets_beyond_ascii_beside_what_is_long_stay_what_they_are():
    invoice = "<Invoice>één €</Invoice>".encode()
    begin = b"\n--b\nContent-Type: application/xml\nContent-Transfer-Encoding: 8bit\n\n"
    data = b"Content-Type: multipart/mixed; boundary=b\n" + begin + invoice + b"\n--b\n\n" + LINES + b"--b--\n"

    assert lumps.parse(data, compat32).get_payload()[0].get_payload(decode=True) == invoice


def test_what_is_long_is_kept_away_from_the_parser():
    data = mail(("f.pdf", pdf() + bytes(range(256)) * 400)).as_bytes()
    short, runs = lumps.set_aside(data)
    assert len(runs) == 1
    assert len(short) < 2000
    assert seen(lumps.parse(data, compat32)) == alone(data)


def test_a_mail_that_speaks_as_if_something_was_set_aside_is_read_as_it_is():
    data = b"Subject: x\n\nSetAside0.\n" + LINES
    assert lumps.set_aside(data) == (data, [])
