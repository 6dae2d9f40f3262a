"""The whole mail world: names, hosts, a customer's server, mailboxes, Fast input and certificates, started together.

In charge of: giving each host its own loopback address and all of them one port, and publishing what they are.
Never does: behave; that is each part's own business.
"""

import errno
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from relay.sandbox.arrivals import Arrivals, Received, Refusal
from relay.sandbox.certificates import Authority
from relay.sandbox.customer_server import CustomerServer, CustomerServerPlan
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.fast_input import FastInput, FastInputPlan
from relay.sandbox.mailbox import Mailbox, MailboxPlan
from relay.sandbox.receiving_host import HostPlan, ReceivingHost
from relay.sandbox.zones import Zones

NETWORK = "127.0.10."  # every host has an address of its own in it
PORT_ATTEMPTS = 20
ARRIVALS = "arrivals"

Records = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class WorldPlan:
    """A world to be. A port of 0 takes a free one.

    For every host, its address, an MX of each of its domains and an SPF record that authorizes it are published;
    `records` adds to that or, for the same name and type, takes its place.
    """

    hosts: tuple[HostPlan, ...]
    customer_servers: tuple[CustomerServerPlan, ...] = ()
    records: Records = field(default_factory=dict)
    dns_port: int = 0
    smtp_port: int = 0
    mailboxes: tuple[MailboxPlan, ...] = ()
    fast_input: FastInputPlan | None = None


class World:
    """A running world; use it as an asynchronous context.

    Args:
        plan: what there is.
        records: more records, such as the DKIM keys of whoever is tested: {"s1._domainkey.x.example": {"TXT": "..."}}.
        folder: where the authority is kept (ca.pem) and, in `arrivals`, all mail; None keeps both in memory.
    """

    def __init__(self, plan: WorldPlan, *, records: Records | None = None, folder: Path | None = None) -> None:
        self.plan = plan
        self.zones = Zones()
        self.arrivals = Arrivals(folder / ARRIVALS if folder else None)
        self.authority = Authority(folder)
        self.dns = DnsServer(self.zones, port=plan.dns_port)
        self.smtp_port = plan.smtp_port
        self.hosts: dict[str, ReceivingHost] = {}
        self.customer_servers: dict[str, CustomerServer] = {}
        self.mailboxes: dict[str, Mailbox] = {}  # by account
        self.fast_input: FastInput | None = None
        self.addresses: dict[str, str] = {}  # by host name
        self._records = {**plan.records, **(records or {})}
        self._stack = AsyncExitStack()

    @property
    def dns_address(self) -> str:
        """The name server, as "127.0.0.1:port"."""
        return self.dns.address

    async def __aenter__(self) -> Self:
        self._build()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.dns)
            for server in self.customer_servers.values():
                await server.start(self.addresses[server.plan.name], server.plan.port)
                stack.push_async_callback(server.stop)
            for mailbox in self.mailboxes.values():
                await mailbox.start(self.addresses[mailbox.plan.name], mailbox.plan.port)
                stack.push_async_callback(mailbox.stop)
            if self.fast_input is not None:
                await self.fast_input.start(self.addresses[self.fast_input.plan.name], self.fast_input.plan.port)
                stack.push_async_callback(self.fast_input.stop)
            for host in self.hosts.values():
                stack.push_async_callback(host.stop)
            await self._listen()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def received(self, text: str = "") -> list[Received]:
        """The messages that reached a host, for an address or a domain, or all of them; oldest first."""
        return self.arrivals.received(text)

    def refused(self) -> list[Refusal]:
        """What hosts turned away before a message came; oldest first."""
        return list(self.arrivals.refusals)

    async def wait_for(self, wanted: str | Callable[[Received], bool], timeout: float = 10.0) -> Received:  # noqa: ASYNC109
        """The first message for an address or domain, or that a test says yes to.

        Raises:
            TimeoutError: none came; the message says what did.
        """
        return await self.arrivals.wait_for(wanted, timeout)

    def host_for(self, domain: str) -> ReceivingHost | None:
        """The host that takes mail for a domain."""
        return next((host for host in self.hosts.values() if domain in host.plan.domains), None)

    def _build(self) -> None:
        number = 0
        for plan in self.plan.hosts:
            number += 1
            address = self.addresses[plan.name] = f"{NETWORK}{number}"
            tls = self.authority.server_context(plan.name, address) if plan.tls else None
            self.hosts[plan.name] = ReceivingHost(plan, self.arrivals, self.zones, tls)
            self.zones.publish(plan.name, "A", address)
            for domain in plan.domains:
                self.zones.publish(domain, "MX", f"10 {plan.name}.")
                self.zones.publish(domain, "TXT", f"v=spf1 ip4:{address} -all")
        for server in self.plan.customer_servers:
            number += 1
            address = self.addresses[server.name] = f"{NETWORK}{number}"
            tls = self.authority.server_context(server.name, address)
            self.customer_servers[server.name] = CustomerServer(server, self.arrivals, self.host_for, tls)
            self.zones.publish(server.name, "A", address)
            domain = server.username.rpartition("@")[2]
            self.zones.publish(domain, "TXT", f"v=spf1 ip4:{address} -all")
        for mailbox in self.plan.mailboxes:
            number += 1
            address = self.addresses[mailbox.name] = f"{NETWORK}{number}"
            tls = self.authority.server_context(mailbox.name, address)
            self.mailboxes[mailbox.username] = Mailbox(mailbox, tls)
            self.zones.publish(mailbox.name, "A", address)
        if self.plan.fast_input is not None:
            address = self.addresses[self.plan.fast_input.name] = f"{NETWORK}{number + 1}"
            self.fast_input = FastInput(self.plan.fast_input)
            self.zones.publish(self.plan.fast_input.name, "A", address)
        for name, types in self._records.items():
            for rdtype, values in types.items():
                self.zones.publish(name, rdtype, *(values if isinstance(values, list | tuple) else (values,)))

    async def _listen(self) -> None:
        """One port that is free at every host's address."""
        for attempt in range(PORT_ATTEMPTS):
            port = self.plan.smtp_port
            try:
                for name, host in self.hosts.items():
                    port = await host.start(self.addresses[name], port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or self.plan.smtp_port or attempt == PORT_ATTEMPTS - 1:
                    raise
                for host in self.hosts.values():
                    await host.stop()
            else:
                self.smtp_port = port
                return
