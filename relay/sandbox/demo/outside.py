"""What comes from outside besides answers of people: forgers, out-of-office messages, mail that comes back."""

import asyncio
import base64
import json
import urllib.request
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519

from relay.mail.dkim import BodyHash, Signer, dns_record
from relay.mail.message import header_size, parse_header
from relay.sandbox.arrivals import Received
from relay.sandbox.default_world import RELAY_DOMAIN
from relay.sandbox.demo.stage import APP, PASSWORD, PATIENCE, Show, deliver, queue_id_of, settled

CUSTOMER = "klant.example"
_SELECTOR = "post"
_STRANGER = "mx.vol.example"


class CustomerHost:
    """The mail server of the customers, which signs what its people write."""

    def __init__(self, show: Show) -> None:
        key = ed25519.Ed25519PrivateKey.generate()
        show.world.zones.publish(f"{_SELECTOR}._domainkey.{CUSTOMER}", "TXT", dns_record(key))
        self._show = show
        self._signer = Signer(CUSTOMER, _SELECTOR, key)

    def sign(self, content: bytes) -> bytes:
        """A mail with the domain's signature on top."""
        size = header_size(content) or len(content)
        header, body = parse_header(content[:size]), BodyHash()
        body.update(content[size:])
        return self._signer.sign(header, body.digest(), int(datetime.now(UTC).timestamp())) + content

    async def deliver(self, author: str, to: str, content: bytes) -> str:
        """Bring a mail to the relay; what the relay answers."""
        return await deliver(self._show, f"mx.{CUSTOMER}", author, to, content)


async def meet_outside(show: Show, number: int, first: Received, queue_id: str, host: CustomerHost) -> None:
    """Three mails that no person wrote in good faith, about the first invoice; `queue_id` is what it had here."""
    show.say(f"\n{number}. The Internet is hostile: a forger, a robot and a mail that comes back")
    await _forge(show, first.recipients[0], first)
    back = first.offer.reverse_path
    await host.deliver("", back, _out_of_office(first, back))
    await host.deliver("", back, _came_back(first, back))
    told = await _told(show, queue_id, {"replied", "bounced"})
    show.say(f"  An out-of-office message and a bounce come back to {back}.")
    show.say(f"  The app asks what became of {queue_id} (`GET /api/v1/events`):")
    for type_, data in told.items():
        shown = {key: data[key] for key in ("kind", "tie", "class", "status", "permanent") if key in data}
        show.say(f"    {type_}: {json.dumps(shown)}")
    robots = [data["kind"] for type_, data in told.items() if type_ == "replied"]
    show.check(holds=robots == ["auto-reply"], claim="an out-of-office message is told as one, and is no bounce")
    bounce = told["bounced"]
    show.say(f"    {bounce['explanation']['en']} {bounce['advice']['en']}")
    show.check(
        holds=bounce["class"] == "mailbox-full", claim="a bounce says what is in the way, and what to do about it"
    )


async def _forge(show: Show, victim: str, first: Received) -> None:
    to = f"bakkerij-peeters@{RELAY_DOMAIN}"
    show.say(f"  Somebody at {_STRANGER} writes to {to} as {victim}, whose domain says p=reject:")
    content = _written(victim, to, f"Re: {first.header('Subject')}", "Ons rekeningnummer is veranderd.\n")
    reply = await deliver(show, _STRANGER, "x@vol.example", to, content)
    queue_id = queue_id_of(reply)
    state = await settled(show, queue_id)
    for line in (await show.relay.ask("trace", queue_id)).strip().splitlines():
        show.say(f"  | {line}")
    show.check(holds=state == "held", claim="mail in a false name waits until a person releases it")


def _out_of_office(first: Received, to: str) -> bytes:
    more = {"Auto-Submitted": "auto-replied", "In-Reply-To": first.header("Message-ID")}
    return _written(first.recipients[0], to, "Afwezig", "Ik ben maandag terug.\n", **more)


def _came_back(first: Received, to: str) -> bytes:
    """A report of the customer's host (RFC 3464)."""
    lines = (
        f"From: MAILER-DAEMON@mx.{CUSTOMER}",
        f"To: {to}",
        "Subject: Undelivered Mail Returned to Sender",
        f"Date: {format_datetime(datetime.now(UTC))}",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
        "",
        "--b",
        "",
        "Your mail could not be delivered.",
        "--b",
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; mx.{CUSTOMER}",
        "",
        f"Final-Recipient: rfc822; {first.recipients[0]}",
        "Action: failed",
        "Status: 5.2.2",
        "Diagnostic-Code: smtp; 552 5.2.2 Mailbox full",
        "--b--",
        "",
    )
    return "\r\n".join(lines).encode()


def _written(author: str, to: str, subject: str, text: str, **fields: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = author, to, subject
    message["Date"] = format_datetime(datetime.now(UTC))
    for name, value in fields.items():
        message[name] = value
    message.set_content(text)
    return message.as_bytes()


async def _told(show: Show, queue_id: str, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """The data of the app's events of these types about that mail, once all are there."""
    found: dict[str, dict[str, Any]] = {}
    after = ""
    async with asyncio.timeout(PATIENCE):
        while not wanted <= found.keys():
            page = await asyncio.to_thread(_page, show, after)
            mine = [event for event in page["events"] if event["queue_id"] == queue_id and event["type"] in wanted]
            found |= {event["type"]: event["data"] for event in mine}
            after = f"&after={page['next']}"
            if not page["more"]:
                await asyncio.sleep(0.2)
    return found


def _page(show: Show, after: str) -> dict[str, Any]:
    host, port = show.ports.web
    login = base64.b64encode(f"{APP}:{PASSWORD}".encode()).decode()
    url = f"http://{host}:{port}/api/v1/events?limit=1000{after}"
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 -- as above
        return dict(json.load(answer))
