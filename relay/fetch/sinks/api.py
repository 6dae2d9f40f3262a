"""The sink that is Billit's interface (POST /v1/toProcess)."""

import json

from relay.config.keyring import Keyring
from relay.config.secrets import SecretError
from relay.config.settings import FastInputApi
from relay.fetch.sinks.offer import File, Offer
from relay.fetch.sinks.post import post
from relay.http import HttpClient, HttpRequest
from relay.policy.upload import Answer, Verdict


class ApiSink:
    """Uploads documents to Billit's interface (POST /v1/toProcess)."""

    def __init__(self, api: FastInputApi, keyring: Keyring, client: HttpClient) -> None:
        self._api = api
        self._keyring = keyring
        self._client = client

    async def take(self, offer: Offer) -> Answer:
        """See Sink.take."""
        try:
            headers = self._headers(offer)
        except SecretError as error:
            return Answer(Verdict.ACCESS, str(error))
        request = HttpRequest("POST", f"{self._api.url.rstrip('/')}/v1/toProcess", headers, _body(offer))
        return await post(self._client, request, seconds=self._api.timeout, internal=self._api.allow_private)

    def _headers(self, offer: Offer) -> dict[str, str]:
        headers = {"Content-Type": "application/json", self._api.idempotency_header: offer.key}
        if self._api.key is not None:
            headers["ApiKey"] = self._keyring.secret(self._api.key)
        if self._api.token is not None:
            headers["Authorization"] = f"Bearer {self._keyring.secret(self._api.token)}"
        about = offer.fast_input
        for name, number in (("PartyID", about.party_id), ("ContextPartyID", about.context_party_id)):
            if number is not None:
                headers[name] = str(number)
        return headers


def _body(offer: Offer) -> bytes:
    body: dict[str, object] = {"Split": offer.fast_input.split, "File": _file(offer.main)}
    if offer.companion is not None:
        body["FileSource"] = _file(offer.companion)
    if offer.description:
        body["MetaData"] = {"Description": offer.description}
    return json.dumps(body).encode()


def _file(file: File) -> dict[str, str]:
    return {"FileName": file.name, "MimeType": file.media_type, "FileContent": file.base64}
