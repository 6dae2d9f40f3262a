"""What a domain asks receivers to do with mail that nobody vouches for (DMARC), and whose word counts for it. Pure.

In charge of reading records, of the names to ask on the walk up the tree, and of what the answers come to. Asking is
`relay.authn.dmarc`; what follows for our mail is `relay.policy.prediction`.

RFC 9989, which took the place of RFC 7489.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

MOST_QUERIES = 8  # RFC 9989 4.10

V = TypeVar("V", bound=StrEnum)


class Policy(StrEnum):
    """What to do with mail that fails."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Psd(StrEnum):
    """Whether a name is one under which strangers register names of their own (a public suffix)."""

    YES = "y"
    NO = "n"
    UNKNOWN = "u"


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One record. `subdomains` and `missing` are the policies for names below, and for those that do not exist.

    `aggregate` and `failures` are the addresses for reports, `failure_options` says when failures are reported.
    """

    policy: Policy = Policy.NONE
    subdomains: Policy = Policy.NONE
    missing: Policy = Policy.NONE
    psd: Psd = Psd.UNKNOWN
    testing: bool = False
    strict_dkim: bool = False
    strict_spf: bool = False
    aggregate: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    failure_options: frozenset[str] = frozenset("0")


@dataclass(frozen=True, slots=True)
class Dmarc:
    """What applies to mail whose author is in one domain.

    `organization` is the organizational domain; `found_at` the domain whose record applies, empty when there is none
    or when it says nothing (then `policy` is NONE).
    """

    organization: str
    policy: Policy = Policy.NONE
    strict_dkim: bool = False
    strict_spf: bool = False
    found_at: str = ""


def parse_dmarc(text: str) -> DmarcRecord | None:
    """The record in one TXT record; None when that is something else.

    Tags that are unknown or wrong count as not there (RFC 9989 4.7). A policy that cannot be made sense of makes the
    whole record ask for nothing: that is what receivers are told to take it for.
    """
    tags = _tags(text)
    if tags is None:
        return None
    wrong = any(name in tags and tags[name].lower() not in set(Policy) for name in ("p", "sp", "np"))
    policy = Policy.NONE if wrong else _one_of(tags, "p", Policy.NONE)
    subdomains = Policy.NONE if wrong else _one_of(tags, "sp", policy)
    return DmarcRecord(
        policy=policy,
        subdomains=subdomains,
        missing=Policy.NONE if wrong else _one_of(tags, "np", subdomains),
        psd=_one_of(tags, "psd", Psd.UNKNOWN),
        testing=tags.get("t", "n").lower() == "y",
        strict_dkim=tags.get("adkim", "r").lower() == "s",
        strict_spf=tags.get("aspf", "r").lower() == "s",
        aggregate=_report_addresses(tags.get("rua", "")),
        failures=_report_addresses(tags.get("ruf", "")),
        failure_options=frozenset(tags.get("fo", "").lower().replace(" ", "").split(":")) & set("01ds")
        or frozenset("0"),
    )


def pick_record(texts: Iterable[str]) -> DmarcRecord | None:
    """The record among the TXT records of one name; several are as good as none (RFC 9989 4.10)."""
    records = [record for record in map(parse_dmarc, texts) if record is not None]
    return records[0] if len(records) == 1 else None


def walk(domain: str) -> tuple[str, ...]:
    """The domains to ask for a record, in this order, until one of them ends the walk. `domain` has ASCII labels."""
    labels = domain.lower().split(".")
    above = labels[1:] if len(labels) < MOST_QUERIES else labels[1 - MOST_QUERIES :]
    return (".".join(labels), *(".".join(above[start:]) for start in range(len(above))))


def ends_walk(record: DmarcRecord) -> bool:
    """Whether names further up need not be asked."""
    return record.psd is not Psd.UNKNOWN


def organization(domain: str, found: Mapping[str, DmarcRecord]) -> str:
    """The organizational domain of `domain`, by the records found on its walk (RFC 9989 4.10.2)."""
    for name, record in found.items():
        if record.psd is Psd.NO:
            return name
        if record.psd is Psd.YES and name != domain:
            below = name.count(".") + 2
            return ".".join(domain.split(".")[-below:])
    return min(found, key=lambda name: name.count("."), default=domain)


def apply_dmarc(domain: str, found: Mapping[str, DmarcRecord], *, exists: bool) -> Dmarc:
    """What applies to mail from authors in `domain`; `exists`: the domain has addresses or mail hosts.

    The domain's own record counts, else that of its organizational domain, else that of the public suffix above
    (RFC 9989 4.10.1). A record in testing asks for one step less than it says (RFC 9989 4.7, "t").
    """
    organizational = organization(domain, found)
    above = [name for name, record in found.items() if record.psd is Psd.YES]
    for name in (domain, organizational, *above):
        record = found.get(name)
        if record is not None:
            below = record.subdomains if exists else record.missing
            policy = record.policy if name == domain else below
            if record.testing:
                policy = Policy.QUARANTINE if policy is Policy.REJECT else Policy.NONE
            return Dmarc(organizational, policy, record.strict_dkim, record.strict_spf, name)
    return Dmarc(organizational)


def is_aligned(domain: str, author: str, *, strict: bool, organizations: Mapping[str, str]) -> bool:
    """Whether the word of `domain` counts for authors in `author` (RFC 9989 4.9).

    `organizations` are the organizational domains of both, by domain; one that is not known is aligned with itself.
    """
    if domain == author:
        return True
    known = organizations.get(author)
    return not strict and known is not None and organizations.get(domain) == known


def _tags(text: str) -> dict[str, str] | None:
    """The tags by name in small letters; None unless the first one says that this is DMARC (RFC 9989 4.8)."""
    pairs = [
        (name.strip().lower(), value.strip()) for name, _, value in (tag.partition("=") for tag in text.split(";"))
    ]
    if pairs[0] != ("v", "DMARC1"):
        return None
    names = [name for name, _ in pairs if name]
    # RFC 6376 3.2: a tag that stands there twice spoils the list.
    return dict(pairs) if len(set(names)) == len(names) else None


def _one_of(tags: Mapping[str, str], name: str, default: V) -> V:
    value = tags.get(name, "").lower()
    return next((each for each in type(default) if each.value == value), default)


def _report_addresses(value: str) -> tuple[str, ...]:
    """Mail addresses of a list of URIs; the size that old records put behind "!" is left off."""
    uris = (uri.strip().partition("!")[0] for uri in value.split(","))
    return tuple(uri[7:] for uri in uris if uri.lower().startswith("mailto:") and "@" in uri)
