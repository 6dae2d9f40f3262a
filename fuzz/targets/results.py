"""Authentication-Results: what we write says what we found and nothing else, and what claims to be ours goes."""

from fuzz.pieces import Pieces
from relay.mail.authentication_results import Stated, results_field, results_value, says_dmarc_passes, without_ours
from relay.mail.message import Header, HeaderError, parse_header

SEEDS = (
    b"\x00mx.my.relay.example; dmarc=pass header.from=b.example",
    b"\x00(x) mx.my.relay.example 1; spf=pass; dmarc = pass (p=none) header.from = b.example",
    b'\x00"mx.my.relay.example"; dmarc=pass header.from="b.example"',
    b"\x00mx.my.\r\n relay.example (a(b)\\)c); none",
    b"\x01\x05dmarc\x04pass\x0bheader.from\x09b.example",
    b"\x01\x03spf\x08softfail\x0dsmtp.mailfrom\x10b.example; dkim=pass",
)
_OURS = "mx.my.relay.example"
_METHODS = ("spf", "dkim", "dmarc", "arc")
_RESULTS = ("pass", "fail", "none", "temperror")


def check(data: bytes) -> None:
    pieces = Pieces(data)
    if pieces.number(1):
        _write(pieces)
    else:
        _read(pieces.rest())


def _read(value: bytes) -> None:
    says_dmarc_passes(value, "b.example")
    try:
        header = parse_header(b"Authentication-Results: " + value + b"\r\nFrom: a@b.example\r\n")
    except HeaderError:
        return
    left = without_ours(header, _OURS)
    assert without_ours(left, _OURS) == left
    assert [each for each in left.fields if each.key == "from"] == list(header.all("from"))
    for each in left.all("authentication-results"):
        # However spelled: a reader who takes away blanks, quotes and comments sees no field that begins with our name.
        plain = each.value.lower().replace(b" ", b"").replace(b"\t", b"").replace(b'"', b"")
        assert not plain.startswith(_OURS.encode() + b";")


def _write(pieces: Pieces) -> None:
    stated = []
    for _ in range(1 + pieces.number(3)):
        properties = [("header.from", pieces.text(40)), ("header.s", pieces.text(40))]
        stated.append(Stated(pieces.choice(_METHODS), pieces.choice(_RESULTS), properties))
    field = results_field(results_value(_OURS, stated))
    (read,) = parse_header(field).fields
    assert read.value.isascii()
    said = [part.strip().split(b" ")[0] for part in read.value.split(b";")[1:]]
    assert said == [f"{each.method}={each.result}".encode() for each in stated]
    assert not without_ours(Header((read,)), _OURS).fields
    passes = any(
        each.method == "dmarc" and each.result == "pass" and each.properties[0][1].lower() == "b.example"
        for each in stated
    )
    assert says_dmarc_passes(read.value, "b.example") == passes
