"""The signature by which whoever is posted something knows that it comes from this relay, and when it was sent."""

import hashlib
import hmac

HEADER = "relay-signature"


def sign(secret: str, body: bytes, *, at: int) -> str:
    """The header's value for `body` sent `at` (seconds since the epoch): "t=…,v1=…", HMAC-SHA256 in hex (RFC 2104)."""
    digest = hmac.digest(secret.encode(), b"%d." % at + body, hashlib.sha256)
    return f"t={at},v1={digest.hex()}"
