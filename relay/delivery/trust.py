"""Finds out what the mail hosts of a domain have to prove before they get mail, and says so to the session."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from relay.delivery.route import Route, Target, TlsPolicy
from relay.delivery.trouble import AttemptError
from relay.facts.sts import Sts
from relay.policy.outcome import Fault, Phase, Trouble
from relay.policy.trust import Basis, Demand, Proof, Refusal, demand_of

_VERIFIED = (TlsPolicy.STARTTLS, TlsPolicy.IMPLICIT)
_UNPROVEN, _CONFIGURED = Demand(), Demand(Basis.SETTINGS, Proof.CERTIFICATE)


@dataclass(frozen=True, slots=True)
class Trust:
    """What one worker asks of mail hosts; `policy_of` tells what a domain says about MTA-STS."""

    policy_of: Callable[[str], Awaitable[Sts]]

    async def of_route(self, route: Route) -> Sts:
        """What the domain that a route leads to says about all its hosts."""
        if not route.is_domain or route.host.startswith("["):
            return Sts()
        return await self.policy_of(route.host)

    async def demand(self, route: Route, target: Target, sts: Sts) -> Demand:
        """What `target` has to prove; raises AttemptError when it may get nothing."""
        if not route.is_domain:
            return _CONFIGURED if route.tls in _VERIFIED else _UNPROVEN
        demand = demand_of(route.host, target.host, sts.policy)
        if isinstance(demand, Refusal):
            raise AttemptError(Trouble(Fault.UNTRUSTED, demand.reason), Phase.TLS, demand.failure)
        return demand
