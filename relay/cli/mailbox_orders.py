"""`relay mailbox backfill`, `release` and `drop`: what a person decides about a mailbox, beside a running relay."""

import getpass
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, StoreOption
from relay.cli.output import say
from relay.cli.trouble import ExitCode, Failure
from relay.store.spool import Spool

if TYPE_CHECKING:
    from relay.fetch.ledger import MailRecord

CompanyArgument: TypeAlias = Annotated[str, typer.Argument(help="The company, by the name of its file.")]
MailArgument: TypeAlias = Annotated[str, typer.Argument(help="The mail's Message-ID, as the history shows it.")]


def backfill(
    company: CompanyArgument,
    *,
    since: Annotated[datetime, typer.Option("--since", formats=["%Y-%m-%d"], help="Read mail from this day on.")],
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
) -> None:
    """Have earlier mail read once, from a day on.

    A worker does so at its next look. What was handed on before does not go again.
    """
    from relay.cli.visit import visit
    from relay.fetch.ledger import MAILBOX
    from relay.fetch.orders import Order, Orders, Wish

    async def give(spool: Spool) -> None:
        if await spool.facts.get(MAILBOX, company) is None:
            raise Failure(ExitCode.ATTENTION, f"relay: no mailbox of {company} is read")
        order = Order(Wish.BACKFILL, since.date().isoformat(), _person(), time.time())
        await Orders(spool.facts, company).give(order)

    visit(config, store, give)
    say(f"mail from {since:%Y-%m-%d} on will be read at the next look")


def release(
    company: CompanyArgument,
    mail: MailArgument,
    *,
    part: Annotated[
        int | None, typer.Option("--part", min=0, help="Only this part, by its number in `relay mailbox explain`.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
) -> None:
    """Hand on what is parked of a mail, whatever speaks against it.

    A worker does so at its next look, if the mail still lies in the mailbox. The history says who wanted it.
    """
    from relay.fetch.orders import Order, Orders, Wish

    async def give(spool: Spool, key: str, _: "MailRecord") -> None:
        await Orders(spool.facts, company).give(Order(Wish.RELEASE, key, _person(), time.time(), part))

    count = _each_parked(company, mail, give, config=config, store=store)
    say(f"{_mails(count)} will be handed on at the next look")


def drop(
    company: CompanyArgument, mail: MailArgument, *, config: ConfigOption = DEFAULT_CONFIG, store: StoreOption = ""
) -> None:
    """Close a parked mail without handing it on.

    It stays in the mailbox. The history says who wanted it.
    """
    from relay.clock import timestamp
    from relay.fetch.ledger import Ledger

    async def close(spool: Spool, key: str, record: "MailRecord") -> None:
        word = f"dropped by {_person()} at {timestamp(time.time())}"
        await Ledger(spool.facts, company).note_mail(key, replace(record, parked=False, word=word))

    count = _each_parked(company, mail, close, config=config, store=store)
    say(f"{_mails(count)} dropped")


def _each_parked(
    company: str,
    mail: str,
    do: "Callable[[Spool, str, MailRecord], Awaitable[None]]",
    *,
    config: ConfigOption,
    store: StoreOption,
) -> int:
    from relay.cli.visit import visit
    from relay.fetch.ledger import mails_named

    async def all_of(spool: Spool) -> int:
        parked = [each for each in await mails_named(spool.facts, company, mail) if each[1].parked]
        for key, record in parked:
            await do(spool, key, record)
        return len(parked)

    count = visit(config, store, all_of)
    if not count:
        raise Failure(ExitCode.ATTENTION, f"relay: no parked mail of {company} has the Message-ID {mail}")
    return count


def _mails(count: int) -> str:
    return "1 mail" if count == 1 else f"{count} mails"


def _person() -> str:
    """Who asks, as far as the system knows."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
