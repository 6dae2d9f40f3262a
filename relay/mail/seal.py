"""Seals: the short keyed hashes that let us know our own tokens again in local parts that come back to us.

In charge of making and checking them (HMAC-SHA256, base32, so that servers may change the case of letters).
Never reads secrets from anywhere: they are passed in, the first one seals, all of them open.
"""

import base64
import hmac
from collections.abc import Sequence
from functools import lru_cache

# RFC 4648 6; 5 octets give exactly 8 letters.
_LETTERS_PER_OCTETS = (8, 5)


class TokenError(ValueError):
    """A token that is forged, expired or malformed, or that cannot be made; the message says which."""


def seal(secret: bytes, *parts: str, letters: int) -> str:
    """The seal of these parts: `letters` (a multiple of 8) base32 letters. ASCII case does not matter in the parts."""
    # The lengths keep ("ab", "c") and ("a", "bc") apart.
    encoded = [part.encode("utf-8", "surrogatepass").lower() for part in parts]
    text = b"".join(b"%d:%s," % (len(part), part) for part in encoded)
    keyed = _keyed(secret).copy()
    keyed.update(text)
    per, octets = _LETTERS_PER_OCTETS
    return base64.b32encode(keyed.digest()[: letters // per * octets]).decode("ascii")


@lru_cache(maxsize=16)
def _keyed(secret: bytes) -> hmac.HMAC:
    """The hash with the secret already in it; to be copied, never fed."""
    return hmac.new(secret, digestmod="sha256")


def is_sealed(given: str, secrets: Sequence[bytes], *parts: str) -> bool:
    """Whether `given` is the seal that one of the secrets makes for these parts."""
    wanted = given.upper().encode("utf-8", "surrogatepass")
    seals = [seal(secret, *parts, letters=len(given)).encode("ascii") for secret in secrets]
    return any(hmac.compare_digest(wanted, candidate) for candidate in seals)
