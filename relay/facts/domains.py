"""What the DNS says about company domains now, remembered as long as it says that it holds."""

from collections.abc import Callable

from relay.authn.spf import Verdict, evaluate_all
from relay.clock import Clock
from relay.config.keyring import Active
from relay.dns import Resolver
from relay.policy.identity import DomainFact, Standing

_MOST_REMEMBERED = 50_000


class DomainFacts:
    """Knows the standing of company domains."""

    def __init__(self, active: Callable[[], Active], resolver: Resolver, clock: Clock) -> None:
        self._active = active
        self._resolver = resolver
        self._clock = clock
        self._known: dict[tuple[str, tuple[str, ...]], tuple[float, DomainFact]] = {}

    async def about(self, domain: str) -> DomainFact:
        """The fact about `domain` as of now; a DNS failure gives UNKNOWN, never FAILS."""
        settings = self._active().snapshot.settings
        addresses = tuple(str(address) for address in settings.sending_addresses)
        key = (domain, addresses)
        expires, fact = self._known.get(key, (0.0, None))
        if fact is not None and self._clock.now() < expires:
            return fact
        results = await evaluate_all(addresses, domain, self._resolver)
        fact = _judge(domain, {address: (result.verdict, result.reason) for address, result in results.items()})
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[key] = (min(result.expires for result in results.values()), fact)
        return fact


def _judge(domain: str, verdicts: dict[str, tuple[Verdict, str]]) -> DomainFact:
    for address, (verdict, reason) in verdicts.items():
        if verdict is Verdict.TEMPERROR:
            return DomainFact(Standing.UNKNOWN, f"the SPF record of {domain} cannot be looked up now: {reason}")
        if verdict is not Verdict.PASS:
            said = f"SPF of {domain} says {verdict} for our address {address}"
            return DomainFact(Standing.FAILS, f"{said}: {reason}" if reason else said)
    return DomainFact(Standing.PASSES, f"SPF of {domain} passes for all our sending addresses")
