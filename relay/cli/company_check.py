"""`relay company check`: the records of a company's own domain, how each stands, and what to publish."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from relay.cli.output import ago, print_json, say
from relay.cli.trouble import ExitCode, Failure
from relay.events import Json

if TYPE_CHECKING:
    from relay.config.keyring import Active
    from relay.dns import Resolver
    from relay.policy.company import Company
    from relay.policy.dns_advice import RecordAdvice
    from relay.policy.evidence import Evidence
    from relay.policy.prediction import Prediction
    from relay.policy.whereabouts import Sighting


@dataclass(frozen=True, slots=True)
class _Checked:
    """What was found; `known_for` are seconds by name, for which what is there now is remembered.

    `mailbox` is what the look for its server came to, None where there is nothing to look for.
    """

    evidence: "Evidence"
    prediction: "Prediction"
    records: "tuple[RecordAdvice, ...]"
    known_for: dict[str, float]
    mailbox: "Sighting | None"


def check(
    slug: Annotated[str, typer.Argument(help="The name of the company's file, without .yaml.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Look at the DNS of a company's own domain.

    Names every record with the exact text to publish; those for receivers' reports come last. Says where the mailbox is
    found, if its host is not written. The exit code is 1 while receivers would not believe the domain.
    """
    from relay.cli.reading import read_all
    from relay.config.keyring import Active, Keyring
    from relay.policy.prediction import Verdict

    snapshot = read_all(config)
    company = snapshot.company(slug)
    if company is None:
        raise Failure(ExitCode.USAGE, f"relay: there is no company {slug}")
    checked = asyncio.run(_check(company, Active(snapshot, Keyring.load(snapshot.settings))))
    if as_json:
        print_json(_as_json(company, checked))
    else:
        for line in _lines(company, checked):
            say(line)
    if checked.prediction.verdict is not Verdict.PASSES:
        raise typer.Exit(ExitCode.ATTENTION)


async def _check(company: "Company", active: "Active") -> _Checked:
    from relay.authn.own_domain import look_at
    from relay.authn.report_records import look_at_reports
    from relay.authn.spf_costs import count_costs
    from relay.cli.reading import resolver_of
    from relay.clock import SystemClock
    from relay.facts.discovery import Discovery, fetch_with
    from relay.facts.domains import DomainFacts, ours
    from relay.facts.unstored import Unstored
    from relay.http import HttpClient
    from relay.mail.challenge import challenge_text
    from relay.mail.report_address import report_address
    from relay.policy.dns_advice import KeyWish, advise_records
    from relay.policy.prediction import predict_own_domain
    from relay.policy.spf_advice import advise_spf
    from relay.policy.spf_reading import spf_like

    settings, clock = active.snapshot.settings, SystemClock()
    resolver = resolver_of(settings)
    facts = DomainFacts(lambda: active, Unstored, resolver, clock, lambda _: None)
    domain = company.own_author.ascii_domain
    evidence = (await facts.look(company)).evidence
    wishes = []
    delegated = {signer.selector: signer.domain for signer in active.keyring.delegated}
    for selector, signer in active.keyring.for_author(domain).items():
        one = await look_at(domain, None, ours(active, {selector: signer.record}), resolver)
        is_made_for_it = any(own.selector == selector for own in active.keyring.signers.get(domain, ()))
        target = "" if is_made_for_it else f"{selector}._domainkey.{delegated[selector]}"
        wishes.append(KeyWish(selector, target, signer.record, one.evidence.keys))
    texts = [text.decode("utf-8", "replace") for text in (await resolver.lookup_txt(domain)).records]
    costs = await count_costs(spf_like(texts), resolver)
    secrets = active.keyring.signing
    records = advise_records(
        evidence,
        challenge="" if company.vouched else challenge_text(company.slug, domain, secrets=secrets),
        spf=advise_spf(texts, settings.spf_include, costs),
        keys=wishes,
        domain=settings.domain,
    )
    prediction = predict_own_domain(evidence, domain=settings.domain)
    # A policy that stands further up serves this domain, too; a record of its own would take its place.
    records += await look_at_reports(
        prediction.policy_at or domain, report_address(company.alias, settings.domain), resolver
    )
    known_for = {record.name: await _known_for(record, resolver) - clock.now() for record in records}
    sought = None if company.mailbox is None else company.mailbox.sought
    discovery = Discovery(resolver, fetch_with(HttpClient(resolver)))
    mailbox = None if sought is None else await discovery.locate(sought)
    return _Checked(evidence, prediction, records, known_for, mailbox)


async def _known_for(record: "RecordAdvice", resolver: "Resolver") -> float:
    """Until when what is there now is remembered."""
    answer = await resolver.lookup_txt(record.name)
    return answer.expires


def _lines(company: "Company", checked: _Checked) -> Iterator[str]:
    from relay.policy.dns_advice import Need

    prediction = checked.prediction
    yield f"{company.slug}: {checked.evidence.domain}, receivers believe it: {_ANSWERS[prediction.verdict.value]}"
    for reason in prediction.reasons:
        yield f"  {reason}"
    yield f"  DMARC: {_policy(prediction)}"
    for record in checked.records:
        yield ""
        yield f"{record.need.value:<9} {record.type:<5} {record.name}"
        for remark in record.remarks:
            yield f"          {remark}"
        if record.need is not Need.OK:
            yield from (f"          publish  {_quoted(record.type, text)}" for text in record.publish)
            seconds = checked.known_for[record.name]
            yield f"          what is there now is remembered for {ago(seconds)} more: a change shows after that"
    if checked.mailbox is not None:
        yield ""
        yield f"mailbox   {_whereabouts(checked.mailbox)}"


_ANSWERS = {"passes": "yes", "fails": "no", "unknown": "not known now"}


def _whereabouts(sighting: "Sighting") -> str:
    place = sighting.place
    if place is None:
        return sighting.why
    return f"{place.endpoint.host}, port {place.endpoint.port}, TLS {place.endpoint.tls}, by {place.source}"


def _quoted(kind: str, text: str) -> str:
    return f'"{text}"' if kind == "TXT" else text


def _policy(prediction: "Prediction") -> str:
    if prediction.policy is None:
        return "not known now"
    if not prediction.policy_at:
        return "the domain asks for nothing"
    return f"{prediction.policy_at} asks for p={prediction.policy}"


def _as_json(company: "Company", checked: _Checked) -> Json:
    prediction = checked.prediction
    return {
        "company": company.slug,
        "domain": checked.evidence.domain,
        "verdict": prediction.verdict.value,
        "reasons": list(prediction.reasons),
        "policy": prediction.policy,
        "policy_at": prediction.policy_at,
        "records": [
            {
                "name": record.name,
                "type": record.type,
                "state": record.need.value,
                "publish": list(record.publish),
                "remarks": list(record.remarks),
                "known_for": round(checked.known_for[record.name]),
            }
            for record in checked.records
        ],
        "mailbox": None if checked.mailbox is None else _mailbox_as_json(checked.mailbox),
    }


def _mailbox_as_json(sighting: "Sighting") -> Json:
    from relay.facts.whereabouts import as_json

    return {"server": None if sighting.place is None else as_json(sighting.place), "why": sighting.why}
