"""The PROXY header: never one octet more is taken than is its own, and octet by octet gives the same as at once."""

from fuzz.pieces import Pieces
from relay.smtpd.proxy import SIGNATURE, ProxyError, missing, read_source

SEEDS = (
    b"\x00PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\nEHLO x\r\n",
    b"\x00PROXY TCP6 2001:db8::1 2001:db8::2 40000 25\r\nEHLO x\r\n",
    b"\x00PROXY UNKNOWN anything\r\n",
    b"\x01\x21\x11\x00\x0c" + bytes([192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 0, 25]) + b"EHLO x\r\n",
    b"\x01\x20\x00\x00\x00EHLO x\r\n",
)
_MOST = 16 + 0xFFFF


def check(data: bytes) -> None:
    pieces = Pieces(data)
    stream = (SIGNATURE if pieces.number(1) else b"") + pieces.rest()
    at = 0
    try:
        while (wanted := missing(stream[:at])) > 0:
            assert at + wanted <= _MOST
            at += wanted
            if at > len(stream):
                return
        header = stream[:at]
        assert header.startswith(SIGNATURE) or (header.endswith(b"\r\n") and b"\r\n" not in header[:-2])
        assert len(header) <= 107 or header.startswith(SIGNATURE)
        peer = read_source(header)
    except ProxyError:
        return
    if peer is not None:
        assert 0 <= peer.port <= 0xFFFF
        assert getattr(peer.address, "ipv4_mapped", None) is None
        assert getattr(peer.address, "scope_id", None) is None
