"""`relay company test`: whether a company's own server takes its mail, step by step."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from relay.cli.output import print_json, say
from relay.cli.trouble import ExitCode, Failure

if TYPE_CHECKING:
    from relay.config.keyring import Active
    from relay.delivery.rehearsal import Step
    from relay.policy.company import Company, Server

_GOODBYE = 0.1  # seconds for the connection to end in good order


def try_out(
    slug: Annotated[str, typer.Argument(help="The name of the company's file, without .yaml.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Try a company's own server.

    Logs in as the relay does and asks to send as the company's From address; sends nothing. The exit code is 1 when a
    step fails.
    """
    from relay.cli.reading import read_all
    from relay.config.keyring import Active, Keyring

    snapshot = read_all(config)
    company = snapshot.company(slug)
    if company is None:
        raise Failure(ExitCode.USAGE, f"relay: there is no company {slug}")
    if company.server is None:
        raise Failure(ExitCode.USAGE, f"relay: {slug} has no server of its own")
    steps = asyncio.run(_rehearse(company, company.server, Active(snapshot, Keyring.load(snapshot.settings))))
    if as_json:
        print_json({"company": slug, "ok": all(step.ok for step in steps), "steps": [asdict(step) for step in steps]})
    else:
        _print(steps)
    if not all(step.ok for step in steps):
        raise typer.Exit(ExitCode.ATTENTION)


async def _rehearse(company: "Company", server: "Server", active: "Active") -> "list[Step]":
    from relay.clock import SystemClock
    from relay.delivery.rehearsal import rehearse
    from relay.delivery.session import Opening
    from relay.dns import Resolver
    from relay.facts.tokens import Tokens
    from relay.http import HttpClient
    from relay.store.open import visit_spool

    settings, clock = active.snapshot.settings, SystemClock()
    resolver = Resolver([str(name) for name in settings.dns.servers], settings.dns.timeout, clock=clock)
    spool = visit_spool(settings.store, clock=clock)
    tokens = Tokens(lambda: active, lambda: spool.facts, HttpClient(resolver), clock)
    opening = Opening(settings.hostname, settings.delivery.timeouts, active.keyring.secret, tokens)
    if server.oauth2 is not None:
        # Tokens are the relay's own: a new one is stored for the workers too.
        await spool.start()
    try:
        steps = await rehearse(server, company.own_author, resolver, opening)
        await asyncio.sleep(_GOODBYE)
        return steps
    finally:
        if server.oauth2 is not None:
            await spool.stop()


def _print(steps: "list[Step]") -> None:
    for step in steps:
        mark = {True: "ok", False: "FAILED", None: "-"}[step.ok]
        say(f"{step.name:<9}{mark:<8}{step.said}".rstrip())
        if step.advice:
            say(f"{'':<17}{step.advice}")
