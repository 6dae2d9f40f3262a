"""The composition root: makes one worker out of the rooms, keeps it up to date, and stops it in order."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from relay.clock import SystemClock
from relay.config.certificate import Certificate, load_certificate
from relay.config.difference import NEED_RESTART
from relay.config.errors import ConfigErrors
from relay.config.keyring import Active, Keyring
from relay.config.load import cache_of
from relay.config.secrets import SecretError
from relay.config.settings import Listener, MxListener, Settings
from relay.config.values.network import Endpoint
from relay.config.watch import Change, Watcher
from relay.delivery.dispatcher import Dispatcher
from relay.delivery.recording import Sending
from relay.dns import Resolver
from relay.events import Event, EventType, Json
from relay.facts.addresses import Addresses
from relay.facts.dead_addresses import DeadAddresses
from relay.facts.fading import forget_faded
from relay.facts.laid import KINDS as LAID
from relay.facts.peers import Peers
from relay.facts.troubles import Troubles
from relay.facts.whereabouts import KIND as WHEREABOUTS
from relay.fetch.attendant import Fetching
from relay.fetch.fetcher import Fetcher
from relay.http import HttpClient
from relay.incoming.examine import FADING, Examiner
from relay.intake.gate import Gate, Peer
from relay.intake.guard import GuardWorld, LoginGuard
from relay.intake.limits import Connections, Errors, Guesses, Rate, Receiving
from relay.intake.logins import Logins
from relay.intake.mx import Counter, MxDesk
from relay.intake.session import Office, Session
from relay.intake.submission import Common, SubmissionDesk
from relay.intake.tally import Share, Tallies
from relay.journal import Journal, metrics_page
from relay.log import set_up_log
from relay.notices.certificate import watch_certificate
from relay.notices.courier import Courier, Posting
from relay.notices.tls_reports import TlsReports
from relay.smtpd import Balanced, Server, TlsMode, listen
from relay.store.open import open_spool
from relay.store.spool import Origin, Spool, SpoolError
from relay.web.address_calls import AddressCalls
from relay.web.api import Api
from relay.web.confirm import ConfirmPage
from relay.web.consent import ConsentPage, ConsentWorld
from relay.web.dead_address_calls import DeadAddressCalls
from relay.web.events import event_routes
from relay.web.health import health_routes
from relay.web.pages import Pages
from relay.web.server import WebServer
from relay.web.throttle import Counts
from relay.webhooks.courier import Telling, Webhooks

_HEARTBEAT = 5.0
_SWEEP = 10.0
_EXPIRE = 3600.0
_HELD = 30.0
_RECHECK = 5.0
_COUNTED = 300.0
_REPORTS = 60.0
_GRACE = 20.0

log = structlog.get_logger("relay.app")


@dataclass(frozen=True, slots=True)
class WorkerName:
    """Who a worker is: `name` as the store wants it, "<instance>.<slot>.<count>"."""

    name: str
    pid: int


class Worker:
    """One worker: every role in one event loop."""

    def __init__(self, config: Path, who: WorkerName) -> None:
        """Load the configuration; raises ConfigErrors, SecretError or ValueError."""
        self._who = who
        self._watcher = Watcher(config, cache_of(config))
        self._active = _activate(self._watcher)
        self._clock = SystemClock()
        log_settings = self._settings.log
        set_up_log(log_settings.level, log_settings.format)
        self._journal = Journal()
        self._servers: list[Server] = []
        self._web: WebServer | None = None
        self._certificate: Certificate | None = None
        self._logins: LoginGuard | None = None
        self._reload_now = asyncio.Event()
        self._release_now = asyncio.Event()
        self._trouble = "starting"
        self._not_taken: Change | None = None
        self._not_taken_because = ""

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None], on_alive: Callable[[], None]) -> None:
        """Work until `stop` is set, then drain. `on_alive` is called as long as the worker gets things done."""
        settings = self._settings
        self._spool: Spool = open_spool(settings.store, worker=self._who.name, pid=self._who.pid, clock=self._clock)
        servers = [str(server) for server in settings.dns.servers]
        self._resolver = Resolver(servers, settings.dns.timeout, validating=settings.dns.validating, clock=self._clock)
        self._addresses = Addresses(lambda: self._active, self._spool, self._clock, wake=self._wake_courier)
        self._dispatcher = Dispatcher(
            Sending(lambda: self._active, self._spool, self._resolver, self._clock, self._journal, self._addresses)
        )
        posting = Posting(lambda: self._active, self._spool, self._clock, self._journal, self._dispatcher.look)
        self._courier = Courier(posting, self._addresses)
        self._tls_reports = TlsReports(posting, self._resolver, HttpClient(self._resolver))
        self._webhooks = Webhooks(
            Telling(lambda: self._active, self._spool, HttpClient(self._resolver), self._clock, self._journal)
        )
        self._fetcher = Fetcher(
            Fetching(
                lambda: self._active,
                self._spool,
                self._resolver,
                HttpClient(self._resolver),
                self._clock,
                self._journal,
            )
        )
        await self._spool.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(self._dispatcher.run()),
                    tasks.create_task(self._every(_HEARTBEAT, self._beat, on_alive)),
                    tasks.create_task(self._every(_SWEEP, self._sweep)),
                    tasks.create_task(self._every(_EXPIRE, self._expire)),
                    tasks.create_task(self._every(_EXPIRE, self._watch_certificate)),
                    tasks.create_task(self._every(_EXPIRE, self._dispatcher.policies.tidy)),
                    tasks.create_task(self._every(_EXPIRE, self._dispatcher.reports.tidy)),
                    tasks.create_task(self._every(_EXPIRE, self._dispatcher.idle_tokens.renew)),
                    tasks.create_task(self._every(_COUNTED, self._dispatcher.tls_results.flush)),
                    tasks.create_task(self._every(_REPORTS, self._tls_reports.send_due)),
                    tasks.create_task(self._every(_HELD, self._dispatcher.release_held, now=self._release_now)),
                    tasks.create_task(self._every(_RECHECK, self._dispatcher.domains.recheck)),
                    tasks.create_task(self._keep_config()),
                    tasks.create_task(self._courier.run()),
                    tasks.create_task(self._webhooks.run()),
                    tasks.create_task(self._fetcher.run()),
                ]
                await self._listen(tasks)
                self._trouble = ""
                self._emit(EventType.STARTED, {"worker": self._who.name, "pid": self._who.pid})
                on_ready()
                await stop.wait()
                await self._stop(background)
        finally:
            await self._spool.stop()
        self._emit(EventType.STOPPED, {"worker": self._who.name, "pid": self._who.pid})

    def reload(self) -> None:
        """Look at the configuration now."""
        self._reload_now.set()

    @property
    def _settings(self) -> Settings:
        return self._active.snapshot.settings

    async def _listen(self, tasks: asyncio.TaskGroup) -> None:
        listeners = self._settings.listeners
        receiving = Receiving()
        tallies = Tallies(Share.of_worker(self._who.name))
        rate, errors = Rate(tallies), Errors(tallies)
        self._logins = LoginGuard(
            Logins(), GuardWorld(Guesses(tallies), lambda: self._spool.facts, self._clock, self._journal.emit)
        )

        def office() -> Office:
            """Connections are counted for each kind of listener: a storm from outside must not shut out our apps."""
            return Office(
                lambda: self._active,
                self._spool,
                self._clock,
                self._journal,
                self._dispatcher,
                Connections(tallies),
                receiving,
                errors,
                rate,
            )

        apps, outside = office(), office()

        dead = DeadAddresses(lambda: self._spool.facts, self._clock)
        common = Common(lambda: self._active, self._logins, rate, self._clock, self._addresses, dead)

        def submission(peer: Peer) -> Gate:
            desk = SubmissionDesk(common, peer)
            return Session(apps, desk, peer)

        examiner = Examiner(lambda: self._active, self._spool, self._clock, self._resolver)
        peers = Peers(lambda: self._active, self._resolver)
        counter = Counter(lambda: self._active, examiner, self._dispatcher.homes, peers, self._clock)

        def mx(peer: Peer) -> Gate:
            return Session(outside, MxDesk(counter, peer), peer)

        if self._settings.tls is not None:
            self._show(load_certificate(self._settings.tls))
        for listener, gates in (
            (listeners.submission, submission),
            (listeners.submissions, submission),
            (listeners.mx, mx),
        ):
            if listener is not None:
                self._servers.append(await self._serve(listener, gates))
        if listeners.web is not None:
            counts, pages = Counts(tallies, self._clock), Pages()
            api = Api(lambda: self._active, self._logins, counts, self._journal)
            confirm = ConfirmPage(lambda: self._active, self._addresses, pages, counts, self._journal)
            consent = ConsentPage(
                ConsentWorld(lambda: self._active, self._spool, HttpClient(self._resolver), pages, counts),
                self._dispatcher.look,
            )
            self._web = WebServer(
                [
                    *health_routes(ready=self._ready, metrics=self._metrics),
                    *confirm.routes(),
                    *consent.routes(),
                    *api.routes(),
                    *AddressCalls(self._addresses).routes(api),
                    *DeadAddressCalls(DeadAddresses(lambda: self._spool.facts, self._clock)).routes(api),
                    *event_routes(api, self._spool),
                ]
            )
            web = _bind(listeners.web.address)
            # From here on nobody who comes is turned away, however long the server takes to get up.
            web.listen()
            tasks.create_task(self._web.run_on(web))

    async def _serve(self, listener: Listener | MxListener, gates: Callable[[Peer], Gate]) -> Server:
        sock = _bind(listener.address)
        return await listen(
            Balanced(sock, listener.proxy) if listener.proxy else sock,
            gates,
            tls=TlsMode(listener.tls),
            ssl_context=self._tls_now if listener.tls != "none" else None,
        )

    def _tls_now(self) -> ssl.SSLContext:
        assert self._certificate is not None  # noqa: S101 -- the configuration was checked: TLS needs a certificate
        return self._certificate.context

    def _show(self, certificate: Certificate) -> None:
        """Show this certificate from the next handshake on."""
        self._certificate = certificate
        self._journal.certificate_ends(certificate.until)

    async def _stop(self, background: list["asyncio.Task[None]"]) -> None:
        """First no new mail, then no new attempts, then nothing."""
        self._trouble = "stopping"
        await asyncio.gather(*(server.stop(_GRACE) for server in self._servers))
        await self._dispatcher.drain(_GRACE)
        with suppress(SpoolError):
            await self._dispatcher.tls_results.flush()
        if self._web is not None:
            self._web.stop()
        for task in background:
            task.cancel()

    def _wake_courier(self) -> None:
        self._courier.wake()

    async def _every(
        self,
        seconds: float,
        work: Callable[[], Awaitable[None]],
        done: Callable[[], None] = lambda: None,
        *,
        now: asyncio.Event | None = None,
    ) -> None:
        """Do `work` again and again, and whenever `now` is set; a store in trouble is no reason to give up."""
        while True:
            try:
                await work()
                done()
            except SpoolError as error:
                log.warning("the store is in trouble", error=str(error))
            except Exception as error:
                self._emit(EventType.FAULT, {"error": f"{type(error).__name__}: {error}"})
                log.exception("background work failed unexpectedly")
            if now is None:
                await asyncio.sleep(seconds)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await now.wait()
            now.clear()

    async def _beat(self) -> None:
        freed = await self._spool.heartbeat(now=self._clock.now(), detail=self._detail())
        if freed:
            self._emit(EventType.TAKEN_OVER, {"deliveries": freed})
            self._dispatcher.look()
        for state, count in (await self._spool.counts()).items():
            self._journal.queue_holds(state, count)

    def _detail(self) -> dict[str, Json]:
        error = self._watcher.error or self._not_taken_because
        return {
            "generation": self._active.snapshot.generation,
            "companies": len(self._active.snapshot),
            "sessions": sum(server.sessions for server in self._servers),
            "in_hand": self._dispatcher.in_hand,
            "config_error": str(error) if error else "",
            "certificate_until": self._certificate.until if self._certificate else None,
            "locked": list(self._logins.locked()) if self._logins else [],
        }

    async def _sweep(self) -> None:
        await self._spool.sweep(now=self._clock.now(), keep_history=self._settings.spool.keep_history)

    async def _expire(self) -> None:
        now = self._clock.now()
        before = now - self._settings.spool.keep_incoming
        reason = "nobody has decided about it in all the time that mail from outside is held"
        for event in await self._spool.expire_held(Origin.MX, before=before, now=now, reason=reason):
            self._journal.emit(event)
        await forget_faded(self._spool.facts, (*FADING, *LAID, WHEREABOUTS), now=now)

    async def _watch_certificate(self) -> None:
        if self._certificate is not None:
            troubles, until = Troubles(self._spool.facts, self._clock), self._certificate.until
            await watch_certificate(troubles, self._settings.hostname, until=until, now=self._clock.now())

    async def _keep_config(self) -> None:
        """Take over what changes in the files, whole or not at all."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._watcher.interval):
                    await self._reload_now.wait()
            full = self._reload_now.is_set()
            self._reload_now.clear()
            before = self._watcher.error
            change = await asyncio.to_thread(self._watcher.check, full=full)
            if self._watcher.error is not None and self._watcher.error is not before:
                self._reload_failed(str(self._watcher.error))
            elif (waiting := change or self._not_taken) is not None:
                await self._take_over(waiting)
            elif before is not None and self._watcher.error is None:
                self._journal.config_is_broken(broken=False)
            if full:
                # Somebody repaired something and says so: what waits for it need not wait for the next look.
                self._release_now.set()

    async def _take_over(self, change: Change) -> None:
        try:
            active = _activate(self._watcher)
            tls = change.after.settings.tls
            certificate = load_certificate(tls) if tls is not None else None
        except (SecretError, ValueError, OSError) as error:
            # A key or certificate went away or went bad just now: seen again at each look, until it is there.
            if str(error) != self._not_taken_because:
                self._reload_failed(str(error))
            self._not_taken, self._not_taken_because = change, str(error)
            return
        self._active = active
        if certificate is not None:
            self._show(certificate)
        self._not_taken, self._not_taken_because = None, ""
        self._journal.config_is_broken(broken=False)
        data: dict[str, Json] = {
            "generation": change.after.generation,
            "added": len(change.added),
            "changed": len(change.changed),
            "removed": len(change.removed),
        }
        if _needs_restart(change):
            data["restart"] = "listeners, store, dns and workers change at the next start"
        self._emit(EventType.RELOADED, data)
        # Beside this: it may take long, and the next change must not wait for it.
        self._release_now.set()

    def _reload_failed(self, error: str) -> None:
        self._journal.config_is_broken(broken=True)
        self._emit(EventType.RELOAD_FAILED, {"error": error})

    async def _ready(self) -> str:
        if not self._trouble:
            try:
                await self._spool.counts()
            except SpoolError as error:
                return f"store: {error}"
        return self._trouble

    async def _metrics(self) -> bytes:
        return await asyncio.to_thread(metrics_page)

    def _emit(self, kind: EventType, data: dict[str, Json]) -> None:
        self._journal.emit(Event(kind, self._clock.now(), data=data))


def _activate(watcher: Watcher) -> Active:
    return Active(watcher.snapshot, Keyring.load(watcher.snapshot.settings))


def _needs_restart(change: Change) -> bool:
    before, after = change.before.settings, change.after.settings
    return any(getattr(before, name) != getattr(after, name) for name in NEED_RESTART)


def _bind(where: Endpoint) -> socket.socket:
    """A socket that several workers may bind, each getting its share of the connections."""
    sock = socket.socket(socket.AF_INET6 if ":" in where.host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((where.host, where.port))
    return sock


ConfigTrouble = (ConfigErrors, SecretError, ValueError, OSError)
