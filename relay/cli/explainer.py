"""Says beforehand what would become of a mail: who may send it, in whose name it goes out and why, and which way.

Asks the same desks, planner and routes that work on real mail, with the DNS as it is now. Sends, stores and connects
nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from relay.authn.dmarc import find_dmarc
from relay.clock import Clock
from relay.config.keyring import Active
from relay.config.secrets import SecretError
from relay.delivery.outgoing import signers_for
from relay.delivery.plan import Planner
from relay.delivery.route import Route, Target, choose_route, find_targets
from relay.delivery.trouble import AttemptError
from relay.dns import Resolver
from relay.events import Json
from relay.facts.domains import DomainFacts
from relay.intake.mx import MxDesk
from relay.intake.submission import SubmissionDesk, refuse_unconfirmed
from relay.mail.address import Address
from relay.mail.envelope import Envelope, MailParameters, Recipient
from relay.mail.reply import Reply
from relay.mail.srs import srs_forward
from relay.mail.verp import TokenError, is_bounce_local
from relay.policy.authentication import Authentication, DmarcFinding, Result
from relay.policy.company import Company
from relay.policy.confirmation import hold_key
from relay.policy.decision import Choice, Decision, Hold, ReversePath
from relay.policy.evidence import bounce_domain
from relay.policy.evidence_words import describe_evidence
from relay.policy.forward import read_evidence
from relay.policy.outcome import Outcome, classify
from relay.policy.prediction import Prediction, predict_alias, predict_own_domain, predict_own_server
from relay.store.spool import Content, Delivery, Message, Origin, State

_DAY = 86400


@dataclass(frozen=True, slots=True)
class Way:
    """Where a decision's mail goes. `outcome` is what an attempt would come to without a connection, if it ends there.

    `signatures` are (domain, selector) pairs; `trouble` is what can be seen from here that will go wrong later.
    """

    recipient: Address
    reverse_path: str
    signatures: tuple[tuple[str, str], ...]
    route: Route
    targets: tuple[Target, ...]
    outcome: Outcome | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One way through the relay. A mail from one of our companies to one of our own addresses goes through twice.

    `apps` may submit it; `refusal` is the answer when it is not taken in. `choice` is None then, and for our own
    return addresses, where it depends on the mail that comes back. `predictions` say what the receiver would compute
    for each name that a company's mail might go out in. `supposed` says what mail from outside is taken to prove.
    """

    origin: Origin
    company: str = ""
    apps: tuple[str, ...] = ()
    refusal: Reply | None = None
    choice: Choice | None = None
    way: Way | None = None
    predictions: tuple[Prediction, ...] = ()
    supposed: str = ""


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains with one state of the configuration.

    `submission` and `mx` make a desk as it stands behind the listeners; the first takes an app's name.
    """

    active: Active
    planner: Planner
    domains: DomainFacts
    resolver: Resolver
    clock: Clock
    submission: Callable[[str], SubmissionDesk]
    mx: Callable[[], MxDesk]

    async def explain(self, sender: Address | None, recipient: Address) -> list[Step]:
        """The steps of a mail from `sender`, None for the null reverse path, to `recipient`."""
        domain = self.active.snapshot.settings.domain
        steps = []
        if sender is not None and sender.domain == domain:
            steps.append(await self._submitted(sender, recipient))
        if (recipient.domain in ("", domain) or not steps) and not any(step.refusal for step in steps):
            steps.append(await self._from_outside(sender, recipient))
        return steps

    async def _submitted(self, sender: Address, recipient: Address) -> Step:
        apps: list[str] = []
        refusals: list[Reply] = []
        for app in self.active.snapshot.settings.apps or ("",):
            desk = self.submission(app)
            reply = desk.mail(sender, MailParameters())
            admitted = await desk.rcpt(Recipient(recipient)) if reply.is_positive else reply
            if isinstance(admitted, Reply):
                refusals.append(admitted)
            else:
                apps.append(app)
        company = self.active.snapshot.by_alias(sender.local)
        if not apps or company is None:
            return Step(Origin.SUBMISSION, refusal=refusals[0])
        step = await self._step(Origin.SUBMISSION, sender, recipient, company=company.slug, apps=tuple(apps))
        if isinstance(step.choice, Hold) and step.choice.key == hold_key(company):
            known = self.active.snapshot.settings.apps
            patient = tuple(app for app in apps if app in known and known[app].unconfirmed == "hold")
            step = replace(step, apps=patient) if patient else replace(step, refusal=refuse_unconfirmed(company))
        return replace(step, predictions=await self._predict(company))

    async def _predict(self, company: Company) -> tuple[Prediction, ...]:
        theirs = (await self.domains.look(company)).evidence
        mine = (await self.domains.look_at_ours()).evidence
        by_server = (predict_own_server(theirs, company.server.host),) if company.server is not None else ()
        domain = self.active.snapshot.settings.domain
        return (predict_own_domain(theirs, domain=domain), *by_server, predict_alias(mine))

    async def _from_outside(self, sender: Address | None, recipient: Address) -> Step:
        desk = self.mx()
        desk.mail(sender, MailParameters())
        admitted = await desk.rcpt(Recipient(recipient))
        if isinstance(admitted, Reply):
            return Step(Origin.MX, refusal=admitted)
        if is_bounce_local(recipient.local):
            return Step(Origin.MX)
        unsigned = await self._without_signature(sender)
        step = await self._step(Origin.MX, sender, recipient, company=admitted.company, findings=unsigned)
        evidence = read_evidence(unsigned)
        step = replace(step, supposed="" if evidence is None else next(describe_evidence(evidence)))
        if isinstance(step.choice, Decision) and step.choice.via and sender is not None:
            signed = f"a mail that {sender.domain} has signed goes unchanged"
            step = replace(step, choice=replace(step.choice, reasons=(*step.choice.reasons, signed)))
        return step

    async def _without_signature(self, writer: Address | None) -> dict[str, Json]:
        """What is found out about a mail that nobody has signed, from a host that its author's domain allows."""
        if writer is None:
            return {}
        dmarc = (await find_dmarc(writer.ascii_domain, self.resolver)).dmarc
        if dmarc is None:
            found = DmarcFinding(Result.TEMPERROR, writer.ascii_domain)
        else:
            result = Result.PASS if dmarc.found_at else Result.NONE
            allowed = f"spf:{writer.ascii_domain}" if dmarc.found_at else ""
            found = DmarcFinding(result, writer.ascii_domain, dmarc.policy, dmarc.found_at, allowed)
        return {"evidence": Authentication(dmarc=found).to_json()}

    async def _step(
        self,
        origin: Origin,
        sender: Address | None,
        recipient: Address,
        *,
        company: str,
        apps: tuple[str, ...] = (),
        findings: Mapping[str, Json] = MappingProxyType({}),
    ) -> Step:
        delivery = Delivery(0, Recipient(recipient), company, State.QUEUED)
        message = replace(_message(origin, sender, delivery, self.clock.now()), findings=findings)
        choice = await self.planner.choose(message, delivery)
        way = None
        if isinstance(choice, Decision):
            way = await self._way(choice, sender, recipient)
        return Step(origin, company=company, apps=apps, choice=choice, way=way)

    async def _way(self, decision: Decision, sender: Address | None, given: Address) -> Way:
        recipient = decision.recipient or given
        route = choose_route(decision, recipient, self.active.snapshot.settings.delivery)
        targets: list[Target] = []
        outcome = None
        try:
            targets += [target async for target in find_targets(route, self.resolver)]
        except AttemptError as error:
            outcome = classify(error.trouble, error.phase, account=route.server is not None)
        signatures = tuple((signer.domain, signer.selector) for signer in signers_for(decision, self.active.keyring))
        reverse_path = self._reverse_path(decision, sender)
        return Way(recipient, reverse_path, signatures, route, tuple(targets), outcome, self._account_trouble(route))

    def _account_trouble(self, route: Route) -> str:
        if route.server is None:
            return ""
        try:
            if route.server.password is not None:
                self.active.keyring.secret(route.server.password)
        except SecretError as error:
            return f"the password cannot be had: {error}"
        return ""

    def _reverse_path(self, decision: Decision, sender: Address | None) -> str:
        domain = self.active.snapshot.settings.domain
        match decision.reverse_path:
            case ReversePath.BOUNCE:
                return f"b+<queue id>.<number>.<seal>@{domain}"
            case ReversePath.COMPANY_BOUNCE if decision.author is not None:
                return f"b+<queue id>.<number>.<seal>@{bounce_domain(decision.author.ascii_domain)}"
            case ReversePath.AUTHOR:
                return str(decision.author or "")
            case ReversePath.SRS if sender is not None:
                day = int(self.clock.now()) // _DAY
                try:
                    return str(srs_forward(sender, domain=domain, secrets=self.active.keyring.signing, day=day))
                except TokenError as error:
                    return f"none: {error}"
            case _:
                return ""


def _message(origin: Origin, sender: Address | None, delivery: Delivery, now: float) -> Message:
    """A message as deciding wants to see it: nothing was received."""
    envelope = Envelope(sender, (delivery.recipient,))
    return Message("", origin, now, "", "", "", envelope, Content("", (), 0, 0, ""))
