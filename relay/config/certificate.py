"""The certificate that the SMTP listeners show: ready for handshakes, and how long it is good."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from relay.config.settings import Tls

# Whoever renews certificates by program does it a month before; two weeks before, that program has failed.
EXPIRING = 14 * 86400.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key; `until` is when it expires, in seconds since the epoch."""

    context: ssl.SSLContext
    until: float


def load_certificate(tls: Tls) -> Certificate:
    """Read certificate and key. Raises OSError (ssl.SSLError is one) or ValueError when they cannot be used."""
    # TLS 1.2 and 1.3 (RFC 8996); Python's list of ciphers holds what has forward secrecy and authenticated encryption.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    shown = x509.load_pem_x509_certificate(Path(tls.certificate).read_bytes())
    return Certificate(context, shown.not_valid_after_utc.timestamp())
