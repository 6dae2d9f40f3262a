"""Which hosts may send for a domain (SPF), as the domain says now.

In charge of: the verdict for an address, with the reason and how long it holds. The rules are pyspf's, wrapped
here once.
Never does: decide what follows from a verdict.

pyspf asks the DNS in the middle of its work and would block there. Here it never asks: it works with the answers known
so far, notes what it misses and gives up; the missing answers are looked up at once, and it starts again. A pass is
pure computation and takes well under a millisecond for an ordinary record, so no thread ever waits for the network,
nothing is shared between evaluations, and cancelling one cancels its look-ups.

RFC 7208.
"""

import asyncio
import ipaddress
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from relay.dns import Answer, Resolver, Status, parse_name

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its text has escapes that Python warns about whenever it is compiled
    import spf

TIME_LIMIT = 20.0  # RFC 7208 4.6.4: at least 20 seconds
MAX_INLINE = 2048  # octets of TXT, over all names, that are worked through without a thread
MAX_TEXT = 8192  # octets of TXT at one name that are looked at: a record has room for hundreds of networks in it


class Verdict(StrEnum):
    """The results of RFC 7208 2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What the domain says about one address.

    `is_general`: until `expires`, this holds whatever the local part of the sender and HELO are.
    """

    verdict: Verdict
    reason: str  # plain words
    domain: str
    expires: float  # epoch seconds: when the first of the answers behind it runs out; 0 when it stands on none
    is_general: bool = False


async def evaluate(ip: str, sender: str, helo: str, resolver: Resolver, *, time_limit: float = TIME_LIMIT) -> SpfResult:
    """Whether the host `ip` may send mail for `sender`.

    `sender` is a reverse path, or a bare domain; when it is empty (null reverse path), `helo` is judged. Never raises:
    trouble with the DNS gives TEMPERROR, everything else that cannot be made sense of PERMERROR.
    """
    local, _, domain = (sender or f"postmaster@{helo}").rpartition("@")
    domain = _ascii(domain)
    try:
        address = str(ipaddress.ip_address(ip))
    except ValueError:
        return SpfResult(Verdict.PERMERROR, f"{ip!r} is not an address", domain, 0.0)
    evaluation = _Evaluation(address, f"{local or 'postmaster'}@{domain}", helo, domain)
    try:
        async with asyncio.timeout(time_limit):
            return await evaluation.run(resolver)
    except TimeoutError:
        reason = f"the record of {domain} could not be evaluated within {time_limit:g} seconds"
        return SpfResult(Verdict.TEMPERROR, reason, domain, evaluation.expires)


async def evaluate_all(ips: Iterable[str], domain: str, resolver: Resolver) -> dict[str, SpfResult]:
    """The verdict for each of several hosts, with `domain` in the reverse path and in HELO."""
    unique = list(dict.fromkeys(ips))
    results = await asyncio.gather(*(evaluate(ip, domain, domain, resolver) for ip in unique))
    return dict(zip(unique, results, strict=True))


class _MissingAnswerError(Exception):
    """Ends a pass that needs an answer which is not there yet."""


_Question = tuple[str, str]


class _Evaluation:
    def __init__(self, ip: str, sender: str, helo: str, domain: str) -> None:
        self._ip, self._sender, self._helo, self._domain = ip, sender, helo, domain
        self._answers: dict[_Question, Answer[Any]] = {}

    @property
    def expires(self) -> float:
        return min((answer.expires for answer in self._answers.values()), default=0.0)

    async def run(self, resolver: Resolver) -> SpfResult:
        # Every evaluation begins with this record; to know it beforehand saves a pass.
        first = (self._domain.removesuffix(".").lower(), "TXT")
        if _may_be_asked(first[0]) and "." in first[0]:
            answer = self._answers[first] = await _lookup(first, resolver)
            if _is_without_record(answer):
                reason = self._reason(Verdict.NONE, None, "")
                return SpfResult(Verdict.NONE, reason, self._domain, self.expires, is_general=True)
        while True:  # every round brings at least one new answer, and pyspf's limits bound what it can ask for
            # Only the length of what a stranger has published can make a pass long; then it must not hold up others.
            is_short = sum(map(_length, self._answers.values())) < MAX_INLINE
            verdict, reason, missing = self._pass() if is_short else await asyncio.to_thread(self._pass)
            if not missing:
                is_general = verdict is not Verdict.TEMPERROR and not self._has_macros()
                return SpfResult(verdict, reason, self._domain, self.expires, is_general)
            answers = await asyncio.gather(*(_lookup(question, resolver) for question in missing))
            self._answers.update(zip(missing, answers, strict=True))

    def _has_macros(self) -> bool:
        """Whether anything that was looked up may depend on more than address and domain (RFC 7208 7)."""
        return any(
            isinstance(record, bytes) and b"%" in record
            for answer in self._answers.values()
            for record in answer.records
        )

    def _pass(self) -> tuple[Verdict, str, list[_Question]]:
        missing: list[_Question] = []
        try:
            query = _Query(self._ip, self._sender, self._helo, self._answers, missing)
            query.d = query.o = self._domain  # a quoted local part may hold an "@"
            query.l = self._sender.rpartition("@")[0]
            result, _, explanation = query.check()
            verdict = Verdict(result)
        except _MissingAnswerError:
            return Verdict.TEMPERROR, "", missing
        except Exception as error:  # noqa: BLE001 - pyspf raises nearly anything for nearly any record
            return Verdict.PERMERROR, f"the record of {self._domain} is beyond evaluation: {error!r:.200}", missing
        return verdict, self._reason(verdict, query.mechanism, explanation), missing

    def _reason(self, verdict: Verdict, mechanism: str | None, explanation: str) -> str:
        if verdict is Verdict.NONE:
            return f"{self._domain} publishes no SPF record"
        if verdict in (Verdict.TEMPERROR, Verdict.PERMERROR):
            return f"the SPF record of {self._domain} cannot be evaluated: {explanation.partition(': ')[2]:.200}"
        matched = f"by {mechanism:.100}" if mechanism else "because nothing in it matches"
        return f"the SPF record of {self._domain} says {verdict} to {self._ip} {matched}"


class _Query(spf.query):  # type: ignore[misc]  # pyspf has no types
    """pyspf's evaluation with answers that are already there."""

    def __init__(
        self, ip: str, sender: str, helo: str, answers: dict[_Question, Answer[Any]], missing: list[_Question]
    ) -> None:
        super().__init__(i=ip, s=sender, h=helo)
        self._answers = answers
        self._missing = missing

    def dns(self, name: str, qtype: str, cnames: object = None, *, ignore_void: bool = False) -> list[Any]:  # noqa: ARG002
        """What pyspf calls for every look-up; `cnames` is for following aliases, which the resolver has done."""
        question = (name.removesuffix(".").lower(), qtype)
        if not _may_be_asked(question[0]):
            return []
        answer = self._answers.get(question)
        if answer is None:
            self._missing.append(question)
            raise _MissingAnswerError
        if answer.status is Status.TEMPORARY:
            raise spf.TempError(answer.reason)
        if not answer.records and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"Void lookup limit of {spf.MAX_VOID_LOOKUPS} exceeded")
        return _as_pyspf_has_it(answer, qtype)


def _may_be_asked(name: str) -> bool:
    return all(0 < len(label) < 64 for label in name.split("."))


def _is_without_record(answer: Answer[Any]) -> bool:
    """Whether there is certainly nothing to evaluate, as at most names that hosts give themselves in HELO."""
    if answer.status is Status.TEMPORARY or _length(answer) > MAX_TEXT:
        return False
    return not any(b"v=spf1" in record.lower() for record in answer.records)


def _length(answer: Answer[Any]) -> int:
    return sum(len(record) for record in answer.records if isinstance(record, bytes))


def _as_pyspf_has_it(answer: Answer[Any], qtype: str) -> list[Any]:
    if qtype != "TXT":
        return list(answer.records)
    if sum(len(record) for record in answer.records) > MAX_TEXT:
        raise spf.PermError("too much text at one name")
    return [(record,) for record in answer.records]


async def _lookup(question: _Question, resolver: Resolver) -> Answer[Any]:
    name, qtype = question
    if qtype == "TXT":
        return await resolver.lookup_txt(name)
    if qtype == "MX":
        return await resolver.lookup_mx(name)
    return await resolver.lookup(name, qtype)


def _ascii(domain: str) -> str:
    try:
        return domain if domain.isascii() else parse_name(domain).to_text(omit_final_dot=True)
    except ValueError:
        return domain
