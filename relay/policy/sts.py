"""MTA-STS: what a domain says about TLS to its mail hosts, read strictly (RFC 8461)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MOST_OCTETS = 64 * 1024  # RFC 8461 3.3
_LONGEST = 31_557_600  # RFC 8461 3.2: max_age is a year at most
_MOST_PATTERNS = 256
_RECORD = re.compile(r"v=STSv1[ \t]*;(?P<fields>[\x20-\x7e\t]*)")
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(?P<value>.*?)[ \t]*")
_AGE = re.compile(r"[0-9]{1,10}")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_PATTERN = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL}){{0,126}}")


class StsMode(StrEnum):
    """What follows when a host does not keep to a policy."""

    ENFORCE = "enforce"  # it gets no mail
    TESTING = "testing"  # it gets mail all the same, and the domain a report
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """A policy, in force for `max_age` seconds; `hosts` are names in lower case, or `*.` and a name."""

    mode: StsMode
    max_age: int
    hosts: tuple[str, ...]

    def allows(self, host: str) -> bool:
        """Whether a mail host may be used; a wildcard stands for one label (RFC 8461 4.1)."""
        host = host.lower().removesuffix(".")
        parent = host.partition(".")[2]
        return host in self.hosts or (bool(parent) and f"*.{parent}" in self.hosts)

    @property
    def lines(self) -> tuple[str, ...]:
        """The policy as it is quoted in reports."""
        said = ("version: STSv1", f"mode: {self.mode}", *(f"mx: {host}" for host in self.hosts))
        return (*said, f"max_age: {self.max_age}")


def read_sts_id(records: Iterable[bytes]) -> str | None:
    """The id of the policy that TXT records of _mta-sts announce; None when they announce none (RFC 8461 3.1)."""
    found = [match for match in map(_read_record, records) if match is not None]
    if len(found) != 1:
        return None
    ids = [value for name, _, value in (field.partition("=") for field in found[0].split(";")) if name.strip() == "id"]
    said = ids[0].strip() if ids else ""
    return said if _ID.fullmatch(said) else None


def read_sts_policy(document: bytes) -> StsPolicy:
    """The policy in a document. Of a line that is there twice the first one counts, and unknown ones say nothing.

    Raises:
        ValueError: the document is no policy (RFC 8461 3.2), with a plain reason.
    """
    if len(document) > MOST_OCTETS:
        raise ValueError(f"the policy has more than {MOST_OCTETS} octets")
    try:
        text = document.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the policy is not UTF-8") from None
    fields: dict[str, str] = {}
    hosts: dict[str, None] = {}
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip(" \t"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("a line of the policy is not a name, a colon and a value")
        if match["name"] == "mx":
            hosts[_read_pattern(match["value"])] = None
        else:
            fields.setdefault(match["name"], match["value"])
    if len(hosts) > _MOST_PATTERNS:
        raise ValueError(f"the policy names more than {_MOST_PATTERNS} hosts")
    return _policy(fields, tuple(hosts))


def _read_record(record: bytes) -> str | None:
    match = _RECORD.fullmatch(record.decode("latin-1"))
    return None if match is None else match["fields"]


def _read_pattern(value: str) -> str:
    pattern = value.lower().removesuffix(".")
    if not _PATTERN.fullmatch(pattern):
        raise ValueError("the policy names something that is no mail host")
    return pattern


def _policy(fields: dict[str, str], hosts: tuple[str, ...]) -> StsPolicy:
    if fields.get("version") != "STSv1":
        raise ValueError("the policy is not of version STSv1")
    if not _AGE.fullmatch(fields.get("max_age", "")):
        raise ValueError("the policy does not say how long it holds (max_age)")
    try:
        mode = StsMode(fields.get("mode", ""))
    except ValueError:
        raise ValueError("the policy's mode is none of enforce, testing and none") from None
    if not hosts and mode is not StsMode.NONE:
        raise ValueError("the policy names no mail host")
    return StsPolicy(mode, min(int(fields["max_age"]), _LONGEST), hosts)
