"""Whether the certificates that a host has shown are those that its TLSA records allow (RFC 7671, RFC 7672 3).

Python's ssl knows nothing of DANE: the handshake asks for no proof, and this looks at the chain before anything else is
sent.
"""

import datetime as dt
import ssl
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from relay.policy.dane import Tlsa, Usage
from relay.policy.trust import TlsFailure

_MOST_CERTIFICATES = 10
_DER = 2  # _ssl.ENCODING_DER
# What a critical extension says must be understood; names that an authority may not speak for are not.
_UNDERSTOOD = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName)
_UNREADABLE = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.DuplicateExtension)


def chain_of(connection: ssl.SSLObject) -> list[bytes]:
    """The certificates that the other side has shown (DER), its own first."""
    shown: Any = connection
    if not hasattr(shown, "get_unverified_chain"):
        # Public from Python 3.13 on.
        return [certificate.public_bytes(_DER) for certificate in shown._sslobj.get_unverified_chain() or ()]  # noqa: SLF001
    return list(shown.get_unverified_chain())


def check_chain(chain: Sequence[bytes], records: Sequence[Tlsa], names: Sequence[str]) -> TlsFailure | None:
    """What is wrong with `chain` by `records`, None when nothing is; `names` are those that its host may have."""
    try:
        return _check(chain[:_MOST_CERTIFICATES], records, names)
    except _UNREADABLE:
        return TlsFailure.OTHER


def _check(chain: Sequence[bytes], records: Sequence[Tlsa], names: Sequence[str]) -> TlsFailure | None:
    if not chain:
        return TlsFailure.NOT_TRUSTED
    host = x509.load_der_x509_certificate(chain[0])
    # RFC 7671 5.1: the record vouches for this certificate, whatever it says of names and times.
    if _allowed(host, [record for record in records if record.usage is Usage.HOST]):
        return None
    anchors = [record for record in records if record.usage is Usage.ANCHOR]
    published = [record.certificate for record in anchors if record.certificate is not None]
    others = [x509.load_der_x509_certificate(der) for der in dict.fromkeys((*chain[1:], *published))]
    path = _path(host, others, anchors)
    if path is None:
        return TlsFailure.NOT_TRUSTED
    now = dt.datetime.now(dt.UTC)
    if any(not each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in path):
        return TlsFailure.EXPIRED
    if not _serves(host) or not all(_understood(each) for each in path):
        return TlsFailure.OTHER
    return None if any(_is_for(host, name) for name in names) else TlsFailure.OTHER_NAME


def _path(
    host: x509.Certificate, others: Sequence[x509.Certificate], anchors: Sequence[Tlsa]
) -> list[x509.Certificate] | None:
    """The certificates from the host's up to one that a record vouches for; None when there is no such path."""
    path = [host]
    while len(path) <= len(others):
        issuers = [each for each in others if each not in path and _issued(each, path)]
        if not issuers:
            return None
        anchor = next((each for each in issuers if _allowed(each, anchors)), None)
        if anchor is not None:
            return [*path, anchor]
        path.append(issuers[0])
    return None


def _issued(issuer: x509.Certificate, path: Sequence[x509.Certificate]) -> bool:
    """Whether `issuer` may issue certificates and has issued the last one of `path`."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    below = len(path) - 1
    if not constraints.ca or (constraints.path_length is not None and below > constraints.path_length):
        return False
    usage = _extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return False
    try:
        path[-1].verify_directly_issued_by(issuer)
    except _UNREADABLE:
        return False
    return True


def _allowed(certificate: x509.Certificate, records: Sequence[Tlsa]) -> bool:
    if not records:
        return False
    der = certificate.public_bytes(Encoding.DER)
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return any(record.allows(der, key) for record in records)


def _serves(certificate: x509.Certificate) -> bool:
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    wanted = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    return usage is None or any(each in wanted for each in usage)


def _understood(certificate: x509.Certificate) -> bool:
    return all(isinstance(each.value, _UNDERSTOOD) for each in certificate.extensions if each.critical)


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    alternatives = _extension(certificate, x509.SubjectAlternativeName)
    known = [] if alternatives is None else alternatives.get_values_for_type(x509.DNSName)
    if not known:
        # RFC 7672 3.2.3: only then what the subject calls itself.
        known = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    name = name.lower()
    return any(each.lower() in (name, f"*.{name.partition('.')[2]}") for each in known)


def _extension(certificate: x509.Certificate, kind: type[Any]) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
