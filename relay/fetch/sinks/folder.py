"""The sink that is a folder."""

import asyncio
import os
from pathlib import Path

from relay.fetch.sinks.offer import Offer
from relay.policy.upload import Answer, Verdict


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
