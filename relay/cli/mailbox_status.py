"""`relay mailbox status` and `relay mailbox history`: how the reading of mailboxes goes, beside a running relay."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption
from relay.cli.output import ago, clock_time, print_json, print_table, say
from relay.cli.trouble import ExitCode, Failure
from relay.events import Json
from relay.store.spool import Spool

if TYPE_CHECKING:
    from relay.facts.whereabouts import Known
    from relay.fetch.ledger import MailboxState, MailRecord

# What has not reached Fast input, and may need somebody.
_WAITS = ("queued", "held", "failed", "expired", "dropped")


def status(*, config: ConfigOption = DEFAULT_CONFIG, store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Say how the reading of each mailbox goes.

    The exit code is 1 when one of them cannot be read.
    """
    from relay.cli.visit import visit
    from relay.facts.whereabouts import known_at
    from relay.fetch.ledger import MAILBOX, MailboxState

    async def look(spool: Spool) -> "list[tuple[str, MailboxState, Known | None]]":
        found: list[tuple[str, MailboxState, Known | None]] = []
        while page := await spool.facts.list(MAILBOX, after=found[-1][0] if found else ""):
            for fact in page:
                state = MailboxState.of(fact)
                found.append((fact.key, state, await known_at(spool.facts, state.sought) if state.sought else None))
        return found

    mailboxes = visit(config, store, look)
    if as_json:
        print_json([_state_as_json(*each) for each in mailboxes])
    elif not mailboxes:
        say("no mailbox is read")
    else:
        columns = ("company", "server", "looked at", "last success", "mails", "documents", "parked", "trouble")
        now = time.time()
        print_table(columns, (_state_row(*each, now) for each in mailboxes))
    if any(state.error for _, state, _ in mailboxes):
        raise typer.Exit(ExitCode.ATTENTION)


def history(
    company: Annotated[str, typer.Argument(help="The company, by the name of its file.")],
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many mails.")] = 50,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """List what became of a company's mails, the last one first."""
    from relay.cli.visit import visit
    from relay.fetch.ledger import history as mails_of

    async def look(spool: Spool) -> "Sequence[tuple[MailRecord, list[dict[str, Json]]]]":
        mails = await mails_of(spool.facts, company, limit)
        return [(mail, [await _sent(spool, queue_id) for queue_id in mail.sent]) for mail in mails]

    mails = visit(config, store, look)
    if as_json:
        print_json([_mail_as_json(*each) for each in mails])
    elif mails:
        print_table(("at", "mail", "documents", "fate", "because"), (_mail_row(*each) for each in mails))
    if not mails:
        raise Failure(ExitCode.ATTENTION, f"relay: no mail of {company} was read")


async def _sent(spool: Spool, queue_id: str) -> dict[str, Json]:
    """How a mail to Fast input fares; it is forgotten after `spool.keep_history`."""
    for entry in await spool.find(queue_id):
        (delivery,) = entry.deliveries
        return {"queue_id": queue_id, "state": delivery.state.value, "last": delivery.last}
    return {"queue_id": queue_id, "state": "forgotten", "last": ""}


def _state_as_json(slug: str, state: "MailboxState", known: "Known | None") -> Json:
    from relay.clock import timestamp
    from relay.facts.whereabouts import as_json

    place = None if known is None else known.place
    server = None if known is None or place is None else as_json(place) | {"found": timestamp(known.found)}
    return {
        "company": slug,
        "server": server,
        "looked": timestamp(state.looked) if state.looked else None,
        "succeeded": timestamp(state.succeeded) if state.succeeded else None,
        "mails": state.mails,
        "documents": state.documents,
        "parked": state.parked,
        "failures": state.failures,
        "error": state.error,
    }


def _state_row(slug: str, state: "MailboxState", known: "Known | None", now: float) -> list[Json]:
    server = "as written" if known is None else "not found"
    if known is not None and known.place is not None:
        server = f"{known.place.endpoint.host}, by {known.place.source}, {ago(now - known.found)} ago"
    looked, succeeded = (ago(now - at) if at else "never" for at in (state.looked, state.succeeded))
    return [slug, server, looked, succeeded, state.mails, state.documents, state.parked, state.error]


def _mail_as_json(mail: "MailRecord", sent: "Sequence[Mapping[str, Json]]") -> Json:
    from relay.clock import timestamp

    return {
        "at": timestamp(mail.at),
        "message_id": mail.message_id,
        "stage": mail.stage.value,
        "documents": mail.documents,
        "known": mail.known,
        "parked": mail.parked,
        "reason": mail.reason,
        "word": mail.word,
        "sent": [dict(each) for each in sent],
    }


def _mail_row(mail: "MailRecord", sent: "Sequence[Mapping[str, Json]]") -> list[Json]:
    if mail.stage.value != "done":
        fate = "on its way"
    elif mail.parked:
        fate = "parked"
    elif mail.word.startswith("dropped"):
        fate = "dropped"
    else:
        fate = "taken" if mail.documents or mail.known else "skipped"
    reason = mail.reason or (f"{mail.known} came by another mail before" if mail.known else "")
    waiting = [f"{each['queue_id']} is {each['state']}: {each['last']}" for each in sent if each["state"] in _WAITS]
    because = "; ".join(filter(None, (reason, mail.word, *waiting)))
    return [clock_time(mail.at), mail.message_id, mail.documents, fate, because]
