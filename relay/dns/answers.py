"""What the DNS said, as values."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

MIN_TTL = 3.0  # also how long a temporary failure is remembered: long enough to spare a server that is in trouble
MAX_TTL = 86400.0

Record = TypeVar("Record")


class Status(StrEnum):
    """What became of a question."""

    OK = "ok"
    NODATA = "nodata"  # the name exists, but has no record of this type
    NXDOMAIN = "nxdomain"  # no such name, or no name at all
    TEMPORARY = "temporary"  # no answer now: a later one may differ


@dataclass(frozen=True, slots=True)
class Answer(Generic[Record]):
    """What the DNS says about one name; `records` is empty unless `status` is OK."""

    status: Status
    records: tuple[Record, ...]
    expires: float  # epoch seconds by the resolver's clock
    authenticated: bool = (
        False  # signed, and checked by a server that we were told to trust or that runs on this machine
    )
    reason: str = ""  # plain words, for anything but OK
    name: str = ""  # where the records are, when aliases led there


class Mx(NamedTuple):
    """One mail host of a domain; the lowest preference comes first."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class MxAnswer(Answer[Mx]):
    """The MX records as published, lowest preference first."""

    @property
    def is_null(self) -> bool:
        """The domain says that it takes no mail (RFC 7505 section 3)."""
        return self.status is Status.OK and all(not mx.host for mx in self.records)


class MailStatus(StrEnum):
    """Whether a domain has hosts that take its mail."""

    FOUND = "found"
    NULL_MX = "null-mx"  # takes no mail, on purpose (556 5.1.10)
    NO_HOSTS = "no-hosts"  # exists, but nothing there could take mail (5.4.4)
    NXDOMAIN = "nxdomain"  # does not exist (5.1.2)
    TEMPORARY = "temporary"  # not known now (4.4.3)


@dataclass(frozen=True, slots=True)
class MailHosts:
    """The hosts to try for a domain, in the order to try them; empty unless `status` is FOUND."""

    status: MailStatus
    hosts: tuple[Mx, ...]
    reason: str  # plain words, also for FOUND: where the hosts come from
    expires: float
    authenticated: bool = False
