"""A receiving mail host on loopback with a temperament.

In charge of: taking mail for its domains as its temperament has it, and recording everything it sees.
Never does: pass mail on, send reports.
"""

import asyncio
import ssl
from dataclasses import dataclass

from relay.mail.address import Address
from relay.mail.envelope import Recipient
from relay.mail.reply import Reply
from relay.sandbox.arrivals import Arrivals, Offer, Refusal
from relay.sandbox.conversation import Listener
from relay.sandbox.judge import judge
from relay.sandbox.temperament import FOREIGN, Temperament, answer_message, answer_recipient, turn_away
from relay.sandbox.zones import Zones


@dataclass(frozen=True, slots=True)
class HostPlan:
    """A host to be: its name, the domains whose mail it takes, and how it behaves."""

    name: str
    domains: tuple[str, ...]
    temperament: Temperament = Temperament.FRIENDLY
    tls: bool = True


class ReceivingHost:
    """One running host."""

    def __init__(self, plan: HostPlan, arrivals: Arrivals, zones: Zones, tls: ssl.SSLContext | None = None) -> None:
        self.plan = plan
        self.connections = 0
        self._arrivals = arrivals
        self._zones = zones
        self._seen: set[tuple[str, str]] = set()
        self._listener = Listener(plan.name, tls=tls)
        self._notes: set[asyncio.Task[None]] = set()

    async def start(self, address: str, port: int) -> int:
        """Listen; returns the port. Raises OSError when it cannot be had."""
        return await self._listener.start(self, address, port)

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        await self._listener.stop()
        await asyncio.gather(*self._notes)

    def greet(self, peer: str) -> Reply | None:
        self.connections += 1
        refusal = turn_away(self.plan.temperament, self.connections)
        if refusal is not None:
            refused = Refusal(self.plan.name, "connect", peer, str(refusal))
            note = asyncio.create_task(self._arrivals.refuse(refused))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)
        return refusal

    async def hear_sender(self, user: str, reverse_path: Address | None) -> Reply | None:  # noqa: ARG002 - takes any
        return None

    async def hear_recipient(self, reverse_path: Address | None, recipient: Recipient) -> Reply:
        address = recipient.address
        pair = (str(reverse_path or ""), str(address))
        if address.domain and address.ascii_domain not in self.plan.domains:
            reply = FOREIGN
        else:
            reply = answer_recipient(self.plan.temperament, address, seen=pair in self._seen)
        self._seen.add(pair)
        if not reply.is_positive:
            await self._arrivals.refuse(Refusal(self.plan.name, "RCPT", str(address), str(reply)))
        return reply

    async def hear_message(self, offer: Offer) -> Reply:
        verdicts = await asyncio.to_thread(judge, offer, self._zones)
        reply = answer_message(self.plan.temperament, aligned=verdicts.aligned)
        await self._arrivals.add(self.plan.name, offer, verdicts, str(reply))
        return reply

    def log_in(self, user: str, password: str) -> bool:  # noqa: ARG002 - nobody logs in here
        return False
