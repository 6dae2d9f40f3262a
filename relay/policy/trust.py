"""What a mail host has to prove before it gets mail, and what it is called when it does not."""

from dataclasses import dataclass
from enum import StrEnum

from relay.policy.sts import StsMode, StsPolicy


class Basis(StrEnum):
    """Why we believe that we talk to the host we mean."""

    NONE = "none"  # we do not know: nobody asked for proof, or who asked only wants to hear of it
    STS = "mta-sts"
    SETTINGS = "settings"  # our own configuration demands a valid certificate


class Proof(StrEnum):
    """What is asked of a host."""

    NOTHING = "nothing"  # TLS if it can
    CERTIFICATE = "certificate"  # TLS, with a certificate that is valid for its name


class TlsFailure(StrEnum):
    """Why a host's TLS was no proof, by the names of RFC 8460 4.3."""

    NO_STARTTLS = "starttls-not-supported"
    OTHER_NAME = "certificate-host-mismatch"
    EXPIRED = "certificate-expired"
    NOT_TRUSTED = "certificate-not-trusted"
    OTHER = "validation-failure"
    FETCH = "sts-policy-fetch-error"
    INVALID = "sts-policy-invalid"
    WEB_CERTIFICATE = "sts-webpki-invalid"


@dataclass(frozen=True, slots=True)
class Demand:
    """What a host has to prove, and on whose word. `tentative`: who does not prove it gets the mail all the same.

    `failure` is what is wrong before anybody has connected, and told to those who only want to hear of it.
    """

    basis: Basis = Basis.NONE
    proof: Proof = Proof.NOTHING
    tentative: bool = False
    failure: TlsFailure | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A host may get nothing, and why."""

    reason: str
    failure: TlsFailure


def demand_of(domain: str, host: str, sts: StsPolicy | None) -> Demand | Refusal:
    """What `host` has to prove to get mail of `domain`, whose policy is `sts`."""
    if sts is None or sts.mode is StsMode.NONE:
        return Demand()
    enforced = sts.mode is StsMode.ENFORCE
    if not sts.allows(host):
        text = f"the MTA-STS policy of {domain} does not name {host} as a mail host"
        return Refusal(text, TlsFailure.OTHER) if enforced else Demand(tentative=True, failure=TlsFailure.OTHER)
    return Demand(Basis.STS, Proof.CERTIFICATE, tentative=not enforced)
