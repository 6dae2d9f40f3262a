"""The sink that is an endpoint of somebody's own: JSON by POST, signed like the events that apps get.

The key says which document it is, the same whenever it is offered: an endpoint that has it already answers 2xx or 409.
"""

import asyncio
import json

from relay.clock import Clock
from relay.config.keyring import Keyring
from relay.config.secrets import SecretError
from relay.config.settings import FastInputWebhook
from relay.fetch.sinks.offer import File, Offer
from relay.fetch.sinks.post import post
from relay.http import HttpClient, HttpRequest
from relay.policy.signature import HEADER, sign
from relay.policy.upload import Answer, Verdict

_KEY = "idempotency-key"


class WebhookSink:
    """Posts documents to an endpoint."""

    def __init__(self, hook: FastInputWebhook, keyring: Keyring, client: HttpClient, clock: Clock) -> None:
        self._hook = hook
        self._keyring = keyring
        self._client = client
        self._clock = clock

    async def take(self, offer: Offer) -> Answer:
        """See Sink.take."""
        try:
            secret = self._keyring.secret(self._hook.secret)
        except SecretError as error:
            return Answer(Verdict.ACCESS, str(error))
        body = await asyncio.to_thread(_body, offer)
        signature = await asyncio.to_thread(sign, secret, body, at=int(self._clock.now()))
        headers = {"content-type": "application/json", _KEY: offer.key, HEADER: signature}
        request = HttpRequest("POST", self._hook.url, headers, body)
        return await post(self._client, request, seconds=self._hook.timeout, internal=self._hook.allow_private)


def _body(offer: Offer) -> bytes:
    body: dict[str, object] = {
        "company": offer.slug,
        "key": offer.key,
        "split": offer.fast_input.split,
        "file": _file(offer.main),
    }
    if offer.companion is not None:
        body["companion"] = _file(offer.companion)
    if offer.description:
        body["description"] = offer.description
    return json.dumps(body).encode()


def _file(file: File) -> dict[str, str]:
    return {"name": file.name, "type": file.media_type, "content": file.base64}
