"""What a mail from another server proved of where it comes from, in words for people and in short for apps. Pure."""

from collections.abc import Iterator

from relay.policy.authentication import Authentication, DmarcFinding, Result

_NOW = (Result.TEMPERROR, Result.PERMERROR)


def describe_evidence(found: Authentication) -> Iterator[str]:
    """A sentence that says what it comes to, then one line for each finding."""
    yield _headline(found)
    for name, spf in (("SPF", found.spf), ("SPF of its greeting", found.helo)):
        if spf.result is not Result.NONE:
            yield _line(name, spf.result, spf.domain, spf.reason)
    for each in found.dkim:
        selector = f" ({each.selector})" if each.selector else ""
        yield _line("DKIM", each.result, f"{each.domain}{selector}", each.reason)
    if found.arc.result is not Result.NONE:
        yield _line("ARC", found.arc.result, ", ".join(found.arc.sealers), found.arc.reason)
    if found.dmarc.result is not Result.NONE:
        yield _line("DMARC", found.dmarc.result, found.dmarc.author, found.dmarc.reason)


def evidence_in_short(found: Authentication) -> dict[str, str]:
    """The results by their names in RFC 8601, whose author they are about, and whose word counted."""
    signatures = [each.result for each in found.dkim]
    best = Result.PASS if Result.PASS in signatures else next(iter(signatures), Result.NONE)
    short = {
        "dmarc": found.dmarc.result,
        "spf": found.spf.result,
        "dkim": best,
        "arc": found.arc.result,
        "author": found.dmarc.author,
        "by": found.dmarc.aligned_by,
    }
    return {name: str(value) for name, value in short.items() if value}


def _headline(found: Authentication) -> str:
    dmarc = found.dmarc
    if not dmarc.author:
        return "its author cannot be told" if dmarc.result not in _NOW else "what it proves could not be found out"
    match dmarc.result:
        case Result.PASS:
            return f"it is from {dmarc.author}, as {_witness(dmarc)} proves"
        case Result.FAIL:
            vouched = f"; {found.arc.vouched_by}, which we trust, has seen proof" if found.arc.vouched_by else ""
            return f"nothing proves that it is from {dmarc.author}, which asks for p={dmarc.policy}{vouched}"
        case Result.TEMPERROR | Result.PERMERROR:
            return f"whether it is from {dmarc.author} could not be found out"
        case _:
            return f"whether it is from {dmarc.author} is not known: that domain does not say how to tell (DMARC)"


def _witness(dmarc: DmarcFinding) -> str:
    kind, _, domain = dmarc.aligned_by.partition(":")
    return f"the signature of {domain}" if kind == "dkim" else f"SPF of {domain}"


def _line(name: str, result: Result, about: str, reason: str) -> str:
    said = f"{name}: {result}" + (f" for {about}" if about else "")
    return said if result is Result.PASS or not reason else f"{said}: {reason}"
