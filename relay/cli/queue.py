"""`relay queue`: looking at what waits, and giving it orders."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption
from relay.cli.output import ago, clock_time, print_json, print_table, say
from relay.cli.trouble import ExitCode, Failure
from relay.events import Json
from relay.store.spool import Delivery, Entry, Order, Selection, Spool, State

_EVERYTHING = 2**31 - 1
_DONE = {
    Order.RETRY: "due now",
    Order.HOLD: "held",
    Order.RELEASE: "released",
    Order.DROP: "dropped",
}
# What an order can change at all; the rest of a selection stays as it is.
_TOUCHED = {
    Order.RETRY: "queued and in no worker's hands at this moment; `relay queue release` is for what is held",
    Order.HOLD: "queued and in no worker's hands at this moment",
    Order.RELEASE: "held",
    Order.DROP: "queued or held, and in no worker's hands at this moment",
}

queue = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at what waits, and give it orders.")

CompanyOption: TypeAlias = Annotated[str, typer.Option("--company", help="Of this company: the name of its file.")]
RecipientOption: TypeAlias = Annotated[str, typer.Option("--recipient", help="For this address.")]
IdsArgument: TypeAlias = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Queue ids.")]
AllOption: TypeAlias = Annotated[bool, typer.Option("--all", help="Everything in the queue.")]
ReasonOption: TypeAlias = Annotated[str, typer.Option("--reason", help="Why, for the mail's timeline.")]


@queue.command("list")
def list_queue(
    *,
    company: CompanyOption = "",
    recipient: RecipientOption = "",
    state: Annotated[
        list[State] | None, typer.Option("--state", help="In this state; may be repeated. Left out: queued and held.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many deliveries.")] = 100,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """List deliveries, oldest first.

    Those that wait, unless states are named.
    """
    from relay.cli.visit import visit

    states = tuple(state or (State.QUEUED, State.HELD))
    selection = Selection(states=states, company=company, recipient=recipient, limit=limit + 1)

    async def look(spool: Spool) -> Sequence[Entry]:
        return await spool.select(selection)

    rows = [(entry, delivery) for entry in visit(config, store, look) for delivery in entry.deliveries]
    if as_json:
        print_json([_row_as_json(entry, delivery) for entry, delivery in rows[:limit]])
        return
    if not rows:
        say("nothing there")
        return
    now = time.time()
    columns = ("id", "age", "company", "recipient", "state", "tries", "next try", "last")
    print_table(columns, (_row(entry, delivery, now) for entry, delivery in rows[:limit]))
    say(f"{len(rows[:limit])} shown" + (", there are more: --limit" if len(rows) > limit else ""))


@queue.command("show")
def show(
    queue_id: Annotated[str, typer.Argument(metavar="ID", help="Queue id.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show one message with all its deliveries.

    How it came to this is told by `relay trace`.
    """
    from relay.cli.visit import visit

    async def look(spool: Spool) -> Sequence[Entry]:
        return await spool.select(Selection(queue_ids=(queue_id,), states=tuple(State), limit=_EVERYTHING))

    entries = visit(config, store, look)
    if not entries:
        raise Failure(ExitCode.ATTENTION, f"relay: no message {queue_id} is known")
    entry = entries[0]
    if as_json:
        from relay.cli.entries import entry_as_json

        print_json(entry_as_json(entry))
        return
    message, now = entry.message, time.time()
    say(f"{message.queue_id}  {message.origin}, came in {clock_time(message.received_at)}")
    say(f"from <{message.envelope.reverse_path or ''}>, Message-ID {message.message_id or 'none'}")
    columns = ("recipient", "company", "state", "tries", "next try", "last", "waits for")
    print_table(columns, ([*_told(delivery, now), delivery.hold_key] for delivery in entry.deliveries))


def _add_command(order: Order, meaning: str) -> None:
    @queue.command(order.value, help=meaning)
    def command(
        ids: IdsArgument = None,
        *,
        company: CompanyOption = "",
        recipient: RecipientOption = "",
        everything: AllOption = False,
        reason: ReasonOption = "",
        config: ConfigOption = DEFAULT_CONFIG,
        store: StoreOption = "",
        as_json: JsonOption = False,
    ) -> None:
        selection = _select(ids, company, recipient, everything)
        _carry_out(order, selection, reason, config=config, store=store, as_json=as_json)


_add_command(Order.RETRY, "Try queued deliveries now, not on schedule.")
_add_command(Order.HOLD, "Keep queued deliveries until somebody releases them.")
_add_command(Order.RELEASE, "Let held deliveries go on, due now.")


@queue.command("drop")
def drop(
    ids: IdsArgument = None,
    *,
    company: CompanyOption = "",
    recipient: RecipientOption = "",
    everything: AllOption = False,
    reason: ReasonOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give deliveries up for good; asks first.

    Nobody is told: neither the sender nor the company.
    """
    selection = _select(ids, company, recipient, everything)
    if not yes:
        typer.confirm(f"Give up {_words(selection)} for good?", abort=True, err=True)
    _carry_out(Order.DROP, selection, reason, config=config, store=store, as_json=as_json)


def _select(ids: list[str] | None, company: str, recipient: str, everything: bool) -> Selection:
    narrowed = bool(ids or company or recipient)
    if narrowed == everything:
        raise typer.BadParameter("name queue ids, --company or --recipient, or else --all")
    return Selection(queue_ids=tuple(ids or ()), company=company, recipient=recipient, limit=_EVERYTHING)


def _words(selection: Selection) -> str:
    parts = [", ".join(selection.queue_ids)] if selection.queue_ids else []
    parts += [f"of company {selection.company}"] if selection.company else []
    parts += [f"for {selection.recipient}"] if selection.recipient else []
    return "all that waits " + " ".join(parts) if parts else "everything in the queue"


def _carry_out(order: Order, selection: Selection, reason: str, *, config: Path, store: str, as_json: bool) -> None:
    from relay.cli.visit import visit

    why = reason or f"a person asked for it: {order.value}"

    async def carry_out(spool: Spool) -> int:
        return await spool.order(order, selection, now=time.time(), reason=why)

    changed = visit(config, store, carry_out)
    if as_json:
        print_json({"order": order.value, "changed": changed})
    else:
        say(f"{changed} {'delivery' if changed == 1 else 'deliveries'} {_DONE[order]}")
    if not changed:
        say(f"this changes only what is {_TOUCHED[order]}", error=True)
        raise typer.Exit(ExitCode.ATTENTION)


def _row_as_json(entry: Entry, delivery: Delivery) -> Json:
    from relay.cli.entries import delivery_as_json

    return {"queue_id": entry.message.queue_id, **delivery_as_json(delivery)}


def _row(entry: Entry, delivery: Delivery, now: float) -> list[Json]:
    recipient, company, *rest = _told(delivery, now)
    return [entry.message.queue_id, ago(now - entry.message.received_at), company, recipient, *rest]


def _told(delivery: Delivery, now: float) -> list[Json]:
    upcoming = ""
    if delivery.state is State.QUEUED:
        wait = delivery.next_attempt - now
        upcoming = "being tried" if delivery.worker else f"in {ago(wait)}" if wait > 0 else "now"
    recipient = str(delivery.recipient.address)
    return [recipient, delivery.company, delivery.state.value, delivery.attempts, upcoming, delivery.last]
