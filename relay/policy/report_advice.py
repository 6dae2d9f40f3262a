"""Which records a domain needs so that receivers send their reports about its mail to us. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.mail.address import Address
from relay.mail.tls_report import read_rua
from relay.policy.dmarc import parse_dmarc, pick_record
from relay.policy.dns_advice import Need, RecordAdvice
from relay.policy.evidence import Finding


@dataclass(frozen=True, slots=True)
class ReportsSeen:
    """What was looked for: DMARC reports and TLS reports that go to us, and our own word that they may.

    `texts` are the TXT records where the domain's DMARC record stands.
    """

    texts: Sequence[str]
    dmarc: Finding
    tls: Finding
    permission: Finding


def permission_name(domain: str, address: Address) -> str:
    """Where the domain of `address` says that it takes reports about `domain` (RFC 9990 4)."""
    return f"{domain}._report._dmarc.{address.ascii_domain}"


def advise_reports(domain: str, address: Address, seen: ReportsSeen) -> tuple[RecordAdvice, ...]:
    """Every record, ours last. `domain` is the one whose DMARC record counts."""
    ours = f'ours to publish; "*._report._dmarc.{address.ascii_domain}" does it for all companies'
    return (
        _advice(f"_dmarc.{domain}", seen.dmarc, _with_rua(seen.texts, _uri(address))),
        _advice(f"_smtp._tls.{domain}", seen.tls, f"v=TLSRPTv1; rua={_uri(address)}"),
        _advice(permission_name(domain, address), seen.permission, "v=DMARC1", ours),
    )


def wants_dmarc_reports(texts: Sequence[str], address: Address) -> bool:
    """Whether the TXT records of one name have DMARC reports sent to `address`."""
    record = pick_record(texts)
    return record is not None and _uri(address) in (f"mailto:{each.lower()}" for each in record.aggregate)


def wants_tls_reports(records: Sequence[bytes], address: Address) -> bool:
    """Whether the TXT records of one name have TLS reports sent to `address`."""
    return _uri(address) in (uri.lower() for uri in read_rua(records))


def takes_reports(texts: Sequence[str]) -> bool:
    """Whether the TXT records at `permission_name` agree to take reports."""
    return pick_record(texts) is not None


def _uri(address: Address) -> str:
    return f"mailto:{address.local}@{address.ascii_domain}".lower()


def _advice(name: str, finding: Finding, text: str, *remarks: str) -> RecordAdvice:
    """Reports are worth having, and nobody has to: mail arrives without."""
    need = {None: Need.UNKNOWN, True: Need.OK, False: Need.OPTIONAL}[finding.holds]
    strings = tuple(text[start : start + 255] for start in range(0, len(text), 255))
    return RecordAdvice(name, "TXT", need, strings, () if finding.holds else (finding.reason, *remarks))


def _with_rua(texts: Sequence[str], uri: str) -> str:
    """The DMARC record as it is, with one more address for reports; one that asks for nothing when there is none."""
    record = next((text for text in texts if parse_dmarc(text) is not None), "v=DMARC1; p=none")
    tags = record.rstrip("; \t").split(";")
    for index, tag in enumerate(tags):
        name, _, value = tag.partition("=")
        if name.strip().lower() == "rua":
            tags[index] = f"{name}={','.join(filter(None, (value.strip(), uri)))}"
            return ";".join(tags)
    return ";".join((*tags, f" rua={uri}"))
