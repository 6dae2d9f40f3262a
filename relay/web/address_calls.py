"""What apps ask about their companies' addresses: whether one is confirmed, and to send the mail again."""

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relay.facts.addresses import Addresses, state_as_json
from relay.web.api import Api, Call
from relay.web.problem import Problem


class AddressCalls:
    """The calls, for one worker."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    def routes(self, api: Api) -> list[Route]:
        """The calls as routes of `api`."""
        return [
            api.route("/companies/{slug}/address", self._state),
            api.route("/companies/{slug}/address/ask", self._ask, method="POST"),
        ]

    async def _state(self, call: Call) -> Response:
        company = call.company()
        required = call.snapshot.settings.verification.required
        return JSONResponse(state_as_json(company, await self._addresses.state(company), required=required))

    async def _ask(self, call: Call) -> Response:
        company = call.company()
        if not call.snapshot.settings.verification.required:
            raise Problem(409, "This relay does not ask companies to confirm their addresses.")
        if (await self._addresses.state(company)).confirmation is not None:
            raise Problem(409, "The address is confirmed already.")
        if wait := await self._addresses.ask(company):
            raise Problem(429, "A mail was sent not long ago.", retry_after=wait)
        state = await self._addresses.state(company)
        return JSONResponse(state_as_json(company, state, required=True), 202)
