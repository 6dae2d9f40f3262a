"""`relay explain`: in whose name a mail would go out, which way and why, before it is sent."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from relay.cli.output import print_json, say
from relay.cli.trouble import ExitCode, Failure
from relay.events import Json
from relay.mail.address import Address, AddressError, parse_address
from relay.policy.decision import Decision, Hold, Wait
from relay.store.spool import Origin, SpoolError

if TYPE_CHECKING:
    from relay.cli.explainer import Explainer, Step, Way
    from relay.config.snapshot import Snapshot
    from relay.facts.unstored import Unstored
    from relay.policy.prediction import Check, Prediction


def explain(
    sender: Annotated[str, typer.Argument(help="The envelope's sender, a company's file name, or <> for a bounce.")],
    recipient: Annotated[str, typer.Argument(help="The recipient's address.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say in whose name a mail would go out, and why.

    Sends nothing; asks the DNS as the relay would now. The exit code is 1 when the mail would not go out now.
    """
    steps = asyncio.run(_explain(config, sender, recipient))
    if as_json:
        print_json([_as_json(step) for step in steps])
    else:
        for number, step in enumerate(steps):
            for line in _lines(step):
                say(line if not number else f"  {line}")
    if not all(_goes_out(step) for step in steps):
        raise typer.Exit(ExitCode.ATTENTION)


async def _explain(config: Path, sender: str, recipient: str) -> "list[Step]":
    from relay.cli.reading import read_all

    snapshot = read_all(config)
    given = _sender(sender, snapshot)
    try:
        to = parse_address(recipient)
    except AddressError as error:
        raise Failure(ExitCode.USAGE, f"relay: {recipient} is no address: {error}") from None
    async with _known_facts(snapshot.settings.store) as facts:
        return await _explainer(snapshot, facts).explain(given, to)


@asynccontextmanager
async def _known_facts(store: str) -> AsyncIterator["Unstored"]:
    """What the workers know; nothing where there is no store yet."""
    from relay.clock import SystemClock
    from relay.facts.unstored import Unstored
    from relay.store.open import visit_spool

    spool = visit_spool(store, clock=SystemClock())
    try:
        await spool.start()
    except SpoolError:
        yield Unstored()
        return
    try:
        yield Unstored(spool.facts)
    finally:
        await spool.stop()


@dataclass(frozen=True, slots=True)
class _Looking:
    """The facts, for somebody who lets nothing go."""

    facts: "Unstored"

    async def release(self, hold_key: str, *, now: float) -> int:  # noqa: ARG002 -- Spool's shape
        """See Spool.release."""
        return 0


def _sender(text: str, snapshot: "Snapshot") -> Address | None:
    if text in ("", "<>"):
        return None
    if "@" not in text:
        company = snapshot.company(text)
        if company is None:
            raise Failure(ExitCode.USAGE, f"relay: there is no company {text}")
        return Address(company.alias, snapshot.settings.domain)
    try:
        return parse_address(text)
    except AddressError as error:
        raise Failure(ExitCode.USAGE, f"relay: {text} is no address: {error}") from None


def _explainer(snapshot: "Snapshot", facts: "Unstored") -> "Explainer":
    from ipaddress import ip_address

    from relay.cli.explainer import Explainer
    from relay.cli.reading import resolver_of
    from relay.clock import SystemClock
    from relay.config.keyring import Active, Keyring
    from relay.delivery.plan import Facts, Planner
    from relay.facts.addresses import Addresses
    from relay.facts.dead_addresses import DeadAddresses
    from relay.facts.domains import DomainFacts
    from relay.facts.homes import Homes
    from relay.facts.peers import Peers
    from relay.incoming.examine import Examiner
    from relay.intake.gate import Peer
    from relay.intake.guard import GuardWorld, LoginGuard
    from relay.intake.limits import Guesses, Rate
    from relay.intake.logins import Logins
    from relay.intake.mx import Counter, MxDesk
    from relay.intake.submission import Common, SubmissionDesk
    from relay.intake.tally import Tallies
    from relay.store.open import visit_spool

    settings, clock = snapshot.settings, SystemClock()
    active = Active(snapshot, Keyring.load(settings))
    resolver = resolver_of(settings)
    nowhere, addresses = Peer(ip_address("::"), 0), Addresses(lambda: active, _Looking(facts), clock)
    tallies = Tallies()
    guard = LoginGuard(Logins(), GuardWorld(Guesses(tallies), lambda: facts, clock, lambda _: None))
    dead = DeadAddresses(lambda: facts, clock)
    common = Common(lambda: active, guard, Rate(tallies), clock, addresses, dead)

    def submission(app: str) -> SubmissionDesk:
        desk = SubmissionDesk(common, nowhere)
        desk.app = app
        return desk

    def mx() -> MxDesk:
        examiner = Examiner(lambda: active, visit_spool(settings.store, clock=clock), clock, resolver)
        homes = Homes(lambda: active, lambda: facts, addresses, clock)
        return MxDesk(Counter(lambda: active, examiner, homes, Peers(lambda: active, resolver), clock), nowhere)

    async def never_released(_queue_id: str, _number: int) -> bool:
        return False

    domains = DomainFacts(lambda: active, lambda: facts, resolver, clock, lambda _: None)
    return Explainer(
        active=active,
        planner=Planner(lambda: active, Facts(domains, addresses.is_confirmed, never_released, dead)),
        domains=domains,
        resolver=resolver,
        clock=clock,
        submission=submission,
        mx=mx,
    )


def _goes_out(step: "Step") -> bool:
    if step.refusal is not None:
        return False
    if step.choice is None:
        return True
    return step.way is not None and step.way.outcome is None and not step.way.trouble


def _lines(step: "Step") -> Iterator[str]:
    yield _arrival(step)
    if step.refusal is not None:
        yield f"  refused: {step.refusal}"
        return
    if step.supposed:
        yield f"  supposed       {step.supposed} (it is not signed, and comes from a host that this domain allows)"
    match step.choice:
        case None:
            yield "  one of our return addresses: what comes back goes to the company whose mail it was"
        case Hold():
            yield f"  is held: {step.choice.reason}"
        case Wait():
            yield f"  waits, and is tried again: {step.choice.reason}"
        case Decision() if step.way is not None:
            yield from _departure(step.choice, step.way)
    if step.predictions:
        yield "  receivers would compute"
        for prediction in step.predictions:
            is_chosen = isinstance(step.choice, Decision) and step.choice.name is prediction.name
            yield from _predicted(prediction, "*" if is_chosen else " ")


def _predicted(prediction: "Prediction", mark: str) -> Iterator[str]:
    """What a receiver computes for one name; a star marks the one that is chosen."""
    yield f"  {mark} {prediction.name.value:<12} DMARC {_DMARC[prediction.verdict.value]}, {_policy(prediction)}"
    yield f"    {'':<12} SPF   {_said(prediction.spf)}"
    yield f"    {'':<12} DKIM  {_said(prediction.dkim)}"


_DMARC = {"passes": "passes", "fails": "fails, or nothing we would rely on", "unknown": "not known"}


def _said(check: "Check") -> str:
    result = {True: "pass", False: "no pass", None: "not known"}[check.passes]
    aligned = "aligned" if check.aligned else "not aligned"
    return f"{check.domain}: {result}, {aligned}" + (f" ({check.reason})" if check.reason else "")


def _policy(prediction: "Prediction") -> str:
    if prediction.policy is None:
        return "policy not known"
    return f"p={prediction.policy} at {prediction.policy_at}" if prediction.policy_at else "no policy"


def _arrival(step: "Step") -> str:
    if step.origin is not Origin.SUBMISSION:
        return "from another mail server" + (f", for company {step.company}" if step.company else "")
    if not step.apps:
        return "submitted by an app"
    return f"submitted by {' or '.join(step.apps)}, for company {step.company}"


def _departure(decision: Decision, way: "Way") -> Iterator[str]:
    yield f"  goes out as    {decision.name.value}"
    for reason in decision.reasons:
        yield f"  because        {reason}"
    name = f"the author's name via {decision.via} " if decision.via else ""
    yield f"  From           {name}{decision.author or 'as it is'}"
    yield f"  sender         <{way.reverse_path}>"
    if decision.recipient is not None:
        yield f"  goes to        {way.recipient}"
    route = way.route
    where = f"mail hosts of {route.host}" if route.is_domain else route.host
    yield f"  route          {where}, port {route.port}, TLS {route.tls}"
    for target in way.targets:
        yield f"  host           {target.host} [{target.ip}]"
    for domain, selector in way.signatures:
        yield f"  signed         d={domain} s={selector}"
    if not way.signatures:
        yield "  signed         not by us"
    if way.outcome is not None:
        yield f"  but            {way.outcome.action.value}: {way.outcome.status} {way.outcome.text}"
    if way.trouble:
        yield f"  but            hold: {way.trouble}"


def _as_json(step: "Step") -> Json:
    told: dict[str, Json] = {
        "origin": step.origin.value,
        "company": step.company,
        "apps": list(step.apps),
        "refusal": None if step.refusal is None else str(step.refusal),
        "goes_out": _goes_out(step),
    }
    if step.supposed:
        told["supposed"] = step.supposed
    if isinstance(step.choice, Decision) and step.way is not None:
        told |= _departure_as_json(step.choice, step.way)
    elif isinstance(step.choice, Hold | Wait):
        told |= {"waits": "held" if isinstance(step.choice, Hold) else "tried again", "reasons": [step.choice.reason]}
    if step.predictions:
        told["predictions"] = [_prediction_as_json(prediction) for prediction in step.predictions]
    return told


def _prediction_as_json(prediction: "Prediction") -> Json:
    checks: dict[str, Json] = {
        name: {"domain": check.domain, "passes": check.passes, "aligned": check.aligned, "reason": check.reason}
        for name, check in (("spf", prediction.spf), ("dkim", prediction.dkim))
    }
    return {
        "identity": prediction.name.value,
        "dmarc": prediction.verdict.value,
        "policy": prediction.policy,
        "policy_at": prediction.policy_at,
        "reasons": list(prediction.reasons),
        **checks,
    }


def _departure_as_json(decision: Decision, way: "Way") -> dict[str, Json]:
    route, outcome = way.route, way.outcome
    return {
        "identity": decision.name.value,
        "wanted": decision.wanted,
        "fallback": decision.is_fallback,
        "reasons": list(decision.reasons),
        "author": None if decision.author is None else str(decision.author),
        "reverse_path": way.reverse_path,
        "recipient": str(way.recipient),
        "route": {"host": route.host, "port": route.port, "tls": route.tls.value, "own_server": bool(route.server)},
        "hosts": [{"host": target.host, "ip": target.ip} for target in way.targets],
        "signatures": [{"domain": domain, "selector": selector} for domain, selector in way.signatures],
        "outcome": None
        if outcome is None
        else {"action": outcome.action.value, "status": outcome.status, "text": outcome.text},
        "trouble": way.trouble,
    }
