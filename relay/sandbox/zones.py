"""What the sandbox publishes in its DNS, and what goes wrong with it.

In charge of: records by name, live changes to them, and a fault per name.
Never does: speak the protocol (see `dns_server`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import yaml

TTL = 60
MAX_ALIASES = 10

Value = str | bytes | Sequence[str]


class FaultKind(StrEnum):
    """What a query for a name runs into."""

    SERVFAIL = "servfail"
    DROP = "drop"  # no answer at all
    DELAY = "delay"
    TRUNCATE = "truncate"  # over UDP nothing but the wish to be asked over TCP
    NXDOMAIN = "nxdomain"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and how many seconds a delayed answer takes."""

    kind: FaultKind
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """The records for a name and type, behind the aliases that lead there (owner, alias record)."""

    exists: bool
    aliases: tuple[tuple[dns.name.Name, dns.rdata.Rdata], ...]
    owner: dns.name.Name
    records: tuple[dns.rdata.Rdata, ...]


class Zones:
    """Records by name and type; names and types compare without case.

    `records` maps name to type to one value or a list of values in the usual text form. A TXT value may also be bytes,
    or a sequence of strings that stay separate strings of one record.
    """

    def __init__(self, records: Mapping[str, Mapping[str, Any]] | None = None, *, ttl: int = TTL) -> None:
        self.ttl = ttl
        self._records: dict[dns.name.Name, dict[str, tuple[dns.rdata.Rdata, ...]]] = {}
        self._faults: dict[dns.name.Name, Fault] = {}
        for name, types in (records or {}).items():
            for rdtype, values in types.items():
                self.publish(name, rdtype, *(values if isinstance(values, list | tuple) else (values,)))

    @classmethod
    def from_yaml(cls, text: str) -> "Zones":
        """Zones from a YAML mapping of the same shape."""
        return cls(yaml.safe_load(text) or {})

    def publish(self, name: str, rdtype: str, *values: Value) -> None:
        """Put exactly these records there, in place of those of the same type.

        Raises:
            ValueError: a value is not what the type asks for.
        """
        try:
            records = tuple(_record(rdtype.upper(), value) for value in values)
            self._records.setdefault(_name(name), {})[rdtype.upper()] = records
        except dns.exception.DNSException as error:
            raise ValueError(f"{rdtype} of {name}: {error}") from error

    def withdraw(self, name: str, rdtype: str = "") -> None:
        """Take away the records of one type, or the whole name."""
        if rdtype:
            self._records.get(_name(name), {}).pop(rdtype.upper(), None)
        else:
            self._records.pop(_name(name), None)

    def break_name(self, name: str, fault: Fault | FaultKind) -> None:
        """Let every query for this name run into the fault."""
        self._faults[_name(name)] = fault if isinstance(fault, Fault) else Fault(fault)

    def heal(self, name: str) -> None:
        """Answer truthfully for this name again."""
        self._faults.pop(_name(name), None)

    def fault(self, name: dns.name.Name) -> Fault | None:
        """The fault that a query for this name runs into."""
        return self._faults.get(name)

    def find(self, name: dns.name.Name, rdtype: str) -> Found:
        """Look up as an authoritative server does, following aliases as far as they lead inside these zones."""
        aliases: list[tuple[dns.name.Name, dns.rdata.Rdata]] = []
        for _ in range(MAX_ALIASES):
            types = self._records.get(name, {})
            records = types.get(rdtype, ())
            if records or rdtype == "CNAME" or not types.get("CNAME"):
                return Found(bool(types) or self._has_children(name), tuple(aliases), name, records)
            alias: Any = types["CNAME"][0]
            aliases.append((name, alias))
            name = alias.target
        return Found(exists=True, aliases=tuple(aliases), owner=name, records=())

    def names(self) -> Iterator[str]:
        """Every name with records, in no special order."""
        return (name.to_text(omit_final_dot=True) for name in self._records)

    def _has_children(self, name: dns.name.Name) -> bool:
        return any(known.is_subdomain(name) for known in self._records)


def _name(text: str) -> dns.name.Name:
    return dns.name.from_text(text, idna_codec=dns.name.IDNA_2008_UTS_46)


def _record(rdtype: str, value: Value) -> dns.rdata.Rdata:
    kind = dns.rdatatype.from_text(rdtype)
    if rdtype in ("TXT", "SPF"):
        strings = [value] if isinstance(value, str | bytes) else value
        pieces = [piece for text in strings for piece in _pieces(text)]
        return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, kind, pieces or [b""])
    return dns.rdata.from_text(dns.rdataclass.IN, kind, str(value), origin=dns.name.root, relativize=False)


def _pieces(text: str | bytes) -> list[bytes]:
    # RFC 1035 3.3: a string holds at most 255 octets; longer text goes into several strings of one record.
    octets = text.encode() if isinstance(text, str) else text
    return [octets[start : start + 255] for start in range(0, len(octets) or 1, 255)]
