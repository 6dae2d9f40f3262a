"""From a leased message to batches: in whose name, and which way. Facts are looked up here and only here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from relay.config.keyring import Active
from relay.config.secrets import SecretError
from relay.config.settings import Settings
from relay.delivery.attempt import Batch
from relay.delivery.route import choose_route
from relay.facts.dead_addresses import DeadAddresses, hold_dead
from relay.facts.domains import DomainFacts
from relay.incoming.evidence import wish_of
from relay.mail.address import Address, AddressError, parse_address
from relay.policy.company import Company
from relay.policy.confirmation import hold_unconfirmed
from relay.policy.decision import Choice, Decision, Hold, ReversePath, Wait
from relay.policy.forward import (
    Writer,
    forward_to_company,
    forward_to_postmaster,
    read_evidence,
    send_document,
    send_notice,
    send_report,
)
from relay.policy.identity import choose_identity, needs_standing
from relay.policy.spoof import HOLD_KEY, Spoofed, explain_spoofed, treatment
from relay.store.spool import Delivery, Entry, Message, Origin


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with the deliveries of one message: carry some, hold some, try some again later."""

    batches: list[Batch]
    holds: list[tuple[Delivery, Hold]]
    waits: list[tuple[Delivery, Wait]]


Confirmed = Callable[[Company], Awaitable[bool]]
Released = Callable[[str, int], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is asked before deciding.

    `is_confirmed` says whether a company's address is, `was_released` whether a person let a delivery go.
    """

    domains: DomainFacts
    is_confirmed: Confirmed
    was_released: Released
    dead: DeadAddresses


class Planner:
    """Decides with the configuration and the facts of the moment."""

    def __init__(self, active: Callable[[], Active], facts: Facts) -> None:
        self._active = active
        self._facts = facts

    async def plan(self, entry: Entry) -> Plan:
        """Decide for every delivery of `entry`, all under one configuration."""
        while True:
            active = self._active()
            plan = await self._plan(entry, active)
            if self._active() is active:
                return plan

    async def _plan(self, entry: Entry, active: Active) -> Plan:
        plan = Plan([], [], [])
        groups: dict[tuple[object, ...], Batch] = {}
        for delivery in entry.deliveries:
            choice = await self.choose(entry.message, delivery)
            match choice:
                case Hold():
                    plan.holds.append((delivery, choice))
                case Wait():
                    plan.waits.append((delivery, choice))
                case Decision():
                    batch = _batch(entry.message, delivery, choice, active)
                    # A signed return address names one delivery, and so does the mark of what is laid into a mailbox.
                    is_signed = choice.reverse_path in (ReversePath.BOUNCE, ReversePath.COMPANY_BOUNCE)
                    alone = delivery.number if is_signed or choice.into is not None else None
                    key = (batch.route.key, choice.name, choice.author, delivery.company, alone)
                    known = groups.get(key)
                    if known is not None:
                        batch = replace(known, deliveries=(*known.deliveries, delivery))
                    groups[key] = batch
        plan.batches.extend(groups.values())
        return plan

    async def choose(self, message: Message, delivery: Delivery) -> Choice:
        """Decide for one delivery."""
        snapshot = self._active().snapshot
        company = snapshot.company(delivery.company) if delivery.company else None
        if message.origin is Origin.SUBMISSION:
            choice = await self.choose_for(company, delivery.company)
            return (await self._hold_dead(message, delivery) or choice) if isinstance(choice, Decision) else choice
        if delivery.company and company is None:
            return _gone(delivery.company)
        if message.origin is Origin.MX and (hold := await self._hold_spoofed(message, delivery, company)) is not None:
            return hold
        return self._choose_way(message, company, snapshot.settings)

    def _choose_way(self, message: Message, company: Company | None, settings: Settings) -> Choice:
        """Where mail goes that no app submitted."""
        if message.origin is Origin.REPORT:
            to = company.address if company is not None else settings.postmaster
            return send_report(to, domain=settings.domain)
        if message.origin is Origin.NOTICE:
            return send_notice(domain=settings.domain)
        if message.origin is Origin.DOCUMENT and company is not None:
            return self._to_fast_input(company, settings.domain)
        writer = Writer(message.envelope.reverse_path is None, read_evidence(message.findings))
        if company is None:
            return forward_to_postmaster(settings.postmaster, writer, domain=settings.domain)
        return forward_to_company(company, writer, domain=settings.domain)

    async def _hold_dead(self, message: Message, delivery: Delivery) -> Hold | None:
        """Mail to an address that takes none waits, where its app wants that, until it does or a person lets it go."""
        app = self._active().snapshot.settings.apps.get(message.app)
        if app is None or app.dead_addresses != "hold":
            return None
        dead = await self._facts.dead.of(delivery.company, delivery.recipient.address)
        if dead is None or await self._facts.was_released(message.queue_id, delivery.number):
            return None
        return hold_dead(delivery.company, delivery.recipient.address, dead)

    async def _hold_spoofed(self, message: Message, delivery: Delivery, company: Company | None) -> Hold | None:
        """Mail in a false name waits for a person, who lets it go once and for all."""
        found = read_evidence(message.findings)
        if found is None:
            return None
        wish = wish_of(self._active().snapshot, company, delivery.recipient.address)
        if treatment(found, wish) not in (Spoofed.QUARANTINE, Spoofed.REFUSE):
            return None
        if await self._facts.was_released(message.queue_id, delivery.number):
            return None
        return Hold(HOLD_KEY, explain_spoofed(found))

    def _to_fast_input(self, company: Company, domain: str) -> Choice:
        """A document goes to the address that holds now: it may have been changed since."""
        reference = company.fast_input.mail_address
        if reference is None:
            return Hold("", "the company has no mail address at Fast input any more")
        try:
            return send_document(parse_address(self._active().keyring.secret(reference)), domain=domain)
        except SecretError as error:
            return Wait("", str(error))
        except AddressError:
            return Wait("", f"{reference} is not a mail address")

    async def choose_for(self, company: Company | None, slug: str) -> Choice:
        """In whose name mail of a company goes out now."""
        if company is None:
            return _gone(slug)
        if not await self._facts.is_confirmed(company):
            return hold_unconfirmed(company)
        standing = await self._facts.domains.about(company) if needs_standing(company) else None
        return choose_identity(company, domain=self._active().snapshot.settings.domain, standing=standing)


def _gone(slug: str) -> Hold:
    return Hold(f"company:{slug}", f"there is no company {slug} in the configuration any more")


def _batch(message: Message, delivery: Delivery, decision: Decision, active: Active) -> Batch:
    recipient: Address = decision.recipient or delivery.recipient.address
    route = choose_route(decision, recipient, active.snapshot.settings.delivery, message.envelope.tls)
    return Batch(message, (delivery,), decision, route, active)
