"""The keys that belong to a snapshot, read once: signers of mail, and the secrets behind our return addresses."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from relay.config.secrets import resolve_bytes
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.mail.dkim import Signer, load_private_key


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Keyring:
    """`signing`: the first one signs, all verify. `signers` by domain, in the order of the configuration."""

    signing: tuple[bytes, ...]
    signers: Mapping[str, tuple[Signer, ...]]

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Read all keys that `settings` refer to. Raises SecretError or ValueError."""
        signers: dict[str, tuple[Signer, ...]] = {}
        for entry in settings.dkim:
            signer = Signer(entry.domain, entry.selector, load_private_key(resolve_bytes(entry.key)))
            signers[entry.domain] = (*signers.get(entry.domain, ()), signer)
        return cls(tuple(resolve_bytes(secret) for secret in settings.secrets.signing), signers)

    def fingerprint(self, *parts: str) -> str:
        """A short name for values that may be secret: says whether they changed, never what they are."""
        return hmac.digest(self.signing[0], "\0".join(parts).encode(), hashlib.sha256).hex()[:16]


@dataclass(frozen=True, slots=True, eq=False)
class Active:
    """The configuration that holds now, all of one piece."""

    snapshot: Snapshot
    keyring: Keyring
