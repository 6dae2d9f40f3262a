"""`relay status`: whether the relay is well."""

import time
from collections.abc import Iterator, Mapping, Sequence

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption
from relay.cli.output import ago, print_json, print_table, say
from relay.cli.trouble import ExitCode
from relay.events import Json
from relay.store.facts import Fact
from relay.store.spool import Spool, State, WorkerStatus
from relay.webhooks.progress import KIND, Progress

Found = tuple[Sequence[WorkerStatus], Mapping[State, int], Sequence[Fact], int]


def status(*, config: ConfigOption = DEFAULT_CONFIG, store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Say whether the relay is well.

    The exit code is 1 when something needs attention.
    """
    from relay.cli.visit import visit

    now = time.time()

    async def look(spool: Spool) -> Found:
        workers, counts = await spool.workers(now=now), await spool.counts()
        return workers, counts, await spool.facts.list(KIND), await _mailboxes_in_trouble(spool)

    workers, counts, webhooks, mailboxes = visit(config, store, look)
    attention = [*needs_attention(workers), *_expiring(workers, now), *_failing(webhooks, now), *_unread(mailboxes)]
    if as_json:
        queue = {state.value: counts.get(state, 0) for state in (State.QUEUED, State.HELD)}
        print_json({"healthy": not attention, "attention": attention, "queue": queue, "workers": _as_json(workers)})
    else:
        _print(workers, counts, attention, now)
    if attention:
        raise typer.Exit(ExitCode.ATTENTION)


def needs_attention(workers: Sequence[WorkerStatus]) -> list[str]:
    """What somebody should look at, a sentence each; empty when all is well."""
    if not workers:
        return ["no worker is alive: the relay is not running"]
    errors = {str(worker.detail["config_error"]) for worker in workers if worker.detail.get("config_error")}
    locks = {str(lock) for worker in workers for lock in _listed(worker.detail.get("locked"))}
    return [
        *(f"the configuration is wrong, the last good one stays: {error}" for error in sorted(errors)),
        *(f"logins of {lock} are locked for a while: too many were refused" for lock in sorted(locks)),
    ]


def _expiring(workers: Sequence[WorkerStatus], now: float) -> Iterator[str]:
    """A certificate that nobody has renewed in time, in a sentence."""
    from relay.config.certificate import EXPIRING

    ends = [until for worker in workers if isinstance(until := worker.detail.get("certificate_until"), float)]
    if ends and min(ends) < now:
        yield f"the listeners' certificate expired {ago(now - min(ends))} ago: replace the files that tls names"
    elif ends and min(ends) < now + EXPIRING:
        yield f"the listeners' certificate expires in {ago(min(ends) - now)}: replace the files that tls names"


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _failing(webhooks: Sequence[Fact], now: float) -> Iterator[str]:
    """Apps that do not take their events, a sentence each."""
    for fact in webhooks:
        progress = Progress.of(fact)
        if progress.gone:
            yield f"the webhook of {fact.key} answered 410: nothing is sent to it until it has another URL"
        elif progress.told:
            yield f"the webhook of {fact.key} has failed for {ago(now - progress.since)}: {progress.error}"


async def _mailboxes_in_trouble(spool: Spool) -> int:
    from relay.fetch.ledger import MAILBOX, MailboxState

    count, after = 0, ""
    while page := await spool.facts.list(MAILBOX, after=after):
        count += sum(bool(MailboxState.of(fact).error) for fact in page)
        after = page[-1].key
    return count


def _unread(mailboxes: int) -> Iterator[str]:
    if mailboxes:
        what = "a mailbox is" if mailboxes == 1 else f"{mailboxes} mailboxes are"
        yield f"{what} not read to the end: `relay mailbox status` says why"


def _as_json(workers: Sequence[WorkerStatus]) -> Json:
    from relay.clock import timestamp

    return [
        {
            **worker.detail,
            "worker": worker.worker,
            "pid": worker.pid,
            "started_at": timestamp(worker.started_at),
            "lease_until": timestamp(worker.lease_until),
        }
        for worker in workers
    ]


def _print(workers: Sequence[WorkerStatus], counts: Mapping[State, int], attention: list[str], now: float) -> None:
    say(f"queue: {counts.get(State.QUEUED, 0)} queued, {counts.get(State.HELD, 0)} held")
    if workers:
        columns = ("worker", "pid", "up for", "companies", "generation", "sessions", "in hand")
        print_table(columns, (_row(worker, now) for worker in workers))
    for sentence in attention:
        for line in sentence.splitlines():
            say(f"! {line}")
    if not attention:
        say("all is well")


def _row(worker: WorkerStatus, now: float) -> list[Json]:
    told = (worker.detail.get(name) for name in ("companies", "generation", "sessions", "in_hand"))
    return [worker.worker, worker.pid, ago(now - worker.started_at), *told]
