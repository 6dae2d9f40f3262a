"""The HTTP API for apps: who calls, and what every call has in common.

In charge of the login (HTTP Basic with the app's name and password, as over SMTP), of the app's scope, of errors as
problem details and of limits. What a call does is written where it is made, and added here as a route.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relay.config.keyring import Active
from relay.config.settings import App
from relay.config.snapshot import Snapshot
from relay.events import Event, EventSink, EventType, Json
from relay.intake.guard import LoginGuard, Verdict
from relay.policy.company import Company
from relay.store.spool import SpoolError
from relay.web.problem import Problem
from relay.web.throttle import Counts, Throttle, address_of, client_of

PREFIX = "/api/v1"
_MOST_FAILURES = 20
_MOST_CALLS = 600

log = structlog.get_logger("relay.web")


@dataclass(frozen=True, slots=True)
class Call:
    """One call by an app that has logged in, under one configuration."""

    request: Request
    app: str
    scope: App
    snapshot: Snapshot

    def company(self) -> Company:
        """The company that the path's `{slug}` names; raises Problem, the same for none and for somebody else's."""
        slug = self.request.path_params["slug"]
        company = self.snapshot.company(slug) if self.scope.may_send_for(slug) else None
        if company is None:
            raise Problem(404, "There is no such company that this app may send for.")
        return company

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number of the query; raises Problem for anything else."""
        text = self.request.query_params.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 19 or not least <= int(text) <= most:
            raise Problem(400, f"{name} is a whole number from {least} to {most}.")
        return int(text)


Answer = Callable[[Call], Awaitable[Response]]


class Api:
    """Makes routes of answers."""

    def __init__(self, active: Callable[[], Active], logins: LoginGuard, counts: Counts, events: EventSink) -> None:
        self._active = active
        self._logins = logins
        self._clock = counts.clock
        self._events = events
        self._failures = Throttle(counts, "login", most=_MOST_FAILURES)
        self._calls = Throttle(counts, "call", most=_MOST_CALLS)

    def routes(self) -> list[Route]:
        """The calls that need nothing but a login."""
        return [self.route("/app", _app)]

    def route(self, path: str, answer: Answer, *, method: str = "GET") -> Route:
        """A call at `path` below the API's prefix; `answer` may raise Problem or SpoolError."""

        async def endpoint(request: Request) -> Response:
            try:
                response = await answer(await self._call(request))
            except Problem as problem:
                return problem.response()
            except SpoolError as error:
                log.warning("the store is in trouble", error=str(error))
                return Problem(503, "The store cannot answer now, try again later.", retry_after=10).response()
            response.headers["Cache-Control"] = "no-store"
            return response

        return Route(PREFIX + path, endpoint, methods=[method])

    async def _call(self, request: Request) -> Call:
        client = client_of(request)
        if wait := self._failures.wait(client):
            raise Problem(429, "Too many refused logins from this address.", retry_after=wait)
        given = _login_of(request)
        if given is None:
            raise Problem(401, "Log in with HTTP Basic: the app's name and password.", login=True)
        name, password = given
        snapshot = self._active().snapshot
        app = snapshot.settings.apps.get(name)
        known = app.password.hash if app is not None and app.password is not None else None
        verdict = await self._logins.check(name, password, known, address_of(request))
        if verdict is Verdict.LOCKED:
            raise Problem(429, "Too many refused logins, try again later.", retry_after=60)
        if verdict is Verdict.WRONG or app is None:
            self._failures.take(client)
            self._emit(EventType.LOGIN_FAILED, {"user": name, "peer": client, "over": "http"})
            raise Problem(401, "The app's name or password is wrong.", login=True)
        if wait := self._calls.take(name):
            raise Problem(429, f"More than {_MOST_CALLS} calls in a minute.", retry_after=wait)
        return Call(request, name, app, snapshot)

    def _emit(self, kind: EventType, data: dict[str, Json]) -> None:
        self._events.emit(Event(kind, self._clock.now(), data=data))


async def _app(call: Call) -> Response:
    companies = call.scope.companies
    return JSONResponse({"app": call.app, "companies": "all" if companies == "all" else sorted(companies)})


def _login_of(request: Request) -> tuple[str, str] | None:
    """Name and password of RFC 7617, None when there are none that can be read."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(given, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon else None
