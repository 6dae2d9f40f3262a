"""`relay company test`: whether a company's own server takes its mail, step by step."""

import asyncio
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from relay.cli.output import print_json, say
from relay.cli.trouble import ExitCode, Failure

if TYPE_CHECKING:
    from relay.config.keyring import Active
    from relay.delivery.rehearsal import Letter, Step
    from relay.mail.address import Address
    from relay.policy.company import Company, Server
    from relay.store.spool import Spool

_PATIENCE, _LOOK_AGAIN = 60.0, 0.5  # seconds
_GOODBYE = 0.1  # seconds for the connection to end in good order


def try_out(
    slug: Annotated[str, typer.Argument(help="The name of the company's file, without .yaml.")],
    *,
    loop_back: Annotated[
        bool, typer.Option("--loop-back", help="Send a mail to the company's alias, and see what arrives.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Try a company's own server.

    Logs in as the relay does and asks to send as the company's From address; sends nothing, except with --loop-back.
    The exit code is 1 when a step fails.
    """
    from relay.cli.reading import read_all
    from relay.config.keyring import Active, Keyring

    snapshot = read_all(config)
    company = snapshot.company(slug)
    if company is None:
        raise Failure(ExitCode.USAGE, f"relay: there is no company {slug}")
    if company.server is None:
        raise Failure(ExitCode.USAGE, f"relay: {slug} has no server of its own")
    active = Active(snapshot, Keyring.load(snapshot.settings))
    steps = asyncio.run(_rehearse(company, company.server, active, loop_back=loop_back))
    if as_json:
        print_json({"company": slug, "ok": all(step.ok for step in steps), "steps": [asdict(step) for step in steps]})
    else:
        _print(steps)
    if not all(step.ok for step in steps):
        raise typer.Exit(ExitCode.ATTENTION)


async def _rehearse(company: "Company", server: "Server", active: "Active", *, loop_back: bool) -> "list[Step]":
    from relay.cli.reading import resolver_of
    from relay.clock import SystemClock
    from relay.delivery.rehearsal import rehearse
    from relay.delivery.session import Opening
    from relay.facts.tokens import Tokens
    from relay.http import HttpClient
    from relay.store.open import visit_spool

    settings, clock = active.snapshot.settings, SystemClock()
    resolver = resolver_of(settings)
    spool = visit_spool(settings.store, clock=clock)
    tokens = Tokens(lambda: active, lambda: spool.facts, HttpClient(resolver), clock)
    opening = Opening(settings.hostname, settings.delivery.timeouts, active.keyring.secret, tokens)
    letter = _letter(company, settings.domain, clock.now()) if loop_back else None
    if server.oauth2 is not None or letter is not None:
        # Tokens are the relay's own: a new one is stored for the workers too.
        await spool.start()
    try:
        steps = await rehearse(server, company.own_author, resolver, opening, letter)
        await asyncio.sleep(_GOODBYE)
        if letter is not None and all(step.ok for step in steps):
            steps.append(await _arrival(spool, letter, company.own_author))
        return steps
    finally:
        if server.oauth2 is not None or letter is not None:
            await spool.stop()


def _letter(company: "Company", domain: str, now: float) -> "Letter":
    from relay.delivery.rehearsal import Letter
    from relay.mail.address import Address
    from relay.mail.date import format_date

    message_id = f"<{uuid.uuid4().hex}@{domain}>"
    lines = (
        f"From: {company.own_author}",
        f"To: {company.alias}@{domain}",
        "Subject: A test of the way through your mail server",
        f"Date: {format_date(now)}",
        f"Message-ID: {message_id}",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "",
        "This mail shows that documents can be sent through your own mail server.",
        "",
    )
    return Letter(Address(company.alias, domain), message_id, "\r\n".join(lines).encode())


async def _arrival(spool: "Spool", letter: "Letter", author: "Address") -> "Step":
    """Wait until the relay has taken the letter, and look at its author."""
    from relay.delivery.rehearsal import Step, StepName
    from relay.mail.author import AuthorError, parse_authors
    from relay.mail.message import HeaderError, parse_header

    message_id = letter.message_id
    for _ in range(round(_PATIENCE / _LOOK_AGAIN)):
        found = await spool.find(message_id)
        if found:
            break
        await asyncio.sleep(_LOOK_AGAIN)
    else:
        advice = "It may still be on its way: `relay trace` finds it by its Message-ID. The relay must be running."
        return Step(StepName.ARRIVE, False, f"nothing came within {_PATIENCE:g} s ({message_id})", advice)
    content = found[0].message.content
    try:
        header = parse_header(spool.read(content, 0, content.header_size))
        field = header.first("from")
        (seen,) = parse_authors(field.value if field is not None else b"")
    except (AuthorError, HeaderError, ValueError):
        return Step(StepName.ARRIVE, False, "it came, but its From field cannot be read")
    if seen.address != author:
        advice = "Add the address at the provider (Gmail: Send mail as), or set `from` to the account's own."
        return Step(StepName.ARRIVE, False, f"the provider replaces the From address by {seen.address}", advice)
    return Step(StepName.ARRIVE, ok=True, said=f"it came, from {seen.address} as it was sent")


def _print(steps: "list[Step]") -> None:
    for step in steps:
        mark = {True: "ok", False: "FAILED", None: "-"}[step.ok]
        say(f"{step.name:<9}{mark:<8}{step.said}".rstrip())
        if step.advice:
            say(f"{'':<17}{step.advice}")
