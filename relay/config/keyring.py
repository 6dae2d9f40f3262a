"""The keys that belong to a snapshot, read once: signers of mail, the secrets behind our return
addresses, and the keys to what is sealed.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from relay.config.sealing import SealingKeys
from relay.config.secrets import resolve, resolve_bytes, sealing_keys
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.mail.dkim import Signer, load_private_key
from relay.policy.company import SecretRef


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Keyring:
    """`signing`: the first one signs, all verify. `signers` by domain, in the order of the configuration.

    `delegated` are the keys that sign for companies whose domains point to them.
    """

    signing: tuple[bytes, ...]
    signers: Mapping[str, tuple[Signer, ...]]
    sealing: SealingKeys = field(default_factory=SealingKeys)
    delegated: tuple[Signer, ...] = ()

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Read all keys that `settings` refer to. Raises SecretError or ValueError."""
        signers: dict[str, tuple[Signer, ...]] = {}
        delegated: tuple[Signer, ...] = ()
        for entry in settings.dkim:
            signer = Signer(entry.domain, entry.selector, load_private_key(resolve_bytes(entry.key)))
            if entry.delegated:
                delegated += (signer,)
            else:
                signers[entry.domain] = (*signers.get(entry.domain, ()), signer)
        secrets = settings.secrets
        return cls(
            tuple(resolve_bytes(secret) for secret in secrets.signing),
            signers,
            sealing_keys(secrets.sealing),
            delegated,
        )

    def secret(self, reference: SecretRef) -> str:
        """A secret that is looked up when it is used, such as a company's password. Raises SecretError."""
        return resolve(reference, sealing=self.sealing)

    def for_author(self, domain: str) -> dict[str, Signer]:
        """The keys that may sign for a company's domain, by selector: those made for it, then those it points to."""
        signers = {signer.selector: signer for signer in self.signers.get(domain, ())}
        return signers | {
            signer.selector: signer.for_domain(domain) for signer in self.delegated if signer.selector not in signers
        }

    def fingerprint(self, *parts: str) -> str:
        """A short name for values that may be secret: says whether they changed, never what they are."""
        return hmac.digest(self.signing[0], "\0".join(parts).encode(), hashlib.sha256).hex()[:16]


@dataclass(frozen=True, slots=True, eq=False)
class Active:
    """The configuration that holds now, all of one piece."""

    snapshot: Snapshot
    keyring: Keyring
