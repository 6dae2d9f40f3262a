"""What a mail host has to prove before it gets mail, and what it is called when it does not."""

from dataclasses import dataclass
from enum import StrEnum

from relay.policy.dane import Tlsa
from relay.policy.sts import StsMode, StsPolicy


class Basis(StrEnum):
    """Why we believe that we talk to the host we mean."""

    NONE = "none"  # we do not know: nobody asked for proof, or who asked only wants to hear of it
    DANE = "dane"
    STS = "mta-sts"
    SENDER = "sender"  # who wrote the mail demands a valid certificate (REQUIRETLS)
    SETTINGS = "settings"  # our own configuration demands a valid certificate


class Proof(StrEnum):
    """What is asked of a host."""

    NOTHING = "nothing"  # TLS if it can
    ENCRYPTION = "encryption"  # TLS, with whatever certificate
    CERTIFICATE = "certificate"  # TLS, with a certificate that is valid for its name
    RECORDS = "records"  # TLS, with a certificate that its TLSA records allow


class TlsFailure(StrEnum):
    """Why a host's TLS was no proof, by the names of RFC 8460 4.3."""

    NO_STARTTLS = "starttls-not-supported"
    OTHER_NAME = "certificate-host-mismatch"
    EXPIRED = "certificate-expired"
    NOT_TRUSTED = "certificate-not-trusted"
    OTHER = "validation-failure"
    DNSSEC = "dnssec-invalid"
    FETCH = "sts-policy-fetch-error"
    INVALID = "sts-policy-invalid"
    WEB_CERTIFICATE = "sts-webpki-invalid"


@dataclass(frozen=True, slots=True)
class Demand:
    """What a host has to prove, and on whose word. `tentative`: who does not prove it gets the mail all the same.

    `records` are the host's, and `names` those that it may have by them, the first one being that to ask for.
    `failure` is what is wrong before anybody has connected, and told to those who only want to hear of it.
    """

    basis: Basis = Basis.NONE
    proof: Proof = Proof.NOTHING
    tentative: bool = False
    failure: TlsFailure | None = None
    records: tuple[Tlsa, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostRecords:
    """The TLSA records of a host that its zone vouches for: those that can be used, under the name `base`."""

    base: str
    usable: tuple[Tlsa, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A host may get nothing, and why."""

    reason: str
    failure: TlsFailure


def demand_of(domain: str, host: str, sts: StsPolicy | None, tlsa: HostRecords | None = None) -> Demand | Refusal:
    """What `host` has to prove to get mail of `domain`, whose policy is `sts`; `tlsa` is None where DANE says nothing.

    DANE goes before MTA-STS (RFC 8461 2). Records of which none can be used still say that there is TLS (RFC 7672 2.2).
    """
    if tlsa is not None and tlsa.usable:
        names = tuple(dict.fromkeys((tlsa.base, host, domain)))
        return Demand(Basis.DANE, Proof.RECORDS, records=tlsa.usable, names=names)
    demand = _demand_by_sts(domain, host, sts)
    if tlsa is not None and isinstance(demand, Demand) and (demand.tentative or demand.proof is Proof.NOTHING):
        return Demand(Basis.NONE, Proof.ENCRYPTION)
    return demand


def demand_of_sender(domain: str, host: str, demand: Demand | Refusal, *, vouched: bool) -> Demand | Refusal:
    """What `host` has to prove to get mail whose sender requires TLS, where others ask for `demand` (RFC 8689 4.2.1).

    `vouched`: DNSSEC says that it is a host of the domain. Otherwise the domain's own policy has to.
    """
    if isinstance(demand, Refusal) or (demand.basis in (Basis.DANE, Basis.STS) and not demand.tentative):
        return demand
    if vouched or demand.basis is Basis.STS:
        return Demand(Basis.SENDER, Proof.CERTIFICATE)
    return Refusal(f"nobody vouches that {host} is a mail host of {domain}, as REQUIRETLS wants", TlsFailure.OTHER)


def _demand_by_sts(domain: str, host: str, sts: StsPolicy | None) -> Demand | Refusal:
    if sts is None or sts.mode is StsMode.NONE:
        return Demand()
    enforced = sts.mode is StsMode.ENFORCE
    if not sts.allows(host):
        text = f"the MTA-STS policy of {domain} does not name {host} as a mail host"
        return Refusal(text, TlsFailure.OTHER) if enforced else Demand(tentative=True, failure=TlsFailure.OTHER)
    return Demand(Basis.STS, Proof.CERTIFICATE, tentative=not enforced)
