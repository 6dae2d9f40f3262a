"""What apps ask about addresses that take no more mail: which these are, and to forget one that is alive."""

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relay.clock import timestamp
from relay.facts.dead_addresses import DeadAddresses
from relay.web.api import Api, Call
from relay.web.problem import Problem

_MOST = 1000
_DEFAULT = 100


class DeadAddressCalls:
    """The calls, for one worker."""

    def __init__(self, dead: DeadAddresses) -> None:
        self._dead = dead

    def routes(self, api: Api) -> list[Route]:
        """The calls as routes of `api`."""
        path = "/companies/{slug}/dead-addresses"
        return [api.route(path, self._list), api.route(path + "/{address:path}", self._forget, method="DELETE")]

    async def _list(self, call: Call) -> Response:
        after, limit = call.request.query_params.get("after", ""), call.number("limit", _DEFAULT, 1, _MOST)
        found = await self._dead.page(call.company().slug, after=after, limit=limit + 1)
        shown = found[:limit]
        listed = [
            {"address": address, "reason": dead.reason, "status": dead.status, "count": dead.count}
            | {"first": timestamp(dead.first), "last": timestamp(dead.last)}
            for address, dead in shown
        ]
        return JSONResponse(
            {"dead_addresses": listed, "next": shown[-1][0] if shown else after, "more": len(found) > limit}
        )

    async def _forget(self, call: Call) -> Response:
        if not await self._dead.forget(call.company().slug, call.request.path_params["address"]):
            raise Problem(404, "Nothing stands against this address.")
        return Response(status_code=204)
