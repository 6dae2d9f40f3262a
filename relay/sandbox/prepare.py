"""Makes the files that the shipped configuration refers to: keys, certificates and secrets of the sandbox.

In charge of: making what is missing, and nothing that is there already.
Never does: anything for real use; real keys come from `relay dkim new`, real certificates from an authority.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from relay.mail.challenge import challenge_name, challenge_text
from relay.mail.dkim import dns_record, load_private_key
from relay.sandbox.certificates import Authority, write_key
from relay.sandbox.default_world import (
    DELEGATED_SELECTOR,
    FAST_INPUT_KEY,
    MAILBOX_PASSWORD,
    OWN_DOMAINS,
    RELAY_DOMAIN,
    STUDIO_PASSWORD,
)

RSA_KEY, ED25519_KEY, DELEGATED_KEY = "dkim-rsa.pem", "dkim-ed25519.pem", "dkim-delegated.pem"
STUDIO_PASSWORD_FILE = "studio-noord-password"  # noqa: S105 -- the name of a file
_SELECTORS = {RSA_KEY: "rsa1", ED25519_KEY: "ed1", DELEGATED_KEY: DELEGATED_SELECTOR}


@dataclass(frozen=True, slots=True)
class Prepared:
    """What has to be published for the relay: DKIM records and a company's proof, by name."""

    records: dict[str, dict[str, str]]


def prepare(folder: Path) -> Prepared:
    """Make what is missing in `folder`; answers what the sandbox's DNS must publish."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority(folder)
    if not (folder / "tls-key.pem").exists():
        certificate, key = authority.issue(f"mx1.{RELAY_DOMAIN}", "localhost", "127.0.0.1")
        write_key(folder / "tls-key.pem", key)
        (folder / "tls-cert.pem").write_bytes(certificate)
    _once(folder / RSA_KEY, lambda: _pem(rsa.generate_private_key(65537, 2048)))
    _once(folder / DELEGATED_KEY, lambda: _pem(rsa.generate_private_key(65537, 2048)))
    _once(folder / ED25519_KEY, lambda: _pem(ed25519.Ed25519PrivateKey.generate()))
    _once(folder / "signing-secret", lambda: secrets.token_urlsafe(32).encode())
    _once(folder / STUDIO_PASSWORD_FILE, STUDIO_PASSWORD.encode)
    _once(folder / "bakkerij-peeters-mailbox", MAILBOX_PASSWORD.encode)
    _once(folder / "fast-input-key", FAST_INPUT_KEY.encode)
    records = {
        f"{selector}._domainkey.{RELAY_DOMAIN}": {"TXT": dns_record(load_private_key((folder / name).read_bytes()))}
        for name, selector in _SELECTORS.items()
    }
    secret = (folder / "signing-secret").read_bytes()
    for company, domain in OWN_DOMAINS.items():
        records[challenge_name(domain)] = {"TXT": challenge_text(company, domain, secrets=(secret,))}
    return Prepared(records)


def _once(path: Path, make: Callable[[], bytes]) -> None:
    if not path.exists():
        write_key(path, make())


def _pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
