"""`relay mailbox dry-run`: what would become of the mails in a mailbox, with nothing being done."""

import asyncio
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from relay.cli.output import clock_time, print_json, print_table, say
from relay.cli.trouble import ExitCode, Failure
from relay.events import Json

if TYPE_CHECKING:
    from datetime import date

    from relay.config.keyring import Active
    from relay.fetch.rehearsal import Foreseen
    from relay.policy.company import Mailbox


def dry_run(
    company: Annotated[str, typer.Argument(help="The company, by the name of its file.")],
    *,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="Look at mail from this day on.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say what would be taken from a mailbox now.

    Nothing is marked, noted or handed on. Without --since, only what has not been read yet is looked at.
    """
    from relay.cli.reading import company_in, read_all
    from relay.config.keyring import Active, Keyring
    from relay.imap.faults import MailboxError

    snapshot = read_all(config)
    mailbox = company_in(snapshot, company).mailbox
    if mailbox is None:
        raise Failure(ExitCode.USAGE, f"relay: {company} has no mailbox")
    active = Active(snapshot, Keyring.load(snapshot.settings))
    day = None if since is None else since.date()
    try:
        found = asyncio.run(_foresee(company, mailbox, active, day))
    except MailboxError as error:
        raise Failure(ExitCode.UNAVAILABLE, f"relay: {error}") from None
    if as_json:
        print_json([_as_json(each) for each in found])
    elif not found:
        say("nothing new; --since looks at earlier mail" if since is None else "no mail")
    else:
        print_table(("received", "mail", "fate", "documents", "because"), (_row(each) for each in found))
        counts = Counter(each.fate.value for each in found)
        say(", ".join(f"{count} {fate}" for fate, count in sorted(counts.items())))


async def _foresee(slug: str, mailbox: "Mailbox", active: "Active", since: "date | None") -> "list[Foreseen]":
    from relay.cli.reading import resolver_of
    from relay.clock import SystemClock
    from relay.facts.door import Door
    from relay.facts.tokens import Tokens
    from relay.facts.unstored import Unstored
    from relay.facts.whereabouts import Finder
    from relay.fetch.ledger import MAILBOX, Ledger, MailboxState
    from relay.fetch.reader import one_reader
    from relay.fetch.rehearsal import Rehearsal
    from relay.http import HttpClient
    from relay.incoming.returned import SentMail
    from relay.store.open import visit_spool

    settings, clock = active.snapshot.settings, SystemClock()
    resolver = resolver_of(settings)
    spool = visit_spool(settings.store, clock=clock)
    await spool.start()
    try:
        client = HttpClient(resolver)
        tokens = Tokens(lambda: active, lambda: spool.facts, client, clock)
        finder = Finder.over(resolver, client, lambda: Unstored(spool.facts), clock)
        session = await Door(lambda: active, resolver, tokens, finder).open(mailbox)
        try:
            fact = await spool.facts.get(MAILBOX, slug)
            # A mailbox that was never read gives nothing of what lies in it.
            state = MailboxState() if fact is None else MailboxState.of(fact)
            if since is None and not state.started:
                since = mailbox.since
                if since is None:
                    return []
            sent = SentMail(lambda: active, spool)
            async with one_reader() as reader:
                rehearsal = Rehearsal(mailbox, settings.mailboxes, Ledger(spool.facts, slug), reader, sent)
                return [each async for each in rehearsal.run(session, since=since, beyond=state.uid)]
        finally:
            await session.close()
    finally:
        await spool.stop()


def _as_json(each: "Foreseen") -> Json:
    from relay.clock import timestamp

    return {
        "uid": each.uid,
        "message_id": each.message_id,
        "received": timestamp(each.received),
        "fate": each.fate.value,
        "documents": list(each.documents),
        "reason": each.reason,
    }


def _row(each: "Foreseen") -> list[Json]:
    return [clock_time(each.received), each.message_id, each.fate.value, ", ".join(each.documents), each.reason]
