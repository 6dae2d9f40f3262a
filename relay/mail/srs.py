"""SRS: envelope senders of forwarded mail, rewritten to our domain and back (Sender Rewriting Scheme, 2003).

`SRS0=<seal>=<day>=<domain>=<local>` carries the whole original address; what another forwarder already rewrote becomes
`SRS1=<seal>=<that forwarder>=<its token>`, so that a chain never grows beyond two hosts. Nothing is stored.

A local part has at most 64 octets and SRS0 needs 18 of them, so an address of more than 46 octets has no form that
carries it whole, and one that must fit any address has to be looked up. srs_forward raises TokenError for those.
The caller then gives the forwarded mail a bounce address (verp.py): it always fits, and the reverse path stands in the
store under its queue id.
"""

import re
from collections.abc import Sequence

from relay.mail.address import MAX_LOCAL, Address, AddressError, parse_address
from relay.mail.seal import TokenError, is_sealed, seal

__all__ = ["VALID_DAYS", "TokenError", "srs_forward", "srs_reverse"]

# How long bounces may take: RFC 5321 4.5.4.1 has queues of 4 to 5 days, several forwarders may add theirs.
VALID_DAYS = 21

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_DAYS_IN_STAMP = 1024
_SEAL_LETTERS = 8
_FOREIGN_SRS0 = re.compile(r"srs0([=+-].+)", re.ASCII | re.IGNORECASE)
_FOREIGN_SRS1 = re.compile(r"srs1[=+-][^=]+=([^=]+)=([=+-].+)", re.ASCII | re.IGNORECASE)
_OWN_SRS0 = re.compile(r"srs0[=+-]([a-z2-7]{8})=([a-z2-7]{2})=([^=]+)=(.*)", re.ASCII | re.IGNORECASE)
_OWN_SRS1 = re.compile(r"srs1[=+-]([a-z2-7]{8})=([^=]+)=([=+-].+)", re.ASCII | re.IGNORECASE)


def srs_forward(address: Address, *, domain: str, secrets: Sequence[bytes], day: int) -> Address:
    """The address at `domain` that stands for `address` when we forward its mail; `day` counts from the epoch.

    An address at `domain` itself is given back unchanged. Raises TokenError when it would not fit 64 octets.
    """
    if address.domain == domain:
        return address
    chained = _FOREIGN_SRS1.fullmatch(address.local)
    first = _FOREIGN_SRS0.fullmatch(address.local)
    if chained:
        local = _srs1(chained[1], chained[2], secrets[0])
    elif first:
        local = _srs1(address.ascii_domain, first[1], secrets[0])
    else:
        sender, stamp = address.ascii_domain, _stamp(day)
        mark = seal(secrets[0], "srs0", str(day), sender, address.local, letters=_SEAL_LETTERS)
        local = f"SRS0={mark}={stamp}={sender}={address.local}"
    forwarded = Address(local, domain)
    if len(str(forwarded).encode()) - len(domain.encode()) - 1 > MAX_LOCAL:
        raise TokenError("address too long for SRS")
    return forwarded


def srs_reverse(local: str, *, secrets: Sequence[bytes], day: int) -> Address:
    """The address that an SRS local part of ours stands for; its domain comes in A-labels.

    Letters keep the case in which they came back. Raises TokenError when forged, older than 21 days or malformed.
    """
    first = _OWN_SRS0.fullmatch(local)
    if first:
        mark, stamp, sender, original = first.groups()
        age = (day + 1 - _unstamp(stamp)) % _DAYS_IN_STAMP - 1
        # The seal covers the whole day, so an old address does not come alive again when the stamp comes round.
        if not is_sealed(mark, secrets, "srs0", str(day - age), sender, original):
            raise TokenError("forged or expired SRS address")
        if age > VALID_DAYS:
            raise TokenError("expired SRS address")
        return _address(original, sender)
    chained = _OWN_SRS1.fullmatch(local)
    if chained:
        mark, forwarder, rest = chained.groups()
        if not is_sealed(mark, secrets, "srs1", forwarder, rest):
            raise TokenError("forged SRS address")
        return _address(f"SRS0{rest}", forwarder)
    raise TokenError("malformed SRS address")


def _srs1(forwarder: str, rest: str, secret: bytes) -> str:
    return f"SRS1={seal(secret, 'srs1', forwarder, rest, letters=_SEAL_LETTERS)}={forwarder}={rest}"


def _stamp(day: int) -> str:
    within = day % _DAYS_IN_STAMP
    return _BASE32[within // 32] + _BASE32[within % 32]


def _unstamp(stamp: str) -> int:
    return _BASE32.index(stamp[0].upper()) * 32 + _BASE32.index(stamp[1].upper())


def _address(local: str, domain: str) -> Address:
    try:
        return parse_address(str(Address(local, domain)))
    except AddressError as error:
        raise TokenError(f"malformed SRS address: {error}") from error
