"""`relay company status`: how companies stand: their addresses, their identities, what waits."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption
from relay.cli.output import ago, clock_time, print_json, print_table, say
from relay.cli.trouble import ExitCode
from relay.events import Json
from relay.policy.company import Company
from relay.store.spool import Selection, Spool, State

if TYPE_CHECKING:
    from relay.config.snapshot import Snapshot
    from relay.facts.addresses import AddressState

_EVERYTHING = 2**31 - 1

Held = Mapping[str, Counter[str]]
Lacking = Mapping[str, list[str]]


def status(
    slug: Annotated[str, typer.Argument(metavar="[COMPANY]", help="The name of its file. Left out: all.")] = "",
    *,
    attention: Annotated[bool, typer.Option("--attention", help="Only companies that need something.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show how companies stand.

    Whether the address is confirmed, in whose name mail should go out, what waits for what, and which of its accounts
    (OAuth2) the company has not consented to. For one company, the exit code is 1 when it needs something.
    """
    from relay.cli.reading import company_in, read_all
    from relay.cli.visit import visit
    from relay.facts.addresses import AddressState, fact_key, list_states, state_as_json

    snapshot = read_all(config)
    required = snapshot.settings.verification.required
    companies = [company_in(snapshot, slug)] if slug else [company_in(snapshot, each) for each in sorted(snapshot)]

    async def look(spool: Spool) -> "tuple[Mapping[str, AddressState], Held, Lacking]":
        held: dict[str, Counter[str]] = {}
        selection = Selection(states=(State.HELD,), company=slug, limit=_EVERYTHING)
        for entry in await spool.select(selection):
            for delivery in entry.deliveries:
                held.setdefault(delivery.company, Counter())[delivery.hold_key] += 1
        return await list_states(spool.facts), held, await _lacking(companies, snapshot, spool)

    states, held, lacking = visit(config, store or snapshot.settings.store, look)

    def state_of(company: Company) -> "AddressState":
        return states.get(fact_key(company), AddressState())

    def needs(company: Company) -> bool:
        unconfirmed = required and state_of(company).confirmation is None
        return unconfirmed or company.slug in held or company.slug in lacking

    shown = [company for company in companies if needs(company)] if attention else companies
    if as_json:
        print_json(
            [
                state_as_json(company, state_of(company), required=required)
                | {"identity": company.identity.value, "held": dict(held.get(company.slug, {}))}
                | {"no_consent": lacking.get(company.slug, [])}
                for company in shown
            ]
        )
    else:
        _print(shown, states, held, lacking, required=required)
    if slug and needs(companies[0]):
        raise typer.Exit(ExitCode.ATTENTION)


async def _lacking(companies: list[Company], snapshot: "Snapshot", spool: Spool) -> dict[str, list[str]]:
    """The accounts that companies have not consented to, by company; none for most of them."""
    from relay.cli.reading import resolver_of
    from relay.clock import SystemClock
    from relay.config.keyring import Active, Keyring
    from relay.config.sealing import SealingError
    from relay.config.secrets import SecretError
    from relay.facts.tokens import Tokens
    from relay.http import HttpClient

    asked = [company for company in companies if company.accounts]
    if not asked:
        return {}
    active = Active(snapshot, Keyring.load(snapshot.settings))
    # Nobody is asked.
    client = HttpClient(resolver_of(snapshot.settings))
    tokens = Tokens(lambda: active, lambda: spool.facts, client, SystemClock())
    found = {}
    for company in asked:
        try:
            found[company.slug] = await tokens.lacking(company)
        except (SealingError, SecretError) as error:
            found[company.slug] = [f"not known: {error}"]
    return {slug: accounts for slug, accounts in found.items() if accounts}


def told(state: "AddressState", now: float) -> str:
    """The state of an address, in a few words."""
    confirmation = state.confirmation
    if confirmation is not None:
        why = f" ({confirmation.reason})" if confirmation.reason else ""
        return f"confirmed by {confirmation.how} {clock_time(confirmation.at)}{why}"
    if not state.sent:
        return "not confirmed, not asked yet"
    mails = "1 mail" if state.sent == 1 else f"{state.sent} mails"
    return f"not confirmed, asked {ago(now - state.asked[-1])} ago ({mails})"


def _print(
    companies: list[Company], states: "Mapping[str, AddressState]", held: Held, lacking: Lacking, *, required: bool
) -> None:
    from relay.facts.addresses import AddressState, fact_key

    now = time.time()
    rows: list[list[Json]] = []
    for company in companies:
        state = states.get(fact_key(company), AddressState())
        confirmed = told(state, now) if required or state.confirmation else "need not be confirmed"
        waits: list[Json] = [
            f"{count} for {key.partition(':')[0] or 'a person'}"
            for key, count in sorted(held.get(company.slug, Counter()).items())
        ]
        missing: list[Json] = [*lacking.get(company.slug, [])]
        rows.append([company.slug, f"{company.address}", confirmed, company.identity.value, waits, missing])
    print_table(("company", "address", "confirmed", "identity", "held", "no consent for"), rows)
    say("1 company" if len(companies) == 1 else f"{len(companies)} companies")
