"""The signature by which an app knows that events come from this relay, and when they were sent."""

import hashlib
import hmac

HEADER = "relay-signature"


def sign(secret: str, body: bytes, *, at: int) -> str:
    """The header's value for `body` sent `at` (seconds since the epoch): "t=…,v1=…", HMAC-SHA256 in hex (RFC 2104)."""
    digest = hmac.digest(secret.encode(), b"%d." % at + body, hashlib.sha256)
    return f"t={at},v1={digest.hex()}"
