"""What arrived in the sandbox: every message with what was seen of it, and every refusal.

In charge of: keeping arrivals in memory and, if asked, in a folder (.eml as it came, .json with the rest), and letting
others wait for one.
Never does: judge a message or answer for a host.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from relay.mail.envelope import MailParameters, Recipient
from relay.mail.message import HeaderError, header_size, parse_header

KEPT = 10_000

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a host finds out about a message on receipt."""

    spf: str = "none"
    dkim: tuple[tuple[str, str], ...] = ()  # (domain, result), topmost signature first
    author_domain: str = ""
    aligned: bool = False  # SPF or DKIM passes for a domain that belongs to the author's


@dataclass(frozen=True, slots=True)
class Offer:
    """One message as a host gets it: from whom, how, and what."""

    peer: str
    helo: str
    tls: str  # the protocol's version, or nothing
    reverse_path: str  # empty for the null reverse path
    recipients: tuple[Recipient, ...]
    parameters: MailParameters
    content: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A message that reached a host, and the host's reply to it (which may be a refusal)."""

    number: int
    host: str
    offer: Offer
    verdicts: Verdicts
    reply: str

    @property
    def accepted(self) -> bool:
        """The host took responsibility for it."""
        return self.reply.startswith("2")

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses in its envelope."""
        return tuple(str(recipient.address) for recipient in self.offer.recipients)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Names and unfolded values, in order; empty when there is no proper header."""
        size = header_size(self.offer.content)
        try:
            header = parse_header(self.offer.content[:size])
        except HeaderError:
            return ()
        return tuple((_shown(field.name), _shown(field.value)) for field in header.fields)

    def header(self, name: str) -> str:
        """The first value of a header field, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def is_for(self, text: str) -> bool:
        """One of its recipients is this address, or is at this domain."""
        wanted = text.lower()
        return any(wanted in (address.lower(), address.lower().rpartition("@")[2]) for address in self.recipients)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the content, ready for JSON."""
        offer, verdicts = self.offer, self.verdicts
        return {
            "number": self.number,
            "host": self.host,
            "peer": offer.peer,
            "helo": offer.helo,
            "tls": offer.tls,
            "reverse_path": offer.reverse_path,
            "recipients": [
                {"address": str(to.address), "notify": sorted(to.notify), "orcpt": to.orcpt} for to in offer.recipients
            ],
            "ret": offer.parameters.ret,
            "envid": offer.parameters.envid,
            "size": len(offer.content),
            "headers": [list(pair) for pair in self.headers],
            "spf": verdicts.spf,
            "dkim": [list(pair) for pair in verdicts.dkim],
            "author_domain": verdicts.author_domain,
            "aligned": verdicts.aligned,
            "reply": self.reply,
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply that ended something before a message came."""

    host: str
    verb: str  # "connect", "AUTH", "MAIL" or "RCPT"
    about: str  # the peer, the user or the address in question
    reply: str


class Arrivals:
    """The messages and refusals of one world, oldest first."""

    def __init__(self, folder: Path | None = None, *, kept: int = KEPT) -> None:
        self.messages: deque[Received] = deque(maxlen=kept)
        self.refusals: deque[Refusal] = deque(maxlen=kept)
        self._folder = folder
        self._count = 0
        self._changed = asyncio.Condition()

    async def add(self, host: str, offer: Offer, verdicts: Verdicts, reply: str) -> Received:
        """Keep a message, then wake whoever waits for one."""
        self._count += 1
        received = Received(self._count, host, offer, verdicts, reply)
        if self._folder is not None:
            await asyncio.to_thread(_write, self._folder, received)
        async with self._changed:
            self.messages.append(received)
            self._changed.notify_all()
        return received

    async def refuse(self, refusal: Refusal) -> None:
        """Keep a refusal, then wake whoever waits for one."""
        async with self._changed:
            self.refusals.append(refusal)
            self._changed.notify_all()

    def received(self, text: str = "") -> list[Received]:
        """The messages for an address or a domain, or all of them."""
        return [message for message in self.messages if not text or message.is_for(text)]

    async def wait_for(self, wanted: str | Callable[[Received], bool], timeout: float = 10.0) -> Received:  # noqa: ASYNC109
        """The first message for an address or domain, or that a test says yes to; at once when it has arrived already.

        Raises:
            TimeoutError: none came; the message says what did.
        """

        def is_wanted(message: Received) -> bool:
            return message.is_for(wanted) if isinstance(wanted, str) else wanted(message)

        def first() -> Received | None:
            return next((message for message in self.messages if is_wanted(message)), None)

        return await self._wait(first, timeout)

    async def wait_for_refusal(self, wanted: Callable[[Refusal], bool], timeout: float = 10.0) -> Refusal:  # noqa: ASYNC109
        """The first refusal that a test says yes to.

        Raises:
            TimeoutError: none came; the message says what did.
        """
        return await self._wait(lambda: next((each for each in self.refusals if wanted(each)), None), timeout)

    async def _wait(self, first: Callable[[], Entry | None], timeout: float) -> Entry:  # noqa: ASYNC109
        try:
            async with asyncio.timeout(timeout), self._changed:
                while (entry := first()) is None:
                    await self._changed.wait()
                return entry
        except TimeoutError:
            seen = [(message.host, message.recipients, message.reply) for message in self.messages]
            refused = [(each.host, each.about, each.reply) for each in self.refusals]
            raise TimeoutError(f"not within {timeout:g} s; arrived: {seen}, refused: {refused}") from None


def _shown(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _write(folder: Path, received: Received) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = folder / f"{received.number:06d}-{received.host}"
    name.with_name(name.name + ".eml").write_bytes(received.offer.content)
    text = json.dumps(received.as_dict(), indent=2, ensure_ascii=False)
    name.with_name(name.name + ".json").write_text(text + "\n", encoding="utf-8")
