"""Secrets sealed for one place: readable only with a key of ours, and only where they were put.

In charge of sealing and opening with AES-256-GCM. A sealed value names the key that opens it and is bound to its place
by associated data, so what was sealed for one company opens for no other. Never reads a key from anywhere: keys are
passed in, the first one seals, all of them open.
"""

import base64
import binascii
import os
import re
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_FORM = "relay1"
_NONCE = 12  # octets, as SP 800-38D recommends
_SEALED = re.compile(rf"{_FORM}\.([0-9a-f]{{8}})\.([A-Za-z0-9_-]{{38,131072}})", re.ASCII)


class SealingError(Exception):
    """A sealed value cannot be opened; says why, never what is in it."""


def key_id_of(sealed: str) -> str | None:
    """Which key opens it; None when this is no sealed value at all."""
    match = _SEALED.fullmatch(sealed)
    return match[1] if match else None


def place_of(company: str, field: str) -> str:
    """The place of a key in a company's file, written as in messages; an empty company means relay.yaml."""
    return f"{company}/{field}"


class SealingKeys:
    """The keys of one state of the configuration. `repr` shows none of them."""

    __slots__ = ("_first", "_keys")

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        """Derive a key from each of `secrets`, which must be hard to guess; they may be none."""
        pairs = [_derive(secret) for secret in secrets]
        self._first = pairs[0][0] if pairs else None
        self._keys = dict(pairs)

    @property
    def ids(self) -> tuple[str, ...]:
        """The keys' names: each follows from its key, and says nothing about it."""
        return tuple(self._keys)

    @property
    def first(self) -> str | None:
        """The name of the key that seals."""
        return self._first

    def seal(self, secret: bytes, place: str) -> str:
        """`secret` as text that opens at `place` only. Raises SealingError when there is no key."""
        if self._first is None:
            raise SealingError("there is no key to seal with: secrets.sealing is not set")
        nonce = os.urandom(_NONCE)
        box = self._keys[self._first].encrypt(nonce, secret, _associated(place))
        return f"{_FORM}.{self._first}.{base64.urlsafe_b64encode(nonce + box).rstrip(b'=').decode()}"

    def open(self, sealed: str, place: str) -> bytes:
        """What was sealed for `place`. Raises SealingError."""
        match = _SEALED.fullmatch(sealed)
        if match is None:
            raise SealingError("this is no sealed value")
        key = self._keys.get(match[1])
        if key is None:
            raise SealingError(f"it was sealed with the key {match[1]}, which is not among secrets.sealing")
        try:
            box = base64.urlsafe_b64decode(match[2] + "=" * (-len(match[2]) % 4))
            return key.decrypt(box[:_NONCE], box[_NONCE:], _associated(place))
        except (InvalidTag, binascii.Error):
            raise SealingError("it was sealed for another place, or is damaged") from None


def _derive(secret: bytes) -> tuple[str, AESGCM]:
    """A name and a key, independent of each other (RFC 5869)."""
    derived = HKDF(algorithm=SHA256(), length=36, salt=None, info=b"relay sealing 1").derive(secret)
    return derived[:4].hex(), AESGCM(derived[4:])


def _associated(place: str) -> bytes:
    return f"{_FORM}\0{place}".encode()
