"""A small working configuration in a temporary directory, for tests to break."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from relay.config.errors import ConfigErrors
from relay.config.load import load
from relay.config.snapshot import Snapshot

HASH = "$argon2id$v=19$m=19456,t=2,p=1$k8By6jnQwUZ5aMEXp5voYA$CJq3yEHpIPp9x0ZGx8cjilrcldWdWKKar9NRGtB+lLQ"
SETTINGS = f"""\
hostname: mx1.my.relay.example
domain: my.relay.example
postmaster: postmaster@operator.example
sending_addresses: ["203.0.113.7", "2001:db8::7"]
listeners:
  submission: {{address: "127.0.0.1:2587", tls: starttls}}
  mx: {{address: "[::1]:2525", tls: starttls}}
tls: {{certificate: CERT, key: KEY}}
apps:
  web:
    password: {{hash: "{HASH}"}}
    companies: [bakkerij, garage]
dkim:
  - {{domain: my.relay.example, selector: s1, key: {{file: DKIM}}}}
secrets:
  signing: [{{file: SIGNING}}]
verification: {{required: false}}
"""
BAKKERIJ = "name: Bakkerij\naddress: info@bakkerij.example\nalias: bakkerij\n"
GARAGE = """\
name: Garage
address: info@garage.example
alias: De.Garage
outgoing:
  identity: own-domain
  from: facturen@garage.example
"""


@dataclass(frozen=True)
class Config:
    """Files of one configuration."""

    root: Path

    @property
    def path(self) -> Path:
        return self.root / "relay.yaml"

    @property
    def cache(self) -> Path:
        return self.root / "var" / "cache"

    def file(self, name: str) -> Path:
        return self.root / name

    def company(self, slug: str) -> Path:
        return self.root / "companies" / f"{slug}.yaml"

    def settings(self, text: str) -> None:
        for name in ("CERT", "KEY", "DKIM", "SIGNING"):
            text = text.replace(name, str(self.file(name.lower())))
        self.path.write_text(text)

    def replace(self, old: str, new: str) -> None:
        text = self.path.read_text()
        assert old in text
        self.settings(text.replace(old, new))

    def load(self) -> Snapshot:
        return load(self.path)

    def errors(self) -> list[str]:
        """What is wrong, with file names relative to the configuration."""
        with pytest.raises(ConfigErrors) as caught:
            self.load()
        return [str(error).replace(f"{self.root}/", "") for error in caught.value.errors]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys that take a moment to make: once for all tests."""
    directory = tmp_path_factory.mktemp("keys")
    expires = datetime.now(UTC) + timedelta(days=1)
    authority = trustme.CA()
    issued = authority.issue_cert("mx1.my.relay.example", not_after=expires)
    other = authority.issue_cert("other.example", not_after=expires)
    authority.cert_pem.write_to_path(str(directory / "ca"))
    (directory / "cert").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(directory / "key"))
    other.private_key_pem.write_to_path(str(directory / "other-key"))
    (directory / "dkim").write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (directory / "signing").write_text("a signing secret of many letters\n")
    return directory


@pytest.fixture
def config(tmp_path: Path, keys: Path) -> Config:
    made = Config(tmp_path)
    for key in keys.iterdir():
        (tmp_path / key.name).write_bytes(key.read_bytes())
    (tmp_path / "companies").mkdir()
    made.settings(SETTINGS)
    made.company("bakkerij").write_text(BAKKERIJ)
    made.company("garage").write_text(GARAGE)
    return made
