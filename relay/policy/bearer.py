"""Logins with a token: XOAUTH2, as Google and Microsoft have it, and OAUTHBEARER (RFC 7628).

In charge of the octets of both mechanisms. Sends nothing, and shows the token to nobody.
"""

import base64
import binascii
import json

MECHANISMS = ("OAUTHBEARER", "XOAUTH2")  # in the order of our wishes
# RFC 7628 3.2.3: a single control-A; XOAUTH2 wants an empty line.
GIVE_UP = {"OAUTHBEARER": b"AQ==", "XOAUTH2": b""}
_MOST_CHALLENGE = 4096


def first_response(mechanism: str, username: str, host: str, port: int, token: str) -> bytes:
    """The initial response of a mechanism, in base64."""
    if mechanism == "XOAUTH2":
        text = f"user={username}\x01auth=Bearer {token}\x01\x01"
    else:
        # RFC 5801 4: commas and equals signs in a name are written out.
        name = username.replace("=", "=3D").replace(",", "=2C")
        text = f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01"
    return base64.b64encode(text.encode())


def read_challenge(challenge: str) -> str:
    """What the JSON in a challenge says is wrong, in a few words; nothing when it cannot be read."""
    try:
        said = json.loads(base64.b64decode(challenge[:_MOST_CHALLENGE].strip(), validate=True))
    except (ValueError, binascii.Error, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    words = (f"{name} {said[name]}" for name in ("status", "error") if isinstance(said.get(name), str | int))
    text = ", ".join(words)[:200]
    return text if text.isprintable() else ""
