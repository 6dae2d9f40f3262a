"""What one worker answers over HTTP, asked without a socket."""

from functools import cache
from typing import Any

import httpx2
from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from relay.config.keyring import Active, Keyring
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.facts.addresses import Addresses
from relay.intake.guard import GuardWorld, LoginGuard
from relay.intake.limits import Guesses
from relay.intake.logins import Logins
from relay.intake.tally import Tallies
from relay.mail.address import Address
from relay.policy.company import Company
from relay.policy.confirmation import code, link_token
from relay.store.sqlite.spool import SqliteSpool
from relay.web.api import Api
from relay.web.confirm import ConfirmPage
from relay.web.pages import Pages
from relay.web.throttle import Counts
from tests.stand_ins import Sink, StandingClock

PASSWORD = "the password of the tests"
SECRET = b"the secret of the tests"
BAKERY = Company("bakery", "Bakery <Peeters> & Sons", Address("info", "bakery.example"), "bakery")
GARAGE = Company("garage", "Garage", Address("info", "garage.example"), "garage")


@cache
def logins() -> Logins:
    """Shared: its hashes take their time."""
    return Logins()


def make_settings(**changes: Any) -> Settings:
    hashed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    given = {
        "hostname": "mx1.my.relay.example",
        "domain": "my.relay.example",
        "postmaster": "postmaster@operator.example",
        "sending_addresses": ["192.0.2.1"],
        "secrets": {"signing": [{"file": "never-read"}]},
        "apps": {
            "web": {"password": {"hash": hashed}, "companies": "all"},
            "narrow": {"password": {"hash": hashed}, "companies": ["garage"]},
            "nearby": {"networks": ["10.0.0.0/8"], "companies": "all"},
        },
    }
    return Settings.model_validate(given | changes)


class House:
    """One worker's answers over a spool of its own."""

    def __init__(self, spool: SqliteSpool) -> None:
        self.spool = spool
        self.clock = StandingClock()
        self.sink = Sink()
        self.configure()
        self.addresses = Addresses(lambda: self.active, spool, self.clock)

    def configure(self, *companies: Company, **changes: Any) -> None:
        """Take over another configuration, as a reload does."""
        snapshot = Snapshot.of(make_settings(**changes), companies or (BAKERY, GARAGE))
        self.active = Active(snapshot, Keyring((SECRET,), {}))

    def api(self) -> Api:
        guard = LoginGuard(
            logins(), GuardWorld(Guesses(Tallies()), lambda: self.spool.facts, self.clock, self.sink.emit)
        )
        return Api(lambda: self.active, guard, Counts(Tallies(), self.clock), self.sink)

    def confirm_routes(self) -> list[BaseRoute]:
        page = ConfirmPage(lambda: self.active, self.addresses, Pages(), Counts(Tallies(), self.clock), self.sink)
        return list(page.routes())

    async def link(self, company: Company) -> str:
        """Path of the link in the newest mail to that company."""
        state = await self.addresses.state(company)
        whom = (company.slug, str(company.address), state.nonce)
        return f"/confirm/{company.slug}/{link_token(SECRET, *whom, expires=int(state.expires))}"

    async def code(self, company: Company) -> str:
        """The code in the newest mail to that company."""
        return code(SECRET, company.slug, str(company.address), (await self.addresses.state(company)).nonce)

    def client(self, routes: list[BaseRoute], *, peer: str = "192.0.2.77", **more: Any) -> httpx2.AsyncClient:
        """A client of these routes, from this address."""
        transport = httpx2.ASGITransport(Starlette(routes=routes), client=(peer, 50000))
        return httpx2.AsyncClient(transport=transport, base_url="http://relay.test", **more)
