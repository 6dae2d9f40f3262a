"""Finds out what the mail hosts of a domain have to prove before they get mail, and says so to the session."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from relay.delivery.route import Route, Target, TlsPolicy
from relay.delivery.trouble import AttemptError
from relay.dns import Resolver, Status
from relay.facts.sts import Sts
from relay.facts.tls_results import Policy, TlsResults
from relay.mail.envelope import TlsWish
from relay.mail.tls_report import TlsFault
from relay.policy.dane import read_tlsa
from relay.policy.outcome import Fault, Phase, Trouble
from relay.policy.sts import StsMode
from relay.policy.trust import Basis, Demand, HostRecords, Proof, Refusal, TlsFailure, demand_of, demand_of_sender

_VERIFIED = (TlsPolicy.STARTTLS, TlsPolicy.IMPLICIT)
_UNPROVEN, _CONFIGURED = Demand(), Demand(Basis.SETTINGS, Proof.CERTIFICATE)


@dataclass(frozen=True, slots=True)
class Trust:
    """What one worker asks of mail hosts; `policy_of` tells what a domain says about MTA-STS."""

    policy_of: Callable[[str], Awaitable[Sts]]
    resolver: Resolver
    results: TlsResults

    async def of_route(self, route: Route) -> Sts:
        """What the domain that a route leads to says about all its hosts."""
        if not route.is_domain or route.host.startswith("[") or route.wish is TlsWish.IGNORED:
            return Sts()
        return await self.policy_of(route.host)

    async def demand(self, route: Route, target: Target, sts: Sts) -> Demand:
        """What `target` has to prove; raises AttemptError when it may get nothing."""
        if not route.is_domain:
            return _by_settings(route)
        if route.wish is TlsWish.IGNORED:
            return _UNPROVEN
        demand = demand_of(route.host, target.host, sts.policy, await self._records(target))
        if route.wish is TlsWish.REQUIRED and isinstance(demand, Demand):
            demand = demand_of_sender(route.host, target.host, demand, vouched=bool(target.names))
            if isinstance(demand, Refusal):
                raise AttemptError(Trouble(Fault.REQUIRE_TLS, demand.reason), Phase.TLS, demand.failure)
        if isinstance(demand, Refusal):
            raise AttemptError(Trouble(Fault.UNTRUSTED, demand.reason), Phase.TLS, demand.failure)
        return demand

    def note(self, route: Route, target: Target, sts: Sts, demand: Demand | None, failure: TlsFailure | None) -> None:
        """Count a session for the domain's report; `demand` is None when it did not come to one."""
        if not route.is_domain or route.wish is not None:
            # What a sender wants of TLS is not what the domain's policy makes of it.
            return
        policy = _policy(sts, demand, failure)
        fault = None if failure is None else TlsFault(failure.value, target.host, target.ip, 1)
        self.results.note(route.host, policy, fault)

    async def _records(self, target: Target) -> HostRecords | None:
        """The TLSA records of a host, None where there are none that the DNS vouches for; raises AttemptError."""
        for name in target.names:
            answer = await self.resolver.lookup(f"_{target.port}._tcp.{name}", "TLSA")
            if answer.status is Status.TEMPORARY:
                # RFC 7672 2.1.3: without an answer that can be believed, the host is as good as out of reach.
                text = f"the TLSA records of {name} cannot be looked up now: {answer.reason}"
                raise AttemptError(Trouble(Fault.DNS, text), Phase.TLS, TlsFailure.DNSSEC)
            if answer.status is Status.OK and answer.authenticated:
                return HostRecords(name, read_tlsa(answer.records))
        return None


def _by_settings(route: Route) -> Demand:
    if route.tls in _VERIFIED:
        return _CONFIGURED
    if route.wish is TlsWish.REQUIRED:
        text = f"mail to {route.host} goes without TLS that is proven, which REQUIRETLS does not allow"
        raise AttemptError(Trouble(Fault.REQUIRE_TLS, text), Phase.TLS)
    return _UNPROVEN


def _policy(sts: Sts, demand: Demand | None, failure: TlsFailure | None) -> Policy:
    """Under which policy a session was tried, as reports name it (RFC 8460 4.4)."""
    if demand is not None and demand.records:
        return Policy("tlsa", tuple(map(str, demand.records)))
    if failure is TlsFailure.DNSSEC:
        return Policy("tlsa")
    if sts.policy is not None and sts.policy.mode is not StsMode.NONE:
        return Policy("sts", sts.policy.lines, sts.policy.hosts)
    return Policy("sts") if failure is not None and failure is sts.failure else Policy("no-policy-found")
