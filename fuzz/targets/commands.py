"""Command lines, paths and parameters: however they are cut, nothing gets through that could be two lines."""

from contextlib import suppress

from fuzz.pieces import Pieces, in_blocks
from relay.mail.address import AddressError, parse_address, parse_path
from relay.mail.envelope import ParameterError, encode_orcpt, encode_xtext, parse_mail_parameters, parse_rcpt_parameters
from relay.smtpd.lines import MAX_LINE, CommandLines, Flaw

SEEDS = (
    b"\x02\x05\x01MAIL FROM:<a@b.example> SIZE=1 BODY=8BITMIME\r\nQUIT\r\n",
    b'\x01\x03RCPT TO:<"a b"@[IPv6:::1]> NOTIFY=FAILURE,DELAY ORCPT=rfc822;a+2Bb@c.example\r\n',
    b"\x01\x01RCPT TO:<\xc3\xa9@xn--bcher-kva.example> ORCPT=utf-8;\\x{E9}@b.example\r\nX\n\r\r\n",
    b"\x00MAIL FROM:<> AUTH=<> RET=HDRS ENVID=a+2Bb REQUIRETLS SMTPUTF8\r\n",
)


def check(data: bytes) -> None:
    pieces = Pieces(data)
    sizes = [1 + pieces.number(63) for _ in range(pieces.number(7))]
    stream = pieces.rest()
    lines = _lines([stream])
    assert lines == _lines(in_blocks(stream, sizes))
    for line in lines:
        if isinstance(line, bytes):
            assert len(line) < MAX_LINE
            assert b"\n" not in line
            _line(line.decode("utf-8", "surrogateescape"))


def _lines(blocks: list[bytes]) -> list[bytes | Flaw]:
    commands, found = CommandLines(), []
    for block in blocks:
        commands.feed(block)
        while (line := commands.next()) is not None:
            found.append(line)
        assert len(commands) <= MAX_LINE
    return found


def _line(line: str) -> None:
    for text in (line, line.partition(":")[2], line.partition(" ")[2]):
        for null_allowed in (False, True):
            with suppress(AddressError):
                address, rest = parse_path(text, null_allowed=null_allowed)
                assert null_allowed or address is not None
                if address is not None and address.domain:
                    written = str(address)
                    assert written.isprintable() or not written.isascii()
                    assert not set(written) & {"\r", "\n", "\0"}
                    assert parse_address(written) == address
                    assert parse_path(f"<{written}>", null_allowed=False) == (address, "")
                    with suppress(AddressError):
                        assert address.ascii_domain.isascii()
                _parameters(rest)


def _parameters(text: str) -> None:
    with suppress(ParameterError):
        mail = parse_mail_parameters(text)
        for value in (mail.envid, mail.auth):
            if value is not None:
                assert value.isascii()
                assert value.isprintable()
        if mail.envid is not None:
            assert parse_mail_parameters(f"ENVID={encode_xtext(mail.envid)}").envid == mail.envid
    with suppress(ParameterError):
        orcpt = parse_rcpt_parameters(text).orcpt
        if orcpt is not None:
            written = encode_orcpt(orcpt)
            assert written.isascii()
            assert " " not in written
            with suppress(ParameterError):  # what was escaped sparingly may be too long when it is written
                assert parse_rcpt_parameters(f"ORCPT={written}").orcpt == orcpt
