"""Mails in a company's mailbox, read as the child does: nothing raises, and what was read survives the way back."""

from email import message_from_bytes
from email.message import Message
from email.policy import compat32

from fuzz.pieces import Pieces
from relay.fetch import lumps
from relay.fetch.frames import read_contents, write_contents
from relay.fetch.mime import mended
from relay.fetch.parts import Limits, read_mail
from relay.policy.invoice.judge import judge
from relay.policy.invoice.score import Taste

_MIXED = b"Subject: =?utf-8?q?x?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
SEEDS = (
    b"\x00" + _MIXED + b'--b\r\nContent-Type: application/pdf; name="x.pdf"\r\n\r\n%PDF-1.4\r\n%%EOF\r\n--b--\r\n',
    b"\x00" + _MIXED + b"--b\r\nContent-Type: application/xml\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"PEludm9pY2U+PC9JbnZvaWNlPg==\r\n--b--\r\n",
    b"\x00"
    + _MIXED
    + b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nbegin 644 x\r\n#86)C\r\nend\r\n--b--\r\n",
    b"\x00" + _MIXED + b"--b\r\nContent-Type: application/pdf; name*=utf-7''%2B2AA-.pdf\r\n\r\n%PDF-1.4\r\n--b--\r\n",
    b"\x00"
    + _MIXED
    + b"--b\r\nContent-Type: text/plain; charset=idna\r\n\r\n\xe9\r\n--b\r\n\r\n"
    + (b"QUJD" * 16 + b"\r\n") * 18
    + b"--b--\r\n",
    b"\x01x\x9f>\x22" + b"\x02\x90\x06\0" * 3,
    b"\x02PK\x03\x04" + b"\0" * 26,
    b"\x030\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x02\xa0\x80",
)
_LIMITS = Limits(parts=20, depth=4, octets=256 * 1024)
_NAMES = (b"", b"winmail.dat", b"x.zip", b"smime.p7m")


def check(data: bytes) -> None:
    pieces = Pieces(data)
    name = pieces.choice(_NAMES)
    mail = pieces.rest()
    if name:
        begin = b"--b\r\nContent-Transfer-Encoding: binary\r\nContent-Type: application/octet-stream; name=" + name
        mail = _MIXED + begin + b"\r\n\r\n" + mail + b"\r\n--b--\r\n"
    assert mended(mended(mail)) == mended(mail)
    assert _octets(lumps.parse(mail, compat32)) == _octets(message_from_bytes(mail, policy=compat32))
    contents = read_mail(mail, _LIMITS)
    facts = contents.facts
    assert len(facts.parts) <= _LIMITS.parts + 2
    assert sum(map(len, contents.data.values())) <= _LIMITS.octets
    assert repr(facts).encode()
    assert read_contents(b"".join(write_contents(contents))) == contents
    judge(facts, Taste())


def _octets(message: Message) -> list[object]:
    """All that the parser finds, but for defects."""
    return [
        (part.items(), part.preamble, part.epilogue, part.is_multipart() or part.get_payload(decode=True))
        for part in message.walk()
    ]
