"""What a mail from another server proved of where it comes from: SPF, DKIM, ARC and DMARC, as values. Pure.

In charge of the words for what was found and of their JSON form, in which it is stored with the mail. Looking it up is
`relay.authn.arrivals`; what follows from it is decided elsewhere. What a company's own domain publishes about us is
`relay.policy.evidence`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from relay.policy.dmarc import Policy


class Result(StrEnum):
    """The results of RFC 8601 2.7."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 -- a verdict
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    POLICY = "policy"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class SpfFinding:
    """What SPF of `domain` says about the peer's address. `domain` is empty when there was none to ask."""

    result: Result = Result.NONE
    domain: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DkimFinding:
    """One signature. `identity` is its i=; `mark` the first octets of its b=, which tell it from others (RFC 6008).

    PASS stands for the whole body only: a signature that is right but covers less of it is POLICY.
    """

    result: Result
    domain: str = ""
    selector: str = ""
    algorithm: str = ""
    mark: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ArcFinding:
    """The chain of seals (RFC 8617). `sealers` are their domains, oldest first, known when the chain passes.

    `oldest_pass` is the first instance from which on nothing was changed, 0 for all or nothing. `vouched_by` is the
    trusted sealer that saw DMARC pass for this author, empty when there is none.
    """

    result: Result = Result.NONE
    sealers: tuple[str, ...] = ()
    oldest_pass: int = 0
    vouched_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DmarcFinding:
    """What DMARC says of the author's domain; of several, the one that asks for the most among those that fail.

    `policy` is what `found_at` asks for (sp, np and t already weighed); `aligned_by` says whose word counted: the
    signing domain or that of the reverse path, as `dkim:<domain>` or `spf:<domain>`.
    """

    result: Result = Result.NONE
    author: str = ""
    policy: Policy = Policy.NONE
    found_at: str = ""
    aligned_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Authentication:
    """All that was found. The default is what is known of mail that was never looked at: nothing."""

    spf: SpfFinding = field(default_factory=SpfFinding)
    helo: SpfFinding = field(default_factory=SpfFinding)
    dkim: tuple[DkimFinding, ...] = ()
    arc: ArcFinding = field(default_factory=ArcFinding)
    dmarc: DmarcFinding = field(default_factory=DmarcFinding)

    @property
    def passes_by_dkim(self) -> bool:
        """Whether DMARC still passes when somebody else hands the mail on unchanged."""
        return self.dmarc.result is Result.PASS and self.dmarc.aligned_by.startswith("dkim:")

    def to_json(self) -> dict[str, Any]:
        """The form that is stored; what says nothing is left out."""
        made: dict[str, Any] = {name: _written(getattr(self, name)) for name in _KINDS}
        made["dkim"] = [_written(each) for each in self.dkim]
        return {name: value for name, value in made.items() if value not in _NOTHING}


_NOTHING: tuple[object, ...] = ({"result": "none"}, {"result": "none", "policy": "none"}, [])
_KINDS: dict[str, type[SpfFinding | ArcFinding | DmarcFinding]] = {
    "spf": SpfFinding,
    "helo": SpfFinding,
    "arc": ArcFinding,
    "dmarc": DmarcFinding,
}


def unknown(reason: str) -> Authentication:
    """Nothing could be found out now; `reason` in plain words. Nobody is punished for that."""
    return Authentication(
        spf=SpfFinding(Result.TEMPERROR, reason=reason),
        arc=ArcFinding(Result.TEMPERROR, reason=reason),
        dmarc=DmarcFinding(Result.TEMPERROR, reason=reason),
    )


def from_json(stored: object) -> Authentication:
    """Read what `to_json` wrote. What cannot be read counts as not there: it was stored by another version."""
    if not isinstance(stored, Mapping):
        return Authentication()
    made: dict[str, Any] = {name: _read(kind, stored.get(name)) for name, kind in _KINDS.items()}
    signatures = stored.get("dkim")
    if isinstance(signatures, list):
        read = (_read(DkimFinding, each) for each in signatures)
        made["dkim"] = tuple(each for each in read if each is not None)
    return Authentication(**{name: value for name, value in made.items() if value is not None})


def _written(finding: Any) -> dict[str, Any]:
    values = [(name, getattr(finding, name)) for name in finding.__slots__]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values if value}


def _read(kind: Any, stored: object) -> Any:
    """A finding of this kind, None when that is not one."""
    if not isinstance(stored, Mapping) or not set(stored) <= set(kind.__dataclass_fields__):
        return None
    values = dict(stored)
    try:
        values["result"] = Result(values["result"])
        if "policy" in values:
            values["policy"] = Policy(values["policy"])
        if "sealers" in values:
            values["sealers"] = tuple(map(str, values["sealers"]))
    except (KeyError, TypeError, ValueError):
        return None
    texts = (value for name, value in values.items() if name not in ("result", "policy", "sealers", "oldest_pass"))
    is_whole = all(isinstance(text, str) for text in texts) and isinstance(values.get("oldest_pass", 0), int)
    return kind(**values) if is_whole else None
