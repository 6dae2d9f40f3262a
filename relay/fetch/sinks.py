"""Where documents go: one protocol, and the two ways there are, into a folder and to Billit's interface.

A sink may be offered the same document again, after a crash or a lost answer: it takes it once, and says so both times.
"""

import asyncio
import base64
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from relay.config.keyring import Keyring
from relay.config.secrets import SecretError
from relay.config.settings import FastInputApi
from relay.fetch.mime import clean_name
from relay.http import Caps, HttpClient, HttpError, HttpFault, HttpRequest, Reach
from relay.policy.company import FastInput
from relay.policy.invoice.facts import Kind
from relay.policy.upload import Answer, Verdict, read_answer

_TYPES = {
    Kind.PDF: ("application/pdf", ".pdf"),
    Kind.XML: ("application/xml", ".xml"),
    Kind.JPEG: ("image/jpeg", ".jpg"),
    Kind.PNG: ("image/png", ".png"),
    Kind.TIFF: ("image/tiff", ".tiff"),
    Kind.HEIC: ("image/heic", ".heic"),
}
_NOT_IN_NAMES = re.compile(r"[^\w .()-]+")
# Octets, not letters: a file system takes 255 with what stands before and behind, and more would never be taken.
_MOST_NAME = 160


@dataclass(frozen=True, slots=True)
class File:
    """One file of a document; its name ends as its kind demands."""

    name: str
    kind: Kind
    data: bytes

    @property
    def media_type(self) -> str:
        """What it is, as HTTP says it."""
        return _TYPES[self.kind][0]


@dataclass(frozen=True, slots=True)
class Offer:
    """A document on its way: `key` names it and no other one, `description` is "" for none."""

    slug: str
    fast_input: FastInput
    key: str
    main: File
    companion: File | None = None
    description: str = ""


class Sink(Protocol):
    """Whoever takes documents."""

    async def take(self, offer: Offer) -> Answer:
        """Take a document; whatever happens is an answer."""
        ...


def file_of(name: str, kind: Kind, data: bytes) -> File:
    """A file under a name that no system stumbles over."""
    ending = _TYPES[kind][1]
    stem, _, old = _NOT_IN_NAMES.sub("_", clean_name(name)).rpartition(".")
    if f".{old.lower()}" in (ending, ".jpeg", ".tif", ".heif"):
        ending = f".{old.lower()}"
    else:
        stem = f"{stem}.{old}" if stem else old
    short = stem.strip(" .").encode()[:_MOST_NAME].decode(errors="ignore")
    return File(f"{short or 'document'}{ending}", kind, data)


class FolderSink:
    """Puts documents into a folder of the company, whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def take(self, offer: Offer) -> Answer:
        """See Sink.take."""
        try:
            return await asyncio.to_thread(self._take, offer)
        except OSError as error:
            return Answer(Verdict.LATER, f"the folder cannot be written: {error.strerror or type(error).__name__}")

    def _take(self, offer: Offer) -> Answer:
        folder = self._folder / offer.slug
        folder.mkdir(parents=True, exist_ok=True)
        # The companion first: whoever watches the folder finds it when the document appears.
        files = [offer.main] if offer.companion is None else [offer.companion, offer.main]
        known = (folder / f"{offer.key[:16]}-{offer.main.name}").exists()
        for file in files:
            _write(folder / f"{offer.key[:16]}-{file.name}", file.data)
        return Answer(Verdict.KNOWN, "it was there already") if known else Answer(Verdict.TAKEN, "taken")


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


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
        caps = Caps(seconds=self._api.timeout, octets=64 * 1024)
        try:
            response = await self._client.send(request, Reach(internal=self._api.allow_private), caps)
        except HttpError as error:
            access = error.fault in (HttpFault.URL, HttpFault.INTERNAL, HttpFault.TLS)
            return Answer(Verdict.ACCESS if access else Verdict.LATER, str(error))
        return read_answer(response.status, response.body, response.headers.get("retry-after", ""))

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
    content = base64.b64encode(file.data).decode("ascii")
    return {"FileName": file.name, "MimeType": file.media_type, "FileContent": content}
