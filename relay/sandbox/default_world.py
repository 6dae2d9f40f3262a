"""The world of the demo: companies that send, customers of every temper who receive, a mailbox, and Fast input.

In charge of: names and who lives there.
Never does: start anything.
"""

from relay.sandbox.customer_server import CustomerServerPlan
from relay.sandbox.fast_input import FastInputPlan
from relay.sandbox.mailbox import MailboxPlan
from relay.sandbox.receiving_host import HostPlan
from relay.sandbox.temperament import Temperament
from relay.sandbox.world import WorldPlan

RELAY_DOMAIN = "my.relay.example"
OWN_DOMAINS = {"garage-lambert": "garage-lambert.example"}  # by company: its mail goes out in its own name from us
DELEGATED_SELECTOR = "d1"  # the key that signs for companies whose domains point to it
STUDIO_USER = "hallo@studio-noord.example"
STUDIO_PASSWORD = "sandbox-only"  # noqa: S105 - opens nothing but the sandbox
MAILBOX_USER, MAILBOX_PASSWORD = "facturen@bakkerij-peeters.example", "sandbox-only"
FAST_INPUT_KEY = "sandbox-only"


def default_plan(
    *,
    dns_port: int = 0,
    smtp_port: int = 0,
    customer_port: int = 0,
    mailbox_port: int = 0,
    fast_input_port: int = 0,
) -> WorldPlan:
    """The demo's world; the relay is expected at 127.0.0.1 and sends from there. A port of 0 takes a free one."""
    hosts = (
        HostPlan("mx.klant.example", ("klant.example",)),
        HostPlan("mx.streng.example", ("streng.example",), Temperament.PICKY),
        HostPlan("mx.grijs.example", ("grijs.example",), Temperament.GREYLISTING),
        HostPlan("mx.vol.example", ("vol.example",), Temperament.FULL),
        HostPlan("mx.druk.example", ("druk.example",), Temperament.BUSY, tls=False),
        HostPlan("mx.bakkerij-peeters.example", ("bakkerij-peeters.example",)),
        HostPlan("mx.garage-lambert.example", ("garage-lambert.example",)),
        HostPlan("mx.studio-noord.example", ("studio-noord.example",)),
        HostPlan("mx.atelier-vos.example", ("atelier-vos.example",)),
        HostPlan("mx.operator.example", ("operator.example",)),  # the people who run the relay
    )
    studio = CustomerServerPlan("smtp.studio-noord.example", STUDIO_USER, STUDIO_PASSWORD, customer_port)
    mailbox = MailboxPlan("imap.bakkerij-peeters.example", MAILBOX_USER, MAILBOX_PASSWORD, mailbox_port)
    fast_input = FastInputPlan("fast-input.example", FAST_INPUT_KEY, fast_input_port)
    reject = {"TXT": "v=DMARC1; p=reject"}
    records = {
        RELAY_DOMAIN: {"TXT": "v=spf1 ip4:127.0.0.1 -all", "MX": f"10 mx1.{RELAY_DOMAIN}."},
        f"mx1.{RELAY_DOMAIN}": {"A": "127.0.0.1"},
        "garage-lambert.example": {"TXT": f"v=spf1 include:{RELAY_DOMAIN} -all"},
        f"{DELEGATED_SELECTOR}._domainkey.garage-lambert.example": {
            "CNAME": f"{DELEGATED_SELECTOR}._domainkey.{RELAY_DOMAIN}."
        },
        "weg.example": {"MX": "0 .", "TXT": "v=spf1 -all"},
        f"_dmarc.{RELAY_DOMAIN}": reject,
        "_dmarc.bakkerij-peeters.example": reject,
        "_dmarc.garage-lambert.example": reject,
        "_dmarc.studio-noord.example": reject,
        "_dmarc.atelier-vos.example": reject,  # it publishes nothing else yet
        "_dmarc.klant.example": reject,
        # nergens.example is not published: mail for it has nowhere to go
    }
    return WorldPlan(hosts, (studio,), records, dns_port, smtp_port, (mailbox,), fast_input)
