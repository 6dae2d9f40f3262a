"""A customer's own submission server on loopback: STARTTLS, one account, mail goes straight into the world.

In charge of: AUTH PLAIN and LOGIN under TLS only, letting the account send in its own name only, handing each message
to the host of each recipient as if it had been sent there from this server's address.
Never does: queue, retry, report: what a host refuses is recorded as a refusal and is gone.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from relay.mail.address import Address
from relay.mail.envelope import Recipient
from relay.mail.received import Hop, received_field
from relay.mail.reply import Reply
from relay.sandbox.arrivals import Arrivals, Offer, Refusal, Verdicts
from relay.sandbox.conversation import Listener
from relay.sandbox.receiving_host import ReceivingHost

NOT_OWNED = Reply(553, "5.7.1", "Sender address is not the account's")
RECIPIENT_TAKEN = Reply(250, "2.1.5", "Recipient accepted")
QUEUED = Reply(250, "2.0.0", "Message queued")


@dataclass(frozen=True, slots=True)
class CustomerServerPlan:
    """A customer's server to be; `username` is also the only address it sends for."""

    name: str
    username: str
    password: str
    port: int = 0


class CustomerServer:
    """One running server; `password` may be changed at any time. `seen` records what was submitted."""

    def __init__(
        self,
        plan: CustomerServerPlan,
        world: Arrivals,
        find_host: Callable[[str], ReceivingHost | None],
        tls: ssl.SSLContext,
    ) -> None:
        self.plan = plan
        self.password = plan.password
        self.address = ""
        self.port = 0
        self.seen = Arrivals()
        self._world = world
        self._find_host = find_host
        self._listener = Listener(plan.name, tls=tls, auth=True)

    async def start(self, address: str, port: int) -> int:
        """Listen; returns the port. Raises OSError when it cannot be had."""
        self.address = address
        self.port = await self._listener.start(self, address, port)
        return self.port

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        await self._listener.stop()

    def greet(self, peer: str) -> Reply | None:  # noqa: ARG002 - takes any
        return None

    def log_in(self, user: str, password: str) -> bool:
        return user == self.plan.username and password == self.password

    async def hear_sender(self, user: str, reverse_path: Address | None) -> Reply | None:
        if str(reverse_path or "") == user:
            return None
        await self.seen.refuse(Refusal(self.plan.name, "MAIL", str(reverse_path or "<>"), str(NOT_OWNED)))
        return NOT_OWNED

    async def hear_recipient(self, reverse_path: Address | None, recipient: Recipient) -> Reply:  # noqa: ARG002
        return RECIPIENT_TAKEN

    async def hear_message(self, offer: Offer) -> Reply:
        await self.seen.add(self.plan.name, offer, Verdicts(), str(QUEUED))
        for recipient in offer.recipients:
            await self._pass_on(offer, recipient)
        return QUEUED

    async def _pass_on(self, offer: Offer, recipient: Recipient) -> None:
        host = self._find_host(recipient.address.ascii_domain)
        if host is None:
            refusal = Refusal(self.plan.name, "RCPT", str(recipient.address), "550 5.1.2 No host for this domain")
            await self._world.refuse(refusal)
            return
        hop = Hop(offer.helo, offer.peer, self.plan.name, "ESMTPSA", str(len(self.seen.messages)), time.time())
        content = received_field(hop) + offer.content
        sent = replace(offer, peer=self.address, helo=self.plan.name, recipients=(recipient,), content=content)
        reply = await host.hear_recipient(Address(*offer.reverse_path.rsplit("@", 1)), recipient)
        if reply.is_positive:
            await host.hear_message(sent)
