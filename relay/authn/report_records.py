"""Looks whether a domain has receivers' reports about its mail sent to an address of ours, and whether it may.

In charge of the questions and of saying in plain words what was found; what to publish is `relay.policy.report_advice`.
"""

import asyncio
from collections.abc import Sequence

from relay.dns import Answer, Resolver, Status
from relay.mail.address import Address
from relay.policy.dns_advice import RecordAdvice
from relay.policy.evidence import Finding
from relay.policy.report_advice import (
    ReportsSeen,
    advise_reports,
    permission_name,
    takes_reports,
    wants_dmarc_reports,
    wants_tls_reports,
)


async def look_at_reports(domain: str, address: Address, resolver: Resolver) -> tuple[RecordAdvice, ...]:
    """How the records stand that have reports about `domain` (ASCII labels) sent to `address`. Never raises."""
    names = (f"_dmarc.{domain}", f"_smtp._tls.{domain}", permission_name(domain, address))
    dmarc, tls, permission = await asyncio.gather(*(resolver.lookup_txt(name) for name in names))
    texts = _texts(dmarc)
    seen = ReportsSeen(
        texts,
        _found(dmarc, f"DMARC reports about {domain} do not go to {address}", wants_dmarc_reports(texts, address)),
        _found(tls, f"TLS reports about {domain} do not go to {address}", wants_tls_reports(tls.records, address)),
        _found(
            permission, "receivers see no word of ours that we take such reports", takes_reports(_texts(permission))
        ),
    )
    return advise_reports(domain, address, seen)


def _found(answer: Answer[bytes], otherwise: str, holds: bool) -> Finding:  # noqa: FBT001 -- what was found
    if answer.status is Status.TEMPORARY:
        return Finding(None, f"cannot be looked up now: {answer.reason}")
    return Finding(holds, "" if holds else otherwise)


def _texts(answer: Answer[bytes]) -> Sequence[str]:
    return [record.decode("utf-8", "replace") for record in answer.records]
