"""Signed statements that prove to an issuer of tokens who asks (RFC 7523): the one place that knows joserfc."""

import uuid
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

_LIFETIME = 300  # seconds; Google and Microsoft take up to an hour


@dataclass(frozen=True, slots=True)
class Statement:
    """Who says it, about whom, to whom, and with which permission (Google); all of it is shown to the issuer only."""

    issuer: str
    subject: str
    audience: str
    scope: str = ""


def sign(statement: Statement, pem: bytes, key_id: str | None, *, now: float) -> str:
    """The statement as a JWT signed with RS256. Raises ValueError for a key that cannot sign."""
    claims: dict[str, str | int] = {
        "iss": statement.issuer,
        "sub": statement.subject,
        "aud": statement.audience,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now) + _LIFETIME,
        "jti": uuid.uuid4().hex,
    }
    if statement.scope:
        claims["scope"] = statement.scope
    # Google names keys by kid; Microsoft by the thumbprint of their certificate.
    header = {"alg": "RS256", "typ": "JWT"} | ({"kid": key_id, "x5t": key_id} if key_id else {})
    try:
        return jwt.encode(header, claims, RSAKey.import_key(pem))
    except (JoseError, ValueError, TypeError):
        raise ValueError("the key cannot sign: it must be a PEM private key (RSA)") from None
