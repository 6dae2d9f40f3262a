"""Sends each app its events: one worker at a time for an app, in the order of their ids, until the app has taken them.

How far an app has got is a fact; whoever holds it sends, and keeps it by putting its time off. A worker that dies lets
go by itself, and the next one goes on behind the last events that were taken: some may come twice, none is left out.
An endpoint that fails is asked again after growing pauses, and holds up neither mail nor other apps.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from relay.app_events import told_together
from relay.clock import Clock
from relay.config.keyring import Active
from relay.config.secrets import SecretError
from relay.config.settings import Webhook
from relay.events import Event, EventSink, EventType, Json
from relay.http import Caps, HttpClient, HttpError, HttpRequest, Reach
from relay.policy.signature import HEADER, sign
from relay.store.facts import Fact
from relay.store.spool import Spool, SpoolError, StoredEvent
from relay.webhooks.progress import KIND, Progress

_LOOK = 1.0
_POLL = 0.5
# A worker keeps an app for LEASE seconds, and prolongs that well before a request could outlast it.
_LEASE = 30.0
_RENEW = 15.0
_REST = 60.0
_CAPS = Caps(seconds=10.0, octets=64 * 1024)
_MOST = 100
_FEW_AFTER = 2
_TELL_AFTER = 5
_GONE = 410

log = structlog.get_logger("relay.webhooks")


@dataclass(frozen=True, slots=True)
class Telling:
    """What events are sent with."""

    active: Callable[[], Active]
    spool: Spool
    client: HttpClient
    clock: Clock
    events: EventSink


class Webhooks:
    """Sends events for one worker."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._known: set[str] = set()

    async def run(self) -> None:
        """Send until cancelled; then let go of all apps at once."""
        async with asyncio.TaskGroup() as senders:
            while True:
                try:
                    for fact in await self._take():
                        senders.create_task(self._serve(fact))
                except SpoolError as error:
                    log.warning("the store is in trouble", error=str(error))
                await asyncio.sleep(_LOOK)

    async def _take(self) -> list[Fact]:
        """An app that nobody sends to now, if there is one: the others are left to other workers."""
        hooks = [name for name, app in self._telling.active().snapshot.settings.apps.items() if app.webhook]
        for name in hooks:
            if name not in self._known:
                await self._begin(name)
                self._known.add(name)
        if not hooks:
            return []
        now = self._telling.clock.now()
        return list(await self._telling.spool.facts.take_due(KIND, now=now, until=now + _LEASE, limit=1))

    async def _begin(self, app: str) -> None:
        """An app that gets a webhook hears of what happens from now on."""
        spool = self._telling.spool
        if await spool.facts.get(KIND, app) is None:
            end = await spool.app_events(app, after=None, limit=1)
            await spool.facts.put(Progress(end.last).put_into(Fact(KIND, app, {}), due=self._telling.clock.now()))

    async def _serve(self, fact: Fact) -> None:
        try:
            await _Sender(self._telling, fact).run()
        except SpoolError as error:
            log.warning("the store is in trouble", error=str(error))
        except Exception as error:
            data: dict[str, Json] = {"error": f"{type(error).__name__}: {error}"}
            self._telling.events.emit(Event(EventType.FAULT, self._telling.clock.now(), data=data))
            log.exception("events cannot be sent", app=fact.key)


class _LostHoldError(Exception):
    """Another worker sends to this app now."""


class _Sender:
    """Sends to one app, as long as it holds it."""

    def __init__(self, telling: Telling, fact: Fact) -> None:
        self._telling = telling
        self._fact = fact
        self._progress = Progress.of(fact)
        self._renewed = telling.clock.now()
        # One event that an app chokes on should not keep a hundred from it: after failures, few are sent first.
        self._most = _MOST if self._progress.failures < _FEW_AFTER else 1

    async def run(self) -> None:
        """Send until the app fails, has no webhook any more, or another worker has it."""
        try:
            while (rest := await self._step()) is None:
                pass
            await self._keep(rest)
        except _LostHoldError:
            return
        except asyncio.CancelledError:
            with suppress(_LostHoldError):
                await self._keep(0.0)
            raise

    async def _step(self) -> float | None:
        """Send what there is, or wait a little; answers for how long to leave this app alone, None for not at all."""
        hook = self._hook()
        if hook is None or self._progress.gone == self._name_of(hook):
            # Taken out and put back, an endpoint that had enough is asked again.
            self._progress = replace(self._progress, gone="" if hook is None else self._progress.gone)
            return _REST
        if self._telling.clock.now() >= self._renewed + _RENEW:
            await self._keep(_LEASE)
        page = await self._telling.spool.app_events(self._fact.key, after=self._progress.cursor, limit=self._most)
        wanted = [stored for stored in page.events if stored.event.type in hook.events]
        if not wanted:
            self._progress = replace(self._progress, cursor=page.last)
            if not page.more:
                await asyncio.sleep(_POLL)
            return None
        return await self._tell(hook, wanted, page.last)

    async def _tell(self, hook: Webhook, events: list[StoredEvent], last: int) -> float | None:
        error = await self._post(hook, events)
        if error is None:
            was_told, self._progress = self._progress.told, self._progress.taken(last)
            await self._keep(_LEASE)
            self._most = min(self._most * 10, _MOST)
            if was_told:
                self._emit(EventType.WEBHOOK_BACK)
            return None
        self._progress = self._progress.failed(error, self._telling.clock.now())
        if self._progress.gone:
            self._emit(EventType.WEBHOOK_GONE)
            return _REST
        if self._progress.failures >= _TELL_AFTER and not self._progress.told:
            self._progress = replace(self._progress, told=True)
            self._emit(EventType.WEBHOOK_FAILING)
        return self._progress.pause

    async def _post(self, hook: Webhook, events: list[StoredEvent]) -> str | None:
        """Send events; why they were not taken, or None."""
        body = json.dumps(told_together(events), separators=(",", ":")).encode()
        now = int(self._telling.clock.now())
        try:
            signature = sign(self._telling.active().keyring.secret(hook.secret), body, at=now)
            headers = {"content-type": "application/json", HEADER: signature}
            request = HttpRequest("POST", hook.url, headers, body)
            response = await self._telling.client.send(request, Reach(internal=hook.allow_private), _CAPS)
        except (HttpError, SecretError) as error:
            return str(error)
        if response.is_success:
            return None
        if response.status == _GONE:
            self._progress = replace(self._progress, gone=self._name_of(hook))
        return f"it answers with status {response.status}"

    async def _keep(self, seconds: float) -> None:
        """Remember how far the app has got; nobody else takes it for that long."""
        now = self._telling.clock.now()
        kept = await self._telling.spool.facts.put(self._progress.put_into(self._fact, due=now + seconds))
        if kept is None:
            raise _LostHoldError
        self._fact, self._renewed = kept, now

    def _hook(self) -> Webhook | None:
        app = self._telling.active().snapshot.settings.apps.get(self._fact.key)
        return app.webhook if app is not None else None

    def _name_of(self, hook: Webhook) -> str:
        """Names an endpoint without showing it: its path may be secret."""
        return self._telling.active().keyring.fingerprint("webhook", hook.url)

    def _emit(self, kind: EventType) -> None:
        progress = self._progress
        data: dict[str, Json] = {"app": self._fact.key}
        if progress.failures:
            data |= {"error": progress.error, "failures": progress.failures}
        self._telling.events.emit(Event(kind, self._telling.clock.now(), data=data))
