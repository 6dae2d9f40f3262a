"""Mail that a host cannot take because it knows no 8BITMIME (RFC 6152) or SMTPUTF8 (RFC 6531)."""

import pytest

from relay.events import EventType
from relay.mail.envelope import Body
from relay.policy.outcome import Action
from relay.sandbox.scripted_peer import Say, Script, ScriptedPeer
from relay.store.spool import Origin, State

from .house import ANNA, MAIL, House

PLAIN = Script(ehlo=Say("250-peer.example\r\n250 PIPELINING"))
WIDE_MAIL = MAIL.replace(b"Web", "Jürgen".encode())


@pytest.mark.parametrize(
    ("octets", "envelope", "status"),
    [
        (MAIL + "café\r\n".encode(), {"body": Body.EIGHT_BIT}, "5.6.3"),
        # What the octets are counts, whatever was said of them.
        (MAIL + b"\xff\r\n", {}, "5.6.3"),
        (WIDE_MAIL, {"smtputf8": True, "body": Body.EIGHT_BIT}, "5.6.7"),
    ],
)
async def test_an_app_gets_a_report_with_the_right_code(house: House, octets, envelope, status):
    """Bodies are not converted: signatures would break, and today's hosts know both."""
    async with ScriptedPeer(PLAIN) as peer:
        house.configure(delivery={"port": peer.port})
        queue_id = await house.deliver(ANNA, octets=octets, envelope=envelope)
        assert (await house.delivery(queue_id)).state is State.FAILED
        (report,) = await house.reports()
        assert f"Status: {status}\r\n".encode() in house.octets(report.message)
        assert not peer.messages


@pytest.mark.parametrize(
    ("octets", "envelope"),
    [(WIDE_MAIL, {"smtputf8": True, "body": Body.EIGHT_BIT}), (MAIL + b"\xff\r\n", {"body": Body.EIGHT_BIT})],
)
async def test_an_answer_that_the_companys_host_cannot_take_waits_for_a_person(house: House, octets, envelope):
    """It was taken, so the writer outside is not told by us (no backscatter), and nothing is lost."""
    house.host("bakery.example", "127.0.0.1")
    async with ScriptedPeer(PLAIN) as peer:
        house.configure(delivery={"port": peer.port})
        queue_id = await house.deliver(
            "bakery@my.relay.example", sender=ANNA, octets=octets, envelope=envelope, origin=Origin.MX, app=""
        )
        assert (await house.delivery(queue_id)).state is State.HELD
        assert not await house.reports()
        assert house.sink.of(EventType.HELD)
        assert not peer.messages


async def test_a_host_that_knows_it_all_gets_it_as_it_is(house: House):
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        (outcome,) = (await house.attempt(octets=WIDE_MAIL, envelope={"smtputf8": True})).outcomes
        assert outcome.action is Action.DELIVERED
        await peer.wait_for(lambda peer: bool(peer.messages))
        assert "Jürgen".encode() in peer.messages[0]
        assert next(line for line in peer.records[0].lines if line.startswith("MAIL")).endswith(" SMTPUTF8")
