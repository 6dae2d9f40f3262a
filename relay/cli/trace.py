"""`relay trace`: one mail's whole journey."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption
from relay.cli.output import clock_time, octets, print_json, print_table, say
from relay.cli.trouble import ExitCode, Failure
from relay.events import Event, EventType, Json
from relay.policy.bounce_words import explain_bounce
from relay.policy.company import Language
from relay.policy.outcome import Phase
from relay.store.spool import Entry, Spool

Journey = tuple[Entry, Sequence[Event]]

_BEFORE_MAIL = {Phase.CONNECT, Phase.GREETING, Phase.HELLO, Phase.TLS, Phase.LOGIN}
_REPORTED = {EventType.BOUNCED, EventType.COMPLAINED, EventType.NOTIFIED}
_ASKED = {"greeting": "the connection", "content": "the content", "final": "the final dot"}


def trace(
    key: Annotated[str, typer.Argument(help="Queue id, Message-ID, or a recipient's address.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tell a mail's whole journey.

    Several mails are listed, the newest first, 20 at most.
    """
    from relay.cli.visit import visit

    async def look(spool: Spool) -> list[Journey]:
        return [(entry, await spool.timeline(entry.message.queue_id)) for entry in await spool.find(key)]

    journeys = visit(config, store, look)
    if as_json:
        print_json([_as_json(journey) for journey in journeys])
    if not journeys:
        raise Failure(ExitCode.ATTENTION, f"relay: no mail is known by {key}")
    if as_json:
        return
    if len(journeys) == 1:
        _print_journey(*journeys[0])
    else:
        _print_list(journeys)


def _as_json(journey: Journey) -> Json:
    from relay.cli.entries import entry_as_json
    from relay.clock import timestamp

    entry, events = journey
    told: list[Json] = [
        {"at": timestamp(event.at), "type": event.type.value, "number": event.number, "data": dict(event.data)}
        for event in events
    ]
    return {**entry_as_json(entry), "findings": dict(entry.message.findings), "events": told}


def _print_list(journeys: Sequence[Journey]) -> None:
    rows: list[list[Json]] = [
        [
            entry.message.queue_id,
            clock_time(entry.message.received_at),
            entry.message.origin.value,
            str(entry.message.envelope.reverse_path or "<>"),
            [str(delivery.recipient.address) for delivery in entry.deliveries],
            [delivery.state.value for delivery in entry.deliveries],
        ]
        for entry, _ in journeys
    ]
    print_table(("id", "came in", "origin", "from", "recipient", "state"), rows)
    say("`relay trace ID` tells one mail's journey")


def _print_journey(entry: Entry, events: Sequence[Event]) -> None:
    message = entry.message
    say(f"{message.queue_id}  {message.message_id or 'without Message-ID'}")
    for delivery in entry.deliveries:
        tries = f", {delivery.attempts} {'try' if delivery.attempts == 1 else 'tries'}" if delivery.attempts else ""
        say(f"  {delivery.recipient.address}: {delivery.state.value}{tries}")
    from relay.incoming.kind import kind_in

    judged = kind_in(message.findings)
    if judged is not None:
        say(f"  {judged.kind.value}: {judged.reason}")
    for line in _findings(message.findings):
        say(f"  {line}")
    recipients = {delivery.number: str(delivery.recipient.address) for delivery in entry.deliveries}
    for event in events:
        whom = "" if event.number is None else recipients.get(event.number, str(event.number))
        say(f"{clock_time(event.at)}  {event.type.value:<10} {whom}".rstrip())
        for line in describe(event):
            say(f"    {line}")


def _findings(findings: Mapping[str, Json]) -> Iterator[str]:
    """What was found out about a mail from outside when it came in."""
    from relay.policy.evidence_words import describe_evidence
    from relay.policy.forward import read_evidence

    evidence = read_evidence(findings)
    if evidence is not None:
        yield from describe_evidence(evidence)
    warnings = findings.get("warnings")
    for warning in warnings if isinstance(warnings, list) else ():
        if isinstance(warning, dict):
            yield f"warning: {warning.get('text', '')} ({warning.get('code', '')})"


def describe(event: Event) -> Iterator[str]:
    """What an event says, as lines for people."""
    data = event.data
    if event.type is EventType.RECEIVED:
        yield from _describe_arrival(data)
    elif event.type in _REPORTED:
        yield from _describe_bounce(data)
    else:
        yield from _describe_step(data)


def _describe_step(data: Mapping[str, Json]) -> Iterator[str]:
    yield from _describe_name(data)
    if data.get("host"):
        # What became of TLS is not known of a session that never came to be.
        tls = data.get("tls") or ("" if data.get("phase") in _BEFORE_MAIL else "without TLS")
        proof = f", proven by {data['trust']}" if data.get("trust", "none") != "none" else ""
        yield f"to {data['host']} [{data.get('ip', '')}]{f', {tls}' if tls else ''}{proof}"
    if data.get("reply"):
        phase = str(data.get("phase", ""))
        yield f"answer to {_ASKED.get(phase, phase.upper())}: {data['reply']}"
    elif data.get("text"):
        yield f"{data['text']} ({data['phase']})" if data.get("phase") else str(data["text"])
    yield from _describe_class(data)
    if data.get("unknown"):
        yield "it may have arrived all the same: the connection was lost after the final dot"
    if data.get("reason"):
        yield str(data["reason"])
    upcoming = data.get("next_attempt")
    if isinstance(upcoming, int | float):
        yield f"next try {clock_time(upcoming)}"
    if data.get("report"):
        yield f"report {data['report']} to {data.get('to', '')}"
    yield from _describe_answer(data)


def _describe_answer(data: Mapping[str, Json]) -> Iterator[str]:
    if data.get("writer"):
        warnings = data.get("warnings")
        careful = f", with warnings: {', '.join(map(str, warnings))}" if isinstance(warnings, list) else ""
        yield f"{data.get('kind', '')} from {data['writer']}, known by its {data.get('tie', '')}{careful}"
    evidence = data.get("evidence")
    if isinstance(evidence, dict):
        yield ", ".join(f"{name} {value}" for name, value in evidence.items())
    if data.get("by"):
        yield f"by {data['by']}"


def _describe_bounce(data: Mapping[str, Json]) -> Iterator[str]:
    who = f"{data['host']} says" if data.get("host") else "says"
    status = " ".join(str(data[key]) for key in ("action", "feedback", "status") if data.get(key))
    if status:
        yield f"{who}: {status}"
    if data.get("text"):
        yield str(data["text"])
    yield from _describe_class(data)
    yield f"in {data.get('by', '')}"


def _describe_class(data: Mapping[str, Json]) -> Iterator[str]:
    if not data.get("class"):
        return
    said = explain_bounce(str(data["class"]))[Language.EN]
    yield f"{data['class']}: {said.explanation}"
    yield f"what to do: {said.advice}"


def _describe_arrival(data: Mapping[str, Json]) -> Iterator[str]:
    if data.get("about"):
        yield f"our own report about {data['about']}"
        return
    who = f"from app {data['app']}" if data.get("app") else "from outside"
    yield f"{who} at {data.get('peer', '')}, {data.get('tls') or 'without TLS'}"
    recipients = data.get("recipients")
    size = data.get("size")
    many = len(recipients) if isinstance(recipients, list) else 0
    amount = f"{octets(size)}, " if isinstance(size, int) else ""
    yield f"{amount}{many} {'recipient' if many == 1 else 'recipients'}, sender <{data.get('reverse_path', '')}>"


def _describe_name(data: Mapping[str, Json]) -> Iterator[str]:
    if not data.get("identity"):
        return
    author = f" {data['author']}" if data.get("author") else ""
    forwarded = f", forwarded to {data['forwarded_to']}" if data.get("forwarded_to") else ""
    yield f"as {data['identity']}{author}{forwarded}, sender <{data.get('reverse_path', '')}>"
    reasons = data.get("reasons")
    if isinstance(reasons, list):
        yield from (f"because {reason}" for reason in reasons)
