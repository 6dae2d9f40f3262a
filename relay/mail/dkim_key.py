"""Public keys that strangers publish (RFC 6376 3.6.1, 8301, 8463), and whether a signature is theirs.

A record may hold anything, made to be slow among it. So its size is looked at before anything is computed, and keys
beyond what verifiers have to support are refused unseen. What was read is remembered for a while.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa, utils

from relay.mail.dkim_signature import Algorithm
from relay.mail.tag_list import TagError, decode_base64, names_in, parse_tags

MOST_RECORD = 4096  # octets of a TXT record
MOST_BITS = 4096  # RFC 8301 3.2: verifiers need not support longer RSA keys
LEAST_BITS = 1024  # RFC 8301 3.2
MOST_EXPONENT = 2**32
_MOST_DER = 640  # a key of 4096 bits takes about 550
_ED25519 = 32

_PADDING = padding.PKCS1v15()
# What hashlib has hashed: cryptography takes longer to begin a hash than to check a signature.
_HASHED = utils.Prehashed(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that may be used for mail.

    `strict`: it signs for its domain alone, not for names below (t=s). `testing`: its owner says that failures mean
    nothing (t=y). `local` is a pattern for the local part of identities that old records may have, empty for any.
    """

    key: rsa.RSAPublicKey | ed25519.Ed25519PublicKey
    strict: bool
    testing: bool
    local: str

    def fits(self, algorithm: Algorithm) -> bool:
        """Whether signatures of this kind can be made with it."""
        return algorithm.startswith("rsa-") == isinstance(self.key, rsa.RSAPublicKey)

    def allows(self, identity: str, domain: str) -> bool:
        """Whether it may sign for this identity."""
        local, _, host = identity.rpartition("@")
        if self.strict and host.lower() != domain:
            return False
        start, star, end = self.local.partition("*")
        if not star:
            return self.local in ("", local)
        return len(local) >= len(start) + len(end) and local.startswith(start) and local.endswith(end)

    def has_signed(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's, over this text."""
        digest = hashlib.sha256(text).digest()
        try:
            if isinstance(self.key, rsa.RSAPublicKey):
                self.key.verify(signature, digest, _PADDING, _HASHED)
            else:
                # RFC 8463 3: the key signs the digest, not the text.
                self.key.verify(signature, digest)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Unusable:
    """A record that gives no key, and why. `weak`: there is one, but it is too short to mean anything."""

    reason: str
    weak: bool = False


@lru_cache(maxsize=1024)
def read_key(record: bytes) -> PublicKey | Unusable:
    """What a TXT record says."""
    if len(record) > MOST_RECORD:
        return Unusable(f"the key record is longer than {MOST_RECORD} octets")
    try:
        return _read(parse_tags(record), record)
    except TagError as error:
        return Unusable(f"the key record cannot be read: {error}")
    except _RefusedError as error:
        return Unusable(str(error), weak=error.weak)


class _RefusedError(ValueError):
    def __init__(self, reason: str, *, weak: bool = False) -> None:
        super().__init__(reason)
        self.weak = weak


def _read(tags: dict[str, str], record: bytes) -> PublicKey:
    if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and not record.lstrip().startswith(b"v")):
        raise _RefusedError("the key record is of another version")
    if "p" not in tags:
        raise _RefusedError("the key record holds no key")
    if not tags["p"]:
        raise _RefusedError("the key was revoked")
    if "sha256" not in names_in(tags.get("h", "sha256").lower()):
        raise _RefusedError("the key is not for SHA-256")
    if not {"*", "email"} & set(names_in(tags.get("s", "*").lower())):
        raise _RefusedError("the key is not for mail")
    octets = decode_base64(tags["p"])
    match tags.get("k", "rsa").lower():
        case "rsa":
            key: rsa.RSAPublicKey | ed25519.Ed25519PublicKey = _rsa_key(octets)
        case "ed25519" if len(octets) == _ED25519:
            key = ed25519.Ed25519PublicKey.from_public_bytes(octets)
        case "ed25519":
            raise _RefusedError("the key is no Ed25519 key")
        case _:
            raise _RefusedError("the key is of an unknown kind")
    flags = names_in(tags.get("t", ""))
    return PublicKey(key, "s" in flags, "y" in flags, tags.get("g", ""))


def _rsa_key(octets: bytes) -> rsa.RSAPublicKey:
    if len(octets) > _MOST_DER:
        raise _RefusedError(f"the key has more than {MOST_BITS} bits")
    try:
        key = serialization.load_der_public_key(octets)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _RefusedError("the key is no RSA key") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise _RefusedError("the key is no RSA key")
    if key.key_size > MOST_BITS or key.public_numbers().e > MOST_EXPONENT:
        raise _RefusedError(f"the key has more than {MOST_BITS} bits, or too large an exponent")
    if key.key_size < LEAST_BITS:
        raise _RefusedError(f"the key has only {key.key_size} bits", weak=True)
    return key
