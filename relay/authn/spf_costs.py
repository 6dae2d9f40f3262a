"""Counts what each term of an SPF record makes receivers look up (RFC 7208 4.6.4).

Unlike an evaluation, which stops at the first term that matches, this counts every term to the end, for advice. Terms
that depend on the mail (macros) are counted and not followed.
"""

from relay.dns import Resolver, Status
from relay.policy.spf_advice import MOST_LOOKUPS, Cost
from relay.policy.spf_reading import Term, read_record, spf_like

_DEEPEST = MOST_LOOKUPS
_MOST_QUESTIONS = 60


async def count_costs(records: list[str], resolver: Resolver) -> dict[str, Cost]:
    """What the terms of these records cost, by their text. Never raises; what cannot be looked up counts as found."""
    counter = _Counter(resolver)
    return {
        term.text: await counter.cost(term, 0)
        for record in records
        for term in read_record(record).terms
        if term.is_costly
    }


class _Counter:
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._asked = 0

    async def cost(self, term: Term, depth: int) -> Cost:
        """What a term costs, with everything it includes."""
        name = term.value.partition("/")[0]
        if not name or "%" in name or term.name == "ptr" or self._asked >= _MOST_QUESTIONS or depth >= _DEEPEST:
            return Cost(1)
        self._asked += 1
        if term.name in ("include", "redirect"):
            return await self._cost_of_record(name, depth)
        asked = self._resolver.lookup_mx(name) if term.name == "mx" else self._resolver.lookup_addresses(name)
        return Cost(1, (await asked).status in (Status.NODATA, Status.NXDOMAIN))

    async def _cost_of_record(self, name: str, depth: int) -> Cost:
        answer = await self._resolver.lookup_txt(name)
        lookups, voids = 1, int(answer.status in (Status.NODATA, Status.NXDOMAIN))
        for record in spf_like(text.decode("utf-8", "replace") for text in answer.records)[:1]:
            for term in read_record(record).terms:
                if term.is_costly:
                    more = await self.cost(term, depth + 1)
                    lookups, voids = lookups + more.lookups, voids + more.voids
        return Cost(lookups, voids)
