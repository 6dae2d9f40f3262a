"""`relay company consent`: a company lets the relay use its account (OAuth2)."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption
from relay.cli.output import say
from relay.cli.trouble import ExitCode, Failure

if TYPE_CHECKING:
    from relay.config.keyring import Active
    from relay.policy.company import Account, Company


def consent(
    slug: Annotated[str, typer.Argument(help="The name of the company's file, without .yaml.")],
    *,
    redirect: Annotated[
        str, typer.Option("--redirect", help="Where the issuer's page leads, for issuers without codes.")
    ] = "http://localhost",
    link: Annotated[
        bool, typer.Option("--link", help="Only print the link to our page, to send to the company.")
    ] = False,
    mailbox: Annotated[
        bool, typer.Option("--mailbox", help="For its mailbox, whether or not there is consent for it already.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Get a company's consent for its account.

    Of two accounts, it is for the one that has none yet.

    Shows a code to type in at the issuer's page, or the page's address, and waits. Held mail then goes on at once.
    """
    from relay.cli.reading import read_all
    from relay.config.keyring import Active, Keyring
    from relay.config.sealing import SealingError
    from relay.config.secrets import SecretError
    from relay.facts.consenting import ConsentError
    from relay.facts.tokens import TokenError
    from relay.policy.company import Grant

    snapshot = read_all(config)
    company = snapshot.company(slug)
    if company is None:
        raise Failure(ExitCode.USAGE, f"relay: there is no company {slug}")
    accounts = [company.mailbox] if mailbox and company.mailbox is not None else company.accounts
    asked = [each for each in accounts if each.oauth2 is not None and each.oauth2.grant is Grant.REFRESH_TOKEN]
    if not asked:
        raise Failure(ExitCode.USAGE, f"relay: {slug} has no account whose oauth2 needs consent")
    active = Active(snapshot, Keyring.load(snapshot.settings))
    try:
        if link:
            say(asyncio.run(_invite(slug, asked, active)))
            return
        account, count = asyncio.run(_consent(company, asked, redirect, active))
    except (ConsentError, TokenError, SealingError, SecretError) as error:
        raise Failure(ExitCode.ATTENTION, f"relay: {error}") from None
    say(f"ok: {account.username} may be used; {count} waiting deliveries go on")


async def _invite(slug: str, accounts: "Sequence[Account]", active: "Active") -> str:
    from relay.cli.reading import resolver_of
    from relay.clock import SystemClock
    from relay.facts.consenting import Consenting
    from relay.facts.invitations import Invitations
    from relay.http import HttpClient
    from relay.store.open import visit_spool

    settings, clock = active.snapshot.settings, SystemClock()
    web = settings.listeners.web
    if web is None or web.public_url is None:
        raise Failure(ExitCode.USAGE, "relay: a link needs listeners.web.public_url")
    spool = visit_spool(settings.store, clock=clock)
    await spool.start()
    try:
        # Nobody is asked here: that is for the page.
        client = HttpClient(resolver_of(settings))
        account = await Consenting(active, spool, client, clock).choose(accounts)
        token = await Invitations(lambda: spool.facts, clock).invite(slug, account.username)
    finally:
        await spool.stop()
    return f"{web.public_url}/consent/{slug}/{token}"


async def _consent(
    company: "Company", accounts: "Sequence[Account]", redirect: str, active: "Active"
) -> "tuple[Account, int]":
    from relay.cli.reading import resolver_of
    from relay.clock import SystemClock
    from relay.facts.consenting import Consenting
    from relay.http import HttpClient
    from relay.store.open import visit_spool

    settings, clock = active.snapshot.settings, SystemClock()
    client = HttpClient(resolver_of(settings))
    spool = visit_spool(settings.store, clock=clock)
    await spool.start()
    try:
        consenting = Consenting(active, spool, client, clock)
        account = await consenting.choose(accounts)
        code = await consenting.begin_device(account)
        if code is not None:
            say(f"for {account.username}: open {code.url} and type in {code.user_code}")
            return account, await consenting.await_device(company, code, asyncio.sleep, account)
        url, state, verifier = consenting.page(account, redirect)
        say(f"for {account.username}: open {url}")
        landed = await asyncio.to_thread(typer.prompt, "the address that the page leads to in the end")
        count = await consenting.finish(company, landed, redirect, state, verifier, account=account)
        return account, count
    finally:
        await spool.stop()
