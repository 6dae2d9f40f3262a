"""Where companies' domains stand while the DNS changes under the relay: over time, among workers, over restarts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from relay.config.keyring import Active, Keyring
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.dns import Resolver
from relay.events import Event
from relay.facts.domain_record import read_standing, standing_as_json
from relay.facts.domains import KIND, DomainFacts
from relay.facts.unstored import Unstored
from relay.mail.address import Address
from relay.mail.challenge import challenge_name, challenge_text
from relay.mail.dkim import Signer
from relay.policy.company import Company, IdentityKind
from relay.policy.standing import State
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import FaultKind, Zones
from relay.store.facts import Fact
from relay.store.spool import SpoolError
from relay.store.sqlite.spool import SqliteSpool
from tests.stand_ins import StandingClock

DOMAIN, SHOP = "my.relay.example", "shop.example"
SECRET = b"the secret of the tests"
COMPANY = Company("shop", "Shop", Address("info", SHOP), "shop", identity=IdentityKind.OWN_DOMAIN)
TTL = 300
HOUR = 3600.0
GOOD, BAD = f"v=spf1 include:{DOMAIN} -all", "v=spf1 -all"


D1, D2 = (Signer(DOMAIN, selector, ed25519.Ed25519PrivateKey.generate()) for selector in ("d1", "d2"))


@dataclass
class Place:
    """A name server, a store, and as many workers as a test wants."""

    dns: DnsServer
    spool: SqliteSpool
    clock: StandingClock
    companies: tuple[Company, ...] = (COMPANY,)
    events: list[Event] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)
    keys: tuple[Signer, ...] = ()

    def __post_init__(self) -> None:
        self.configure()

    def configure(self, *companies: Company, **changes: Any) -> None:
        self.companies = companies or self.companies
        self.changes |= changes
        given = {
            "hostname": f"mx1.{DOMAIN}",
            "domain": DOMAIN,
            "postmaster": "postmaster@operator.example",
            "sending_addresses": ["192.0.2.1"],
            "secrets": {"signing": [{"file": "never-read"}]},
        }
        snapshot = Snapshot.of(Settings.model_validate(given | self.changes), self.companies)
        self.active = Active(snapshot, Keyring((SECRET,), {}, delegated=self.keys))

    def worker(self, facts: Any = None) -> DomainFacts:
        resolver = Resolver([self.dns.address], clock=self.clock)
        return DomainFacts(
            lambda: self.active, lambda: facts or self.spool.facts, resolver, self.clock, self.events.append
        )

    def publish(self, spf: str) -> None:
        self.dns.zones.publish(SHOP, "TXT", spf)

    def prove(self, company: Company = COMPANY) -> None:
        word = challenge_text(company.slug, SHOP, secrets=[SECRET])
        self.dns.zones.publish(challenge_name(SHOP), "TXT", word)

    @property
    def told(self) -> list[str]:
        return [event.type.value for event in self.events]


@pytest.fixture
async def place(tmp_path) -> AsyncIterator[Place]:
    clock = StandingClock(1_000_000.0)
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=clock)
    await spool.start()
    zones = Zones(ttl=TTL)
    zones.publish(DOMAIN, "TXT", "v=spf1 ip4:192.0.2.1 -all")
    async with DnsServer(zones) as dns:
        place = Place(dns, spool, clock)
        place.prove()
        place.publish(GOOD)
        yield place
        await spool.stop()


async def test_an_answer_is_used_until_it_runs_out_and_no_longer(place) -> None:
    facts = place.worker()
    assert (await facts.about(COMPANY)).state is State.PASSES
    asked = len(place.dns.questions)
    place.clock.at += TTL - 1
    first = await facts.about(COMPANY)
    assert await facts.about(COMPANY) is first
    assert len(place.dns.questions) == asked
    place.clock.at += 1
    await facts.about(COMPANY)
    assert len(place.dns.questions) > asked


async def test_a_record_that_appears_counts_when_the_old_answer_has_run_out(place) -> None:
    place.publish(BAD)
    facts = place.worker()
    assert (await facts.about(COMPANY)).state is State.FAILS
    place.publish(GOOD)
    assert (await facts.about(COMPANY)).state is State.FAILS
    place.clock.at += TTL
    assert (await facts.about(COMPANY)).state is State.PASSES
    assert place.told == ["domain-passes"]


async def test_the_shared_record_alone_does_not_say_whose_the_domain_is(place) -> None:
    thief = replace(COMPANY, slug="thief", alias="thief")
    place.configure(COMPANY, thief)
    facts = place.worker()
    assert (await facts.about(COMPANY)).state is State.PASSES
    assert (await facts.about(thief)).state is State.FAILS
    place.dns.zones.publish(
        challenge_name(SHOP), "TXT", *(challenge_text(slug, SHOP, secrets=[SECRET]) for slug in ("shop", "thief"))
    )
    place.clock.at += TTL
    assert [(await facts.about(each)).state for each in (COMPANY, thief)] == [State.PASSES, State.PASSES]


async def test_a_company_that_is_vouched_for_needs_no_proof_at_once(place) -> None:
    place.dns.zones.withdraw(challenge_name(SHOP))
    facts = place.worker()
    assert (await facts.about(COMPANY)).state is State.FAILS
    assert (await facts.about(replace(COMPANY, vouched="we have met"))).state is State.PASSES


@pytest.mark.parametrize("fault", [FaultKind.SERVFAIL, FaultKind.NXDOMAIN])
async def test_only_an_answer_demotes_and_silence_does_not(place, fault) -> None:
    facts = place.worker()
    await facts.about(COMPANY)
    place.dns.zones.break_name(SHOP, fault)
    for _ in range(30):
        place.clock.at += HOUR
        state = (await facts.about(COMPANY)).state
    assert state is (State.PASSES if fault is FaultKind.SERVFAIL else State.FAILS)


async def test_silence_at_first_is_not_known_and_not_kept_for_long(place) -> None:
    place.dns.zones.break_name(SHOP, FaultKind.SERVFAIL)
    facts = place.worker()
    assert (await facts.about(COMPANY)).state is State.UNKNOWN
    place.dns.zones.heal(SHOP)
    place.clock.at += 10
    assert (await facts.about(COMPANY)).state is State.PASSES


async def test_a_lasting_failure_is_told_before_and_at_the_switch(place) -> None:
    facts = place.worker()
    await facts.about(COMPANY)
    place.publish("v=spf1 include.my.relay.example -all")
    place.clock.at += TTL
    began = place.clock.at
    assert (await facts.about(COMPANY)).state is State.AT_RISK
    place.clock.at += HOUR - 1
    assert (await facts.about(COMPANY)).state is State.AT_RISK
    place.clock.at += 1
    assert (await facts.about(COMPANY)).state is State.FAILS
    assert place.told == ["domain-passes", "domain-at-risk", "domain-lost"]
    risk, lost = place.events[1:]
    assert risk.data["demoted_at"] == began + HOUR
    assert (risk.data["company"], risk.data["domain"], risk.data["otherwise"]) == ("shop", SHOP, "alias")
    assert "permerror" in str(lost.data["reasons"])


async def test_a_long_ttl_does_not_put_off_the_switch(place) -> None:
    place.configure(own_domain={"demote_after": "10m"})
    facts = place.worker()
    await facts.about(COMPANY)
    place.dns.zones.ttl = 86400
    place.publish(BAD)
    place.clock.at += TTL
    assert (await facts.about(COMPANY)).state is State.AT_RISK
    place.clock.at += 600
    assert (await facts.about(COMPANY)).state is State.FAILS


async def test_a_domain_at_risk_that_falls_silent_is_asked_about_once_a_minute(place) -> None:
    facts = place.worker()
    await facts.about(COMPANY)
    place.publish(BAD)
    place.clock.at += TTL
    await facts.about(COMPANY)
    place.dns.zones.break_name(SHOP, FaultKind.SERVFAIL)
    place.clock.at += 2 * HOUR
    await facts.recheck()
    asked = len(place.dns.questions)
    place.clock.at += 30
    await facts.recheck()
    assert len(place.dns.questions) == asked
    place.clock.at += 31
    await facts.recheck()
    assert len(place.dns.questions) > asked
    assert place.told == ["domain-passes", "domain-at-risk"]


async def test_what_one_worker_has_found_the_others_need_not_ask_for(place) -> None:
    await place.worker().about(COMPANY)
    asked = len(place.dns.questions)
    assert (await place.worker().about(COMPANY)).state is State.PASSES
    assert len(place.dns.questions) == asked
    assert place.told == ["domain-passes"]


async def test_a_restart_remembers_since_when_a_domain_is_at_risk(place) -> None:
    await place.worker().about(COMPANY)
    place.publish(BAD)
    place.clock.at += TTL
    await place.worker().about(COMPANY)
    place.clock.at += HOUR
    assert (await place.worker().about(COMPANY)).state is State.FAILS


async def test_a_burst_of_mail_asks_once(place) -> None:
    facts = place.worker()
    standings = await asyncio.gather(*(facts.about(COMPANY) for _ in range(50)))
    assert len({id(standing) for standing in standings}) == 1
    names = [(question.name, question.rdtype) for question in place.dns.questions]
    assert len(names) == len(set(names))


async def test_two_workers_at_once_agree_and_tell_once(place) -> None:
    first, second = place.worker(), place.worker()
    standings = await asyncio.gather(first.about(COMPANY), second.about(COMPANY))
    assert standings[0] == standings[1]
    assert place.told == ["domain-passes"]


async def test_other_addresses_of_ours_want_another_look_at_once(place) -> None:
    facts = place.worker()
    assert (await facts.about(COMPANY)).state is State.PASSES
    place.configure(sending_addresses=["192.0.2.1", "192.0.2.9"])
    assert (await facts.about(COMPANY)).state is State.AT_RISK


async def test_another_author_means_another_domain(place) -> None:
    facts = place.worker()
    await facts.about(COMPANY)
    moved = replace(COMPANY, author=Address("info", "other.example"))
    assert (await facts.about(moved)).state is State.FAILS
    assert place.told == ["domain-passes"]


async def test_a_look_under_way_answers_nothing_about_another_domain(place) -> None:
    facts = place.worker()
    moved = replace(COMPANY, author=Address("info", "elsewhere.example"))
    first = asyncio.create_task(facts.about(COMPANY))
    await asyncio.sleep(0)
    place.configure(moved)
    second = await facts.about(moved)
    assert (second.evidence.domain, second.state) == ("elsewhere.example", State.FAILS)
    assert (await first).evidence.domain == SHOP


async def test_whoever_is_not_vouched_for_any_more_has_to_prove_it_however_silent_the_dns_is(place) -> None:
    vouched = replace(COMPANY, vouched="we have met")
    place.configure(vouched)
    facts = place.worker()
    assert (await facts.about(vouched)).state is State.PASSES
    place.dns.zones.break_name(challenge_name(SHOP), FaultKind.SERVFAIL)
    place.configure(COMPANY)
    place.clock.at += 1
    assert (await facts.about(COMPANY)).state is State.UNKNOWN


async def test_keys_change_without_a_mail_that_nobody_vouches_for(place) -> None:
    """The company has pointed to both selectors once; the rest happens in our own zone."""
    zones = place.dns.zones
    place.publish(BAD)
    zones.publish("_dmarc.shop.example", "TXT", "v=DMARC1; p=reject")
    for selector in ("d1", "d2"):
        zones.publish(f"{selector}._domainkey.{SHOP}", "CNAME", f"{selector}._domainkey.{DOMAIN}.")

    async def signing(*keys: Signer) -> tuple[str, ...]:
        if keys != place.keys:
            place.keys = keys
            place.configure()
        place.clock.at += TTL
        standing = await place.worker().about(COMPANY)
        assert standing.state is State.PASSES
        return standing.evidence.selectors

    zones.publish(f"d1._domainkey.{DOMAIN}", "TXT", D1.record)
    assert await signing(D1) == ("d1",)
    assert await signing(D2, D1) == ("d1",)  # the new key is not to be seen yet
    zones.publish(f"d2._domainkey.{DOMAIN}", "TXT", D2.record)
    assert await signing(D2, D1) == ("d2",)
    zones.publish(f"d1._domainkey.{DOMAIN}", "TXT", "v=DKIM1; p=")
    assert await signing(D2) == ("d2",)
    zones.break_name(f"d2._domainkey.{SHOP}", FaultKind.SERVFAIL)
    assert await signing(D2) == ("d2",)


async def test_domains_are_watched_when_nobody_asks(place) -> None:
    facts = place.worker()
    await facts.about(COMPANY)
    place.publish(BAD)
    await facts.recheck()
    assert place.told == ["domain-passes"]
    for _ in range(3):
        place.clock.at += 1.2 * HOUR
        await place.worker().recheck()
    assert place.told == ["domain-passes", "domain-at-risk", "domain-lost"]


async def test_watching_is_spread_over_workers_and_over_time(place) -> None:
    companies = [replace(COMPANY, slug=f"c{number}", alias=f"c{number}") for number in range(30)]
    place.configure(*companies)
    facts = place.worker()
    for company in companies:
        await facts.about(company)
    due = [fact.due for fact in await place.spool.facts.list(KIND)]
    assert len(set(due)) == 30
    assert all(place.clock.at + HOUR <= at <= place.clock.at + 1.1 * HOUR for at in due)
    place.clock.at += 2 * HOUR
    looks: list[str] = []
    workers = [place.worker(), place.worker()]
    for worker in workers:
        look = worker.look

        async def noted(company: Company, look: Any = look) -> Any:
            looks.append(company.slug)
            return await look(company)

        worker.look = noted  # type: ignore[method-assign]
    await asyncio.gather(*(worker.recheck() for worker in workers))
    assert sorted(looks) == sorted(company.slug for company in companies)


@pytest.mark.parametrize("companies", [(), (replace(COMPANY, identity=IdentityKind.ALIAS),)])
async def test_nobody_watches_for_companies_that_do_not_wish_it_any_more(place, companies) -> None:
    facts = place.worker()
    await facts.about(COMPANY)
    place.companies = ()
    place.configure(*companies)
    place.clock.at += 2 * HOUR
    await facts.recheck()
    assert await place.spool.facts.get(KIND, "shop") is None


class BrokenStore(Unstored):
    async def get(self, kind: str, key: str) -> Fact | None:
        raise SpoolError("the disk is gone")

    async def put(self, fact: Fact) -> Fact | None:
        raise SpoolError("the disk is gone")


async def test_a_store_in_trouble_stops_no_mail_and_forgets_nothing(place) -> None:
    facts = place.worker(BrokenStore())
    assert (await facts.about(COMPANY)).state is State.PASSES
    place.publish(BAD)
    place.clock.at += TTL
    assert (await facts.about(COMPANY)).state is State.AT_RISK


async def test_a_standing_is_read_as_it_was_written(place) -> None:
    standing = await place.worker().about(COMPANY)
    assert read_standing(standing_as_json(standing)) == standing
    place.dns.zones.break_name("_dmarc.shop.example", FaultKind.SERVFAIL)
    place.clock.at += TTL
    unknown = await place.worker(Unstored()).about(COMPANY)
    assert unknown.evidence.dmarc is None
    assert read_standing(standing_as_json(unknown)) == unknown
