"""Sends a document by HTTP, and says what became of it."""

from relay.http import Caps, HttpClient, HttpError, HttpFault, HttpRequest, Reach
from relay.policy.upload import Answer, Verdict, read_answer

_MOST_ANSWER = 64 * 1024
# What a person has to repair; everything else passes by itself.
_WRONG = (HttpFault.URL, HttpFault.INTERNAL, HttpFault.TLS)


async def post(client: HttpClient, request: HttpRequest, *, seconds: float, internal: bool) -> Answer:
    """Send it; whatever happens is an answer. `internal`: it may go to our own networks."""
    try:
        response = await client.send(request, Reach(internal=internal), Caps(seconds=seconds, octets=_MOST_ANSWER))
    except HttpError as error:
        return Answer(Verdict.ACCESS if error.fault in _WRONG else Verdict.LATER, str(error))
    return read_answer(response.status, response.body, response.headers.get("retry-after", ""))
