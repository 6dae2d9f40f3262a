"""`relay company verify`: having a company's address confirmed, or confirming it oneself."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption
from relay.cli.output import ago, print_json, say
from relay.cli.trouble import ExitCode, Failure
from relay.store.spool import Spool

if TYPE_CHECKING:
    from relay.config.snapshot import Snapshot
    from relay.facts.addresses import AddressState


def verify(
    slug: Annotated[str, typer.Argument(metavar="[COMPANY]", help="The name of its file.")] = "",
    *,
    everybody: Annotated[bool, typer.Option("--all", help="With --mark: all that are not confirmed.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Send the mail that asks again, now.")] = False,
    mark: Annotated[bool, typer.Option("--mark", help="Confirm the address without asking anybody.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, with --mark: it stays in the record.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Have a company's address confirmed.

    Sends the mail that asks for it, unless one was sent within a day; a running relay sends it within seconds. The exit
    code is 1 when no mail may be sent now.
    """
    from relay.cli.company_status import told
    from relay.cli.reading import company_in, read_all
    from relay.cli.visit import visit
    from relay.clock import SystemClock
    from relay.config.keyring import Active, Keyring
    from relay.facts.addresses import Addresses, state_as_json

    if mark != bool(reason.strip()) or (mark and resend):
        raise typer.BadParameter("write --resend, or --mark together with --reason")
    if bool(slug) == everybody or (everybody and not mark):
        raise typer.BadParameter("name a company, or write --all together with --mark")
    snapshot = read_all(config)
    if everybody:
        _mark_all(config, snapshot, reason.strip(), store=store, as_json=as_json)
        return
    company = company_in(snapshot, slug)
    required = snapshot.settings.verification.required
    if not required and not mark:
        raise Failure(ExitCode.ATTENTION, "relay: confirming is switched off: verification.required is false")
    active = Active(snapshot, Keyring((), {}))

    async def carry_out(spool: Spool) -> "tuple[float, AddressState]":
        addresses = Addresses(lambda: active, spool, SystemClock())
        wait = 0.0
        if mark:
            await addresses.mark(company, reason.strip())
        else:
            wait = await addresses.ask(company, by_itself=not resend)
        return wait, await addresses.state(company)

    wait, state = visit(config, store or snapshot.settings.store, carry_out)
    if as_json:
        print_json(state_as_json(company, state, required=required) | {"may_be_asked_again_in": round(wait)})
    else:
        say(f"{company.address}: {told(state, time.time())}")
    if wait and resend:
        raise Failure(ExitCode.ATTENTION, f"relay: another mail may be sent in {ago(wait)}")


def _mark_all(config: Path, snapshot: "Snapshot", reason: str, *, store: str, as_json: bool) -> None:
    from relay.cli.reading import company_in
    from relay.cli.visit import visit
    from relay.clock import SystemClock
    from relay.config.keyring import Active, Keyring
    from relay.facts.addresses import Addresses

    active = Active(snapshot, Keyring((), {}))

    async def mark_all(spool: Spool) -> int:
        addresses = Addresses(lambda: active, spool, SystemClock())
        return sum([await addresses.mark(company_in(snapshot, slug), reason) for slug in sorted(snapshot)])

    marked = visit(config, store or snapshot.settings.store, mark_all)
    if as_json:
        print_json({"marked": marked})
    else:
        say("1 address confirmed" if marked == 1 else f"{marked} addresses confirmed")
