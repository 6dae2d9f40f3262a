"""`relay company consent`: a company lets the relay use its account (OAuth2)."""

import asyncio
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
        bool, typer.Option("--mailbox", help="For its mailbox, when that is another account than it sends through.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Get a company's consent for its account.

    Shows a code to type in at the issuer's page, or the page's address, and waits. Held mail then goes on at once.
    """
    from relay.cli.reading import read_all
    from relay.config.keyring import Active, Keyring
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
    account = asked[0]
    if link:
        say(asyncio.run(_invite(slug, account.username, Active(snapshot, Keyring.load(snapshot.settings)))))
        return
    try:
        count = asyncio.run(_consent(company, account, redirect, Active(snapshot, Keyring.load(snapshot.settings))))
    except (ConsentError, TokenError) as error:
        raise Failure(ExitCode.ATTENTION, f"relay: {error}") from None
    say(f"ok: {account.username} may be used; {count} waiting deliveries go on")


async def _invite(slug: str, account: str, active: "Active") -> str:
    from relay.clock import SystemClock
    from relay.facts.invitations import Invitations
    from relay.store.open import visit_spool

    settings, clock = active.snapshot.settings, SystemClock()
    web = settings.listeners.web
    if web is None or web.public_url is None:
        raise Failure(ExitCode.USAGE, "relay: a link needs listeners.web.public_url")
    spool = visit_spool(settings.store, clock=clock)
    await spool.start()
    try:
        token = await Invitations(lambda: spool.facts, clock).invite(slug, account)
    finally:
        await spool.stop()
    return f"{web.public_url}/consent/{slug}/{token}"


async def _consent(company: "Company", account: "Account", redirect: str, active: "Active") -> int:
    from relay.clock import SystemClock
    from relay.dns import Resolver
    from relay.facts.consenting import Consenting
    from relay.http import HttpClient
    from relay.store.open import visit_spool

    settings, clock = active.snapshot.settings, SystemClock()
    client = HttpClient(Resolver([str(name) for name in settings.dns.servers], settings.dns.timeout, clock=clock))
    spool = visit_spool(settings.store, clock=clock)
    await spool.start()
    try:
        consenting = Consenting(active, spool, client, clock)
        code = await consenting.begin_device(account)
        if code is not None:
            say(f"open {code.url} and type in {code.user_code}")
            return await consenting.await_device(company, code, asyncio.sleep, account)
        url, state, verifier = consenting.page(account, redirect)
        say(f"open {url}")
        landed = await asyncio.to_thread(typer.prompt, "the address that the page leads to in the end")
        return await consenting.finish(company, landed, redirect, state, verifier, account=account)
    finally:
        await spool.stop()
