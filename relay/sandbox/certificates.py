"""Certificates for names that exist only on loopback.

In charge of: one small authority, kept in a folder if given so that it outlives a restart, and what it issues.
Never does: anything for names that others would believe.
"""

import datetime as dt
import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALIDITY = dt.timedelta(days=365)
CA_FILE, CA_KEY_FILE = "ca.pem", "ca-key.pem"


class Authority:
    """A certificate authority of its own, new unless `folder` has one already; `ca_pem` is what clients trust."""

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and (folder / CA_FILE).exists() and (folder / CA_KEY_FILE).exists():
            self._certificate = x509.load_pem_x509_certificate((folder / CA_FILE).read_bytes())
            key = serialization.load_pem_private_key((folder / CA_KEY_FILE).read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ValueError(f"{folder / CA_KEY_FILE} is not a key of this sandbox")
            self._key = key
        else:
            self._key = ec.generate_private_key(ec.SECP256R1())
            self._certificate = self._make("relay sandbox", self._key.public_key(), names=())
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                write_key(folder / CA_KEY_FILE, _key_pem(self._key))
                (folder / CA_FILE).write_bytes(self.ca_pem)

    @property
    def ca_pem(self) -> bytes:
        """The authority's own certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, *names: str) -> tuple[bytes, bytes]:
        """A server certificate for names and addresses, and its key, both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._make(names[0], key.public_key(), names=names)
        return certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key)

    def server_context(self, *names: str) -> ssl.SSLContext:
        """A context that presents a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key = self.issue(*names)
        with tempfile.TemporaryDirectory() as folder:  # the ssl module reads them from files only
            path = Path(folder) / "both.pem"
            write_key(path, key + certificate)
            context.load_cert_chain(path)
        return context

    def client_context(self) -> ssl.SSLContext:
        """A context that trusts this authority and nobody else."""
        return ssl.create_default_context(cadata=self.ca_pem.decode("ascii"))

    def _make(self, common: str, key: ec.EllipticCurvePublicKey, *, names: tuple[str, ...]) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])
        start = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
        is_authority = not names
        usage = x509.KeyUsage(
            digital_signature=not is_authority,
            key_cert_sign=is_authority,
            crl_sign=is_authority,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if is_authority else self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + VALIDITY)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_name(name) for name in names]), critical=False
            )
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def write_key(path: Path, pem: bytes) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(pem)


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())
