"""The PROXY protocol: what a load balancer says in front of a connection about who is on its other side.

In charge of both forms of the header, the text (version 1) and the octets (version 2), as HAProxy's
`proxy-protocol.txt` describes them. Pure: it says how many octets belong to the header still and never wants one that
may belong to what follows. Who may send a header is the business of `balanced`.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from relay.intake.gate import Peer

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_WORD = b"PROXY "
_LONGEST_TEXT = 107
_FIXED = 16  # octets of version 2 before the addresses
_ADDRESSES = {0x11: 12, 0x21: 36}  # TCP over IPv4 and IPv6: octets of both addresses and both ports
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_LOCAL, _PROXY = 0x20, 0x21


class ProxyError(ValueError):
    """This is no header of the PROXY protocol; the message says why, and shows nothing of it."""


def missing(header: bytes) -> int:
    """How many more octets are the header's for certain; 0 when it is complete. Raises ProxyError."""
    size = len(header)
    if size < len(SIGNATURE):
        # The shortest header there is, "PROXY UNKNOWN" and its line end, is longer than the signature.
        if not SIGNATURE.startswith(header) and header[: len(_WORD)] != _WORD[:size]:
            raise ProxyError("the connection does not begin with a PROXY header")
        return len(SIGNATURE) - size
    if header.startswith(SIGNATURE):
        return _FIXED - size if size < _FIXED else _FIXED + int.from_bytes(header[14:16]) - size
    if not header.startswith(_WORD):
        raise ProxyError("the connection does not begin with a PROXY header")
    is_whole = header.endswith(b"\r\n")
    line = header[:-2] if is_whole else header
    if b"\n" in line or b"\r" in line[:-1] or (size >= _LONGEST_TEXT and not is_whole):
        raise ProxyError("the PROXY line does not end where it should")
    if is_whole:
        return 0
    return 1 if header.endswith(b"\r") or size == _LONGEST_TEXT - 1 else 2


def read_source(header: bytes) -> Peer | None:
    """Who connected to the balancer, out of a complete header; None: the balancer itself, or nobody with an IP address.

    Raises ProxyError.
    """
    return _read_octets(header) if header.startswith(SIGNATURE) else _read_text(header)


def _read_text(header: bytes) -> Peer | None:
    try:
        protocol, *rest = header[len(_WORD) : -2].decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise ProxyError("the PROXY line is not ASCII") from None
    if protocol == "UNKNOWN":
        # Whatever follows is to be ignored.
        return None
    if protocol not in ("TCP4", "TCP6") or len(rest) != 4:
        raise ProxyError("the PROXY line is not of the form it should be")
    family = IPv4Address if protocol == "TCP4" else IPv6Address
    try:
        source, _ = (family(text) for text in rest[:2])
    except AddressValueError:
        raise ProxyError(f"the PROXY line does not hold two addresses of {protocol}") from None
    port, _ = (_port(text) for text in rest[2:])
    return _peer(source, port)


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 0xFFFF:
        raise ProxyError("the PROXY line does not hold two ports")
    return int(text)


def _read_octets(header: bytes) -> Peer | None:
    command, family = header[12], header[13]
    if command not in (_LOCAL, _PROXY):
        raise ProxyError("the PROXY header is neither of version 2 nor of a known command")
    if command == _LOCAL or family not in _ADDRESSES:
        # A health check of the balancer's, or no TCP: the connection itself is all there is to know.
        return None
    if len(header) < _FIXED + _ADDRESSES[family]:
        raise ProxyError("the PROXY header is too short for its addresses")
    if family == 0x11:
        return _peer(IPv4Address(header[16:20]), int.from_bytes(header[24:26]))
    return _peer(IPv6Address(header[16:32]), int.from_bytes(header[48:50]))


def _peer(address: IPv4Address | IPv6Address, port: int) -> Peer:
    # An address of IPv4 counts as one, however it is written: networks of apps and limits are written that way.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ProxyError("an address in the PROXY line has a zone")
    return Peer(mapped or address, port)
