"""The call by which an app reads what happened to its mail, from where it was."""

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relay.app_events import told
from relay.store.spool import Spool
from relay.web.api import Api, Call

_MOST = 1000
_DEFAULT = 100
# Pages without anything for this app that are passed over within one call.
_PASSED_OVER = 20


def event_routes(api: Api, spool: Spool) -> list[Route]:
    """GET /events?after=…&limit=…: the app's events beyond an id, in their order."""

    async def events(call: Call) -> Response:
        after, limit = call.number("after", 0, 0, 2**63 - 1), call.number("limit", _DEFAULT, 1, _MOST)
        for _ in range(_PASSED_OVER):
            page = await spool.app_events(call.app, after=after, limit=limit)
            after = page.last
            if page.events or not page.more:
                break
        return JSONResponse({"events": [told(stored) for stored in page.events], "next": after, "more": page.more})

    return [api.route("/events", events)]
