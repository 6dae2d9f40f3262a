"""What a mail says to its reader: bounded, fit to be written down, account numbers in it found as by a plain search."""

import re

from fuzz.pieces import Pieces
from relay.mail.address import Address
from relay.mail.iban import _LENGTHS, find_ibans, is_iban
from relay.mail.parts import read_files, read_parts
from relay.mail.text import MOST_READ, readable_text
from relay.policy.fraud import Sight, warnings_about

SEEDS = (
    b"\x00Content-Type: text/html; charset=utf-8\r\n\r\n<p>BE71&nbsp;0961<br>2345 6769</p>&#66;&#x45;",
    (
        b'\x00Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nBE71 0961 2345 6769\r\n--b\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\nQkU3MSAwOTYx\r\n--b--\r\n"
    ),
    b"\x00Content-Transfer-Encoding: quoted-printable\r\n\r\n=42=45 new account number\r\n",
    b"\x01NL91 ABNA 0417 1643 00 and DE89.3704.0044.0532.0130.00 and BE71096123456769",
    b"\x00Content-Type: text/html\r\n\r\n&#" + b"9" * 5000 + b";",
)
_WRITTEN_TOGETHER = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}[A-Za-z0-9]{11,30}(?![A-Za-z0-9])", re.ASCII)


def check(data: bytes) -> None:
    pieces = Pieces(data)
    is_text = pieces.number(1)
    mail = pieces.rest()
    for part in (*read_parts(mail), *read_files(mail)):
        part.kind.encode()
        assert all(len(value) <= 4000 for _, value in part.fields)
    text = mail.decode("utf-8", "replace") if is_text else readable_text(mail)
    text.encode()
    assert len(text) <= MOST_READ + 100
    found = find_ibans(text)
    assert len(found) == len(set(found)) <= 20
    assert all(map(is_iban, found))
    if len(found) < 20 and len(text) < 4000:
        plain = {each[0].upper() for each in _WRITTEN_TOGETHER.finditer(text)}
        assert {each for each in plain if len(each) == _LENGTHS.get(each[:2]) and is_iban(each)} <= set(found)
    sight = Sight(Address("a", "b.example"), display=text[:200], reply_to=None, text=text, company=text[:50])
    for warning in warnings_about(sight):
        assert not set(warning.text) & {"\r", "\n"}
