"""DANE: which certificates the TLSA records of a mail host allow (RFC 6698, RFC 7671, RFC 7672)."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Usage(IntEnum):
    """What a record speaks of; the two others of RFC 6698 need authorities that mail has not (RFC 7672 3.1.3)."""

    ANCHOR = 2  # DANE-TA: an authority above the host's certificate
    HOST = 3  # DANE-EE: the host's certificate itself


_WHOLE, _KEY = 0, 1  # RFC 6698 2.1.2: the certificate, or its public key
_EXACT = 0
_HASHES = {1: hashlib.sha256, 2: hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One record that can be used. `data` is what the certificate, its key or the hash of either must be."""

    usage: Usage
    selector: int
    matching: int
    data: bytes

    def allows(self, certificate: bytes, key: bytes) -> bool:
        """Whether a certificate and its key (both DER; the key a SubjectPublicKeyInfo) are what the record says."""
        selected = certificate if self.selector == _WHOLE else key
        digest = _HASHES.get(self.matching)
        return self.data == (selected if digest is None else digest(selected).digest())

    @property
    def certificate(self) -> bytes | None:
        """The whole certificate (DER), where the record holds it."""
        return self.data if (self.selector, self.matching) == (_WHOLE, _EXACT) else None

    def __str__(self) -> str:
        return f"{self.usage.value} {self.selector} {self.matching} {self.data.hex()}"


def read_tlsa(records: Iterable[str]) -> tuple[Tlsa, ...]:
    """Those of TLSA records, in presentation form, that can be used; the others are as if they were not there."""
    found = (_read(record) for record in records)
    return tuple(dict.fromkeys(record for record in found if record is not None))


def _read(record: str) -> Tlsa | None:
    words = record.split()
    try:
        usage, selector, matching = Usage(int(words[0])), int(words[1]), int(words[2])
        data = bytes.fromhex("".join(words[3:]))
    except (ValueError, IndexError):
        return None
    digest = _HASHES.get(matching)
    length = len(data) if digest is None else digest().digest_size
    if selector not in (_WHOLE, _KEY) or (digest is None and matching != _EXACT) or len(data) != length or not data:
        return None
    return Tlsa(usage, selector, matching, data)
