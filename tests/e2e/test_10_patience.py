"""Mail that does not arrive at once: tried again, tried elsewhere, reported as late, given up with a report."""

import socket
from email import message_from_bytes
from email.message import Message

import pytest

from relay.sandbox.arrivals import Received
from relay.sandbox.scripted_peer import Drop, Say, Script, ScriptedPeer
from relay.sandbox.world import World

from .conftest import StartRelay
from .mail import message
from .relay_process import DOMAIN, Relay

COMPANY = "info@bakkerij-peeters.example"
DOWN, UP = "127.0.20.7", "127.0.20.8"


def status_of(report: Received) -> tuple[Message, Message]:
    """The parts of a report that machines read (RFC 3464): about the message, about its recipient."""
    assert report.offer.reverse_path == ""
    assert report.verdicts.dkim == ((DOMAIN, "pass"), (DOMAIN, "pass"))
    parsed = message_from_bytes(report.offer.content)
    assert (parsed.get_content_type(), parsed.get_param("report-type")) == ("multipart/report", "delivery-status")
    text, status, original = parsed.get_payload()
    assert text.get_content_type() == "text/plain"
    assert status.get_content_type() == "message/delivery-status"
    assert original.get_content_type() in ("message/rfc822", "text/rfc822-headers")
    about, recipient = status.get_payload()
    assert about["Reporting-MTA"] == "dns; mx1.my.relay.example"
    return about, recipient


def subject(text: str, to: str):
    return lambda received: text in received.header("Subject") and received.is_for(to)


async def test_late_mail_is_reported_and_then_given_up(start_relay: StartRelay, world: World) -> None:
    relay = await start_relay(delivery={"retry": ["1s", "2s"], "delay_notice": "3s", "expire": "8s"})
    world.zones.publish("down.example", "MX", "10 mx.down.example.")
    world.zones.publish("mx.down.example", "A", DOWN)
    queue_id = await relay.submit(
        message(), "an@down.example", mail=["ENVID=f1"], rcpt=["ORCPT=rfc822;An@down.example"]
    )
    quiet = await relay.submit(message(), "stil@down.example", rcpt=["NOTIFY=NEVER"])
    late = await world.wait_for(subject("Your message is delayed", COMPANY), 60)
    about, recipient = status_of(late)
    assert about["Original-Envelope-Id"] == "f1"
    assert (recipient["Action"], recipient["Status"]) == ("delayed", "4.4.1")
    assert recipient["Will-Retry-Until"]
    given_up = await world.wait_for(subject("Your message could not be delivered", COMPANY), 60)
    _, recipient = status_of(given_up)
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.4.1")
    assert recipient["Original-Recipient"] == "rfc822;An@down.example"
    assert recipient["Final-Recipient"] == "rfc822; an@down.example"
    await relay.event("expired", queue_id=quiet)
    await relay.is_empty()
    (journey,) = await relay.trace(queue_id)
    types = [event["type"] for event in journey["events"]]
    assert types.count("delayed") == types.count("expired") == 1
    assert types.count("reported") == 2
    assert types.count("deferred") >= 3
    # One report each time, and none about the one that asked for silence.
    assert len(world.received()) == 2


async def test_hosts_of_every_temper(relay: Relay, world: World) -> None:
    await relay.submit(message(), "an@grijs.example")
    await relay.submit(message(), "an@druk.example")
    full = await relay.submit(message(), "an@vol.example")
    for to in ("an@grijs.example", "an@druk.example"):
        received = await world.wait_for(to, 60)
        assert received.accepted
    greylisted = await relay.event("deferred", recipient="an@grijs.example")
    assert greylisted["reply"].startswith("451 4.7.1")
    busy = await relay.event("deferred", recipient="an@druk.example")
    assert (busy["reply"][:9], busy["phase"]) == ("421 4.3.2", "greeting")
    quota = await relay.event("deferred", queue_id=full, count=2)
    assert quota["reply"].startswith("452 4.2.2")
    assert (await relay.event("delivered", recipient="an@grijs.example"))["attempt"] == 2


@pytest.mark.parametrize(
    ("to", "status"),
    [
        pytest.param("an@weg.example", "5.1.10", id="takes-no-mail"),
        pytest.param("an@nergens.example", "5.1.2", id="no-such-domain"),
        pytest.param("full@klant.example", "5.2.2", id="mailbox-full"),
        pytest.param("unknown@klant.example", "5.1.1", id="nobody-there"),
    ],
)
async def test_what_will_never_arrive_is_reported_at_once(relay: Relay, world: World, to: str, status: str) -> None:
    queue_id = await relay.submit(message(), to, mail=["RET=HDRS"])
    report = await world.wait_for(subject("Your message could not be delivered", COMPANY), 60)
    _, recipient = status_of(report)
    assert (recipient["Action"], recipient["Status"]) == ("failed", status)
    original = message_from_bytes(report.offer.content).get_payload()[2]
    assert original.get_content_type() == "text/rfc822-headers"
    assert "Subject: Factuur 2026-001" in original.get_payload()
    failed = await relay.event("failed", queue_id=queue_id)
    assert failed["attempt"] == 1
    # It came back through our own front door, and nothing went out to anybody else.
    assert [received.recipients for received in world.received()] == [(COMPANY,)]


async def test_the_next_host_is_tried_when_the_first_is_down(relay: Relay, world: World) -> None:
    world.zones.publish("two.example", "MX", "10 first.two.example.", "20 second.two.example.")
    world.zones.publish("first.two.example", "A", DOWN)
    world.zones.publish("second.two.example", "A", UP)
    async with ScriptedPeer(host=UP, port=world.smtp_port) as peer:
        await relay.submit(message(), "an@two.example")
        await peer.wait_for(lambda peer: len(peer.messages) == 1, 60)
    delivered = await relay.event("delivered")
    assert (delivered["host"], delivered["attempt"]) == ("second.two.example", 1)
    assert relay.events("deferred") == []


async def test_both_families_are_tried(relay: Relay, world: World) -> None:
    world.zones.publish("six.example", "MX", "10 mx.six.example.")
    world.zones.publish("mx.six.example", "AAAA", "::1")
    world.zones.publish("mx.six.example", "A", UP)
    # Where the machine has no IPv6, that address is one that cannot be reached, and mail arrives all the same.
    where = "::1" if _has_ipv6() else UP
    async with ScriptedPeer(host=where, port=world.smtp_port) as peer:
        await relay.submit(message(), "an@six.example")
        await peer.wait_for(lambda peer: len(peer.messages) == 1, 60)
    assert (await relay.event("delivered"))["ip"] == where


async def test_silence_after_the_final_dot_is_called_unknown(relay: Relay, world: World) -> None:
    world.zones.publish("lost.example", "MX", "10 mx.lost.example.")
    world.zones.publish("mx.lost.example", "A", UP)
    async with ScriptedPeer(Script(end=Drop()), Script(), host=UP, port=world.smtp_port) as peer:
        queue_id = await relay.submit(message(), "an@lost.example")
        await peer.wait_for(lambda peer: len(peer.messages) == 2, 60)
        await relay.event("delivered", queue_id=queue_id)
    assert relay.events("deferred", queue_id=queue_id)[0]["unknown"] is True
    told = (await relay.command("trace", queue_id)).out
    assert "it may have arrived all the same" in told


async def test_each_recipient_has_a_fate_of_its_own(relay: Relay, world: World) -> None:
    world.zones.publish("mixed.example", "MX", "10 mx.mixed.example.")
    world.zones.publish("mx.mixed.example", "A", UP)
    never = {"never@mixed.example": Say("550 5.1.1 No")}
    scripts = Script(recipients=never | {"later@mixed.example": Say("451 4.3.0 Later")}), Script(recipients=never)
    async with ScriptedPeer(*scripts, host=UP, port=world.smtp_port) as peer:
        queue_id = await relay.submit(message(), "now@mixed.example", "later@mixed.example", "never@mixed.example")
        await world.wait_for(subject("could not be delivered", COMPANY), 60)
        await relay.event("delivered", queue_id=queue_id, count=2)
        assert len(peer.messages) == 2
    await relay.is_empty()
    (journey,) = await relay.trace(queue_id)
    assert [each["state"] for each in journey["deliveries"]] == ["delivered", "delivered", "failed"]


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True
