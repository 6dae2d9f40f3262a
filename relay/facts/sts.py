"""What domains say about TLS to their mail hosts: MTA-STS policies, found once and remembered by all workers.

In charge of asking: when, whom, and for how long an answer holds. A policy that we have outlives every trouble in
getting it again, until its own time is over (RFC 8461 3.3, 5.1). Mail never waits long for it, nor twice at once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from relay.clock import Clock
from relay.dns import Resolver, Status
from relay.http import Caps, HttpClient, HttpError, HttpFault, HttpRequest, Reach
from relay.policy.sts import MOST_OCTETS, StsMode, StsPolicy, read_sts_id, read_sts_policy
from relay.policy.trust import TlsFailure
from relay.store.facts import Fact, FactStore
from relay.store.spool import SpoolError

KIND = "mta-sts"
_MOST_REMEMBERED = 20_000
_FETCH_SECONDS = 10.0
_PATIENCE = 15.0  # for all there is to ask; mail goes on by what is known then
_SOONEST = 60.0  # between two looks at one domain
_AGAIN = 300.0  # after a policy could not be fetched
_REFRESH = 86_400.0  # how old a policy gets before it is fetched anew, though its id is the same
_DROPPED_AT_ONCE = 200

log = structlog.get_logger("relay.facts")


class StsFetchError(Exception):
    """A policy could not be fetched; `failure` is what reports call it."""

    def __init__(self, failure: TlsFailure, text: str) -> None:
        super().__init__(text)
        self.failure = failure


Fetch = Callable[[str], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Sts:
    """What is known of a domain: its policy, None when it has none, and what keeps us from getting a newer one."""

    policy: StsPolicy | None = None
    failure: TlsFailure | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Stored:
    id: str
    policy: StsPolicy
    fetched: float

    @property
    def expires(self) -> float:
        return self.fetched + self.policy.max_age

    @property
    def refresh(self) -> float:
        return self.fetched + min(_REFRESH, self.policy.max_age / 2)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known, when to look again, and when it is over; 0 without a policy."""

    sts: Sts
    check: float
    expires: float = 0.0


class StsPolicies:
    """Knows the policies of domains; `fetch` gets the document behind a URL or raises StsFetchError."""

    def __init__(self, facts: Callable[[], FactStore], resolver: Resolver, fetch: Fetch, clock: Clock) -> None:
        self._facts = facts
        self._resolver = resolver
        self._fetch = fetch
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._looks: dict[str, asyncio.Task[None]] = {}

    async def about(self, domain: str) -> Sts:
        """The policy of `domain` (ASCII, lower case) that holds now; never raises for what comes from outside."""
        known, now = self._known.get(domain), self._clock.now()
        if known is not None and now < known.check and (known.sts.policy is None or now < known.expires):
            return known.sts
        look = self._looks.get(domain)
        if look is None:
            look = self._looks[domain] = asyncio.create_task(self._look(domain))
            look.add_done_callback(lambda _: self._looks.pop(domain, None))
        if known is None or known.sts.policy is None or now >= known.expires:
            # Nothing that holds is known: wait, but a slow server does not keep the mail.
            await asyncio.wait({look}, timeout=_PATIENCE)
        return self._held(domain)

    async def settle(self) -> None:
        """Wait until nothing is being looked up any more."""
        while self._looks:
            await asyncio.wait(set(self._looks.values()))

    async def tidy(self) -> None:
        """Forget policies whose time is over. Raises SpoolError."""
        now = self._clock.now()
        for fact in await self._facts().take_due(KIND, now=now, until=now + _AGAIN, limit=_DROPPED_AT_ONCE):
            await self._facts().drop(fact)

    def _held(self, domain: str) -> Sts:
        known = self._known.get(domain)
        if known is None or (known.sts.policy is not None and self._clock.now() >= known.expires):
            return Sts()
        return known.sts

    async def _look(self, domain: str) -> None:
        try:
            known = await self._learn(domain)
        except Exception:
            log.exception("a policy cannot be looked up", domain=domain)
            known = _Known(self._held(domain), self._clock.now() + _AGAIN, self._until(domain))
        self._known[domain] = known
        self._known.move_to_end(domain)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _until(self, domain: str) -> float:
        known = self._known.get(domain)
        return 0.0 if known is None else known.expires

    async def _learn(self, domain: str) -> _Known:
        answer = await self._resolver.lookup_txt(f"_mta-sts.{domain}")
        now = self._clock.now()
        check = max(answer.expires, now + _SOONEST)
        stored, fact = await self._read(domain)
        standing = stored if stored is not None and now < stored.expires else None
        announced = read_sts_id(answer.records) if answer.status is Status.OK else None
        if announced is None:
            # RFC 8461 3.3: a policy that we have counts on, also when it is not announced any more.
            return _known_of(standing, check)
        if standing is not None and standing.id == announced and now < standing.refresh:
            return _known_of(standing, min(check, standing.refresh))
        try:
            policy = await self._get(domain)
        except StsFetchError as error:
            log.warning("an MTA-STS policy cannot be had", domain=domain, error=str(error))
            return _known_of(standing, self._clock.now() + _AGAIN, Sts(None, error.failure, str(error)))
        fresh = _Stored(announced, policy, self._clock.now())
        await self._keep(domain, fresh, fact)
        return _known_of(fresh, max(check, self._clock.now() + _SOONEST))

    async def _get(self, domain: str) -> StsPolicy:
        document = await self._fetch(f"https://mta-sts.{domain}/.well-known/mta-sts.txt")
        try:
            return read_sts_policy(document)
        except ValueError as error:
            raise StsFetchError(TlsFailure.INVALID, str(error)) from None

    async def _read(self, domain: str) -> tuple[_Stored | None, Fact]:
        try:
            fact = await self._facts().get(KIND, domain)
        except SpoolError as error:
            log.warning("the policy of a domain cannot be read now", domain=domain, error=str(error))
            fact = None
        return (None, Fact(KIND, domain, {})) if fact is None else (_decode(fact.value), fact)

    async def _keep(self, domain: str, stored: _Stored, fact: Fact) -> None:
        value: dict[str, Any] = {
            "id": stored.id,
            "mode": stored.policy.mode.value,
            "max_age": stored.policy.max_age,
            "hosts": list(stored.policy.hosts),
            "fetched": stored.fetched,
        }
        try:
            # Another worker that was faster has the same policy: nothing is lost.
            await self._facts().put(Fact(KIND, domain, value, fact.version, due=stored.expires))
        except SpoolError as error:
            log.warning("the policy of a domain cannot be kept now", domain=domain, error=str(error))


def fetch_with(client: HttpClient, reach: Callable[[], Reach], *, port: int = 443) -> Fetch:
    """Fetch as RFC 8461 3.3 wants it: TLS with a valid certificate, no redirects, plain text. `port` is for tests."""

    async def fetch(url: str) -> bytes:
        if port != 443:
            host, slash, path = url.removeprefix("https://").partition("/")
            url = f"https://{host}:{port}{slash}{path}"
        try:
            request = HttpRequest("GET", url)
            response = await client.send(request, reach(), Caps(seconds=_FETCH_SECONDS, octets=MOST_OCTETS))
        except HttpError as error:
            failure = TlsFailure.WEB_CERTIFICATE if error.fault is HttpFault.TLS else TlsFailure.FETCH
            raise StsFetchError(failure, str(error)) from None
        if response.status != 200:
            raise StsFetchError(TlsFailure.FETCH, f"the policy's server answers {response.status}")
        if response.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/plain":
            raise StsFetchError(TlsFailure.INVALID, "the policy is not text/plain")
        return response.body

    return fetch


def _known_of(stored: _Stored | None, check: float, trouble: Sts | None = None) -> _Known:
    trouble = trouble or Sts()
    if stored is None:
        return _Known(trouble, check)
    return _Known(Sts(stored.policy, trouble.failure, trouble.trouble), check, stored.expires)


def _decode(value: Any) -> _Stored:
    hosts = tuple(str(host) for host in value["hosts"])
    policy = StsPolicy(StsMode(value["mode"]), int(value["max_age"]), hosts)
    return _Stored(str(value["id"]), policy, float(value["fetched"]))
